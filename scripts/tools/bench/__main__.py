"""`scripts/bench`: what is measured is chosen here."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.tools.bench.cost import measure_cost, show_cost
from scripts.tools.bench.fill import PASSWORD, fill, fill_once, username
from scripts.tools.bench.flood import measure_flood
from scripts.tools.bench.grown import SMALL, measure_grown
from scripts.tools.bench.load import ToolMissingError, tool
from scripts.tools.bench.place import Places
from scripts.tools.bench.process import ROOT, WrongAnswerError
from scripts.tools.bench.report import (
    compare,
    describe_run,
    show_comparison,
    show_flood,
    show_grown,
    show_run,
    show_servers,
    show_starts,
    write,
)
from scripts.tools.bench.rounds import run_rounds
from scripts.tools.bench.scale import measure_scale, show_scale
from scripts.tools.bench.servers import ARGON2, SERVERS, THEIRS

BUILD = ROOT / "build"
STORES = Path(os.environ.get("BENCH_FOLDER", BUILD / "bench"))
ACCOUNTS = 5_000


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    fill_accounts: Annotated[int, typer.Option("--fill", help="Only make a store with N accounts and relations.")] = 0,
    scale: Annotated[
        bool,
        typer.Option("--scale", help="Only measure instances on PostgreSQL: commits fast, slow, on a standby too."),
    ] = False,
    grown: Annotated[bool, typer.Option("--grown", help="Compare a thousand accounts with a large store.")] = False,
    large: Annotated[int, typer.Option(min=1_000, help="Accounts of the large store.")] = 1_000_000,
    quick: Annotated[bool, typer.Option("--quick", help="Take about a minute: short rounds, little data.")] = False,
    servers: Annotated[str, typer.Option(help="Names parted by commas; default: all. `none` leaves them out.")] = "",
    cost: Annotated[
        bool, typer.Option("--cost", help="Only measure processor time in process, without sockets.")
    ] = False,
    flood: Annotated[bool, typer.Option(help="Measure hashing and the flood of logins.")] = True,
    rounds: Annotated[int, typer.Option(min=1, help="How often each server has its turn.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="How long each operation is measured in a round.")] = 3,
    connections: Annotated[int, typer.Option(min=1, help="Connections that send requests.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Workers of each server.")] = 1,
    postgres: Annotated[
        str, typer.Option(metavar="URL", help="A PostgreSQL to measure on, with a database made for each server.")
    ] = "",
    output: Annotated[Path, typer.Option(help="Where the JSON goes.")] = BUILD / "bench.json",
) -> None:
    """Measure Rollbook beside its peers; print tables, and write all numbers to build/bench.json."""
    if fill_accounts:
        folder = STORES / f"filled-{fill_accounts}"
        fill(folder, fill_accounts, fill_accounts, ARGON2)
        print(f"{folder}: {username(1)} to {username(fill_accounts)}, password {PASSWORD!r}")
        print(f"serve it: ROLLBOOK_DATA={folder} ./scripts/serve")
        return
    if scale:
        rows = measure_scale(seconds, _progress)
        print(show_scale(rows))
        write({"scale": rows}, output.with_name("scale.json"))
        return
    if cost:
        places = Places(STORES, postgres)
        store = fill_once(STORES / f"store-{ACCOUNTS}", ACCOUNTS, ACCOUNTS, ARGON2)
        report: dict[str, Any] = {"cost": measure_cost(store, places, rounds=2 if quick else 20, report=_progress)}
        print(show_cost(report["cost"]))
        write(report, output)
        return
    try:
        tool()
    except ToolMissingError as error:
        sys.exit(f"bench: {error}")
    if quick:
        rounds, seconds = 1, 1
    names = _chosen(servers)
    places = Places(STORES, postgres)
    shape = {"workers": workers, "connections": connections, "rounds": rounds, "seconds": seconds}
    report = describe_run({"store": places.describe()} | shape)
    folder = STORES
    print(show_run(report), end="\n\n", flush=True)
    timing: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "report": _progress}
    if names:
        store = fill_once(folder / f"store-{ACCOUNTS}", ACCOUNTS, ACCOUNTS, ARGON2)
        results = run_rounds(names, store, places, connections=connections, workers=workers, **timing)
        report["servers"] = {name: result.as_json() for name, result in results.items()}
        print(show_servers(report["servers"]), show_starts(report["servers"]), sep="\n\n", end="\n\n", flush=True)
    if flood:
        store = fill_once(folder / f"store-{ACCOUNTS}", ACCOUNTS, ACCOUNTS, ARGON2)
        report["flood"] = measure_flood(store, places, **timing)
        print(show_flood(report["flood"]), end="\n\n", flush=True)
    if grown:
        sizes = (100, 10_000) if quick else (SMALL, large)
        report["grown"] = measure_grown(folder, sizes=sizes, connections=connections, **timing)
        print(show_grown(report["grown"]), end="\n\n", flush=True)
    report["comparison"] = compare(report)
    print(show_comparison(report["comparison"]))
    write(report, output)
    print(f"\nall numbers: {output}")


def _chosen(servers: str) -> list[str]:
    """Return the names of the servers to measure."""
    if servers == "none":
        return []
    names = servers.split(",") if servers else list(SERVERS)
    for name in names:
        if name not in SERVERS:
            sys.exit(f"bench: no server {name!r}; there are {', '.join(SERVERS)}")
    if not THEIRS.exists() and any(not name.startswith("rollbook") for name in names):
        sys.exit("bench: the peers' environment .venv-bench is missing; ./scripts/bench makes it")
    return names


def _progress(text: str) -> None:
    """Say on a terminal what is being done."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        app()
    except WrongAnswerError as error:
        sys.exit(f"bench: {error}")
