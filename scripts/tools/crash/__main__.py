"""`scripts/crash`: how much is killed where."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from rich.console import Console

from models import settings
from models.account import Account
from models.db.database import connect, database, run_transaction
from models.project import Project
from scripts.tools.bench.process import ROOT
from scripts.tools.crash.cluster import ClusterTown
from scripts.tools.crash.inspection import Inspector, broken_audit, broken_invariants, miscarried
from scripts.tools.crash.journal import Journal
from scripts.tools.crash.town import CrashError, PgBouncerTown, PostgresTown, Town, standing
from scripts.tools.crash.writers import Doors, Roving, Writer, mobile_of
from tests.clients import Signed

BUILD = ROOT / "build"
TOWNS: dict[str, type[Town]] = {town.name: town for town in (Town, PostgresTown, PgBouncerTown, ClusterTown)}

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
console = Console()


@app.command()
def main(
    *,
    engine: Annotated[
        list[str] | None, typer.Option(help="sqlite, postgresql, pgbouncer or cluster; default: all.")
    ] = None,
    kills: Annotated[int, typer.Option(min=1, help="How often something is killed on each engine.")] = 20,
    writers: Annotated[int, typer.Option(min=1, help="Clients that write at the same time.")] = 6,
    pause: Annotated[float, typer.Option(min=0, help="Seconds that a client waits between two acts.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed kills the same in the same order.")] = 1,
    output: Annotated[Path, typer.Option(help="Where the JSON goes.")] = BUILD / "crash.json",
) -> None:
    """Kill processes under load; look for every write that was acknowledged, and for what is half done."""
    names = engine or list(TOWNS)
    if unknown := set(names) - TOWNS.keys():
        sys.exit(f"crash: no engine {min(unknown)!r}; there are {', '.join(TOWNS)}")
    runs = [crash(TOWNS[name], output.parent / "crash" / name, kills, writers, pause, seed) for name in names]
    print(show(runs))
    report = {"machine": machine(), "command": f"./scripts/crash {' '.join(sys.argv[1:])}".strip(), "runs": runs}
    output.write_text(json.dumps(report, ensure_ascii=False, indent=1))
    print(f"all numbers: {output}")
    sys.exit(1 if any(run["complaints"] for run in runs) else 0)


def crash(kind: type[Town], folder: Path, kills: int, count: int, pause: float, seed: int) -> dict[str, Any]:
    """Let writers write, kill, compare; return what was counted. folder: for store, logs and journals."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    random = Random(seed)
    began = time.monotonic()
    with standing(kind(folder)) as town:
        settings.apply(town.settings)
        connect(town.settings.database_url)
        urls = [instance.url for instance in town.instances]
        accesskey = run_transaction(Signed.make_key)
        writers = [_settle(number, urls, accesskey, folder, Random(f"{seed} {number}")) for number in range(count)]
        inspector = Inspector(Doors(Roving(urls, Random(seed)), accesskey), Random(seed))
        for writer in writers:
            writer.pause = pause
            writer.start()
        complaints: list[str] = []
        healing, killed = [], []
        for number in range(kills):
            _let_write(writers)
            time.sleep(random.uniform(0.5, 2))
            what, how = random.choice(list(town.kills().items()))
            console.print(f"{kind.name} {number + 1}/{kills}: {what}", highlight=False)
            how(random)
            hurt = time.monotonic()
            time.sleep(random.uniform(0, 0.5))
            town.heal()
            healing.append(time.monotonic() - hurt)
            killed.append(what)
            time.sleep(random.uniform(0, 0.5))
            complaints += _look(writers, inspector, number + 1 == kills)
        for writer in writers:
            writer.done.set()
            writer.may_run.set()
        journals = [writer.journal for writer in writers]
        complaints += broken_audit()
        complaints += miscarried(folder / "data" / "outbox", journals)
        database.close()
        totals = {name: sum(journal.counts[name] for journal in journals) for name in COUNTED}
        for complaint in complaints:
            console.print(complaint, style="red", highlight=False)
        return {
            "engine": kind.name,
            "town": town.describe(),
            "seed": seed,
            "kills": len(killed),
            "killed": {what: killed.count(what) for what in sorted(set(killed))},
            **totals,
            "unsequenced": town.left_unsequenced,
            "slowest_request": max(writer.doors.client.slowest for writer in writers),
            "slowest_healing": max(healing),
            "seconds": time.monotonic() - began,
            "complaints": complaints,
        }


COUNTED = ("acknowledged", "refused", "unknown", "happened", "asked", "lost", "half-done", "wrong")


def _settle(number: int, urls: list[str], accesskey: str, folder: Path, random: Random) -> Writer:
    """Make a writer with its first account, which owns a project and has a mobile."""
    doors = Doors(Roving(urls, random), accesskey)
    writer = Writer(number, doors, Journal(folder / f"journal-{number}.jsonl"), random, "")
    owner = f"{writer.prefix}owner"
    if writer.register(owner) != owner:
        raise CrashError(f"nobody can be registered: {writer.journal.complaints}")

    def found() -> str:
        account = Account.by_username(owner)
        account.change(mobile=mobile_of(writer.prefix))
        return str(Project.import_graph(f"of {owner}", account, [{"id": 1, "name": "an entity"}]).id)

    writer.project = run_transaction(found)
    return writer


def _let_write(writers: list[Writer]) -> None:
    for writer in writers:
        writer.thaw()
        writer.rests.clear()
        writer.may_run.set()


def _look(writers: list[Writer], inspector: Inspector, everything: bool) -> list[str]:
    """Have all writers pause, and compare; return new complaints."""
    for writer in writers:
        writer.may_run.clear()
    for writer in writers:
        writer.rests.wait()
    complaints = []
    for writer in writers:
        inspector.inspect(writer.journal, everything)
        complaints += writer.journal.complaints
        writer.journal.complaints = []
    return complaints + broken_invariants()


COLUMNS = {
    "engine": "engine",
    "kills": "kills",
    "acknowledged": "writes acknowledged",
    "refused": "refused",
    "unknown": "no answer",
    "asked": "facts looked up",
    "lost": "lost",
    "half-done": "half-done",
    "wrong": "wrong answers",
    "unsequenced": "events left outside the chain",
}
"""What the table shows of a run, with its heads."""


def show(runs: list[dict[str, Any]]) -> str:
    """Return the table that the documentation quotes."""
    rows = [list(COLUMNS.values()), ["---"] * len(COLUMNS)]
    rows += [[f"{run[name]:,}" if name != "engine" else run[name] for name in COLUMNS] for run in runs]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """Describe the machine."""
    commit = subprocess.run(
        ["/usr/bin/env", "git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, {commit.stdout.strip()}"


if __name__ == "__main__":
    try:
        app()
    except CrashError as error:
        sys.exit(f"crash: {error}")
