"""What was measured, as tables for people and as JSON."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.tools.bench.load import describe_tool
from scripts.tools.bench.process import ROOT
from scripts.tools.bench.servers import ARGON2, CHECK, FIND, LIST, OWN_DATA, SERVERS, THEIRS

OURS = ("connexion", "peewee", "gunicorn", "uvloop", "jsonschema_rs", "orjson", "argon2-cffi", "starlette")
PEERS = ("fastapi", "pydantic", "uvicorn", "httptools", "fastapi-users", "SQLAlchemy", "aiosqlite", "Django")
PEERS_TOO = ("django-allauth", *OURS)
AIMS = {
    "sqlite": {
        ("starlette-uvicorn", CHECK): 1.0,
        ("starlette-uvicorn", FIND): 1.0,
        ("starlette-uvicorn", OWN_DATA): 1.0,
        ("starlette-uvicorn", LIST): 0.9,
        ("fastapi-uvicorn", CHECK): 1.5,
        ("fastapi-users", CHECK): 15.0,
        ("connexion", CHECK): 2.5,
    },
    "postgresql": {
        ("starlette-uvicorn", CHECK): 0.9,
        ("fastapi-uvicorn", CHECK): 1.2,
        ("fastapi-users", CHECK): 8.0,
    },
}
"""Store -> peer and operation -> how many times as many answers Rollbook is to give."""
LEAST_SHARE, MOST_FLOODED, MOST_CPU = 0.95, 2.0, 0.8
NOISE = 0.1
"""If other programs took more than this share of a processor, the numbers are shown with a warning."""


def describe_run(settings: dict[str, Any]) -> dict[str, Any]:
    """Return where and with what this run measures."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
            "load_before": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in OURS},
        "peers_versions": _peers_versions(),
        "load_tool": describe_tool(),
        "settings": settings | ARGON2,
    }


def write(report: dict[str, Any], file: Path) -> None:
    """Write the JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def show_run(run: dict[str, Any]) -> str:
    """Say where and with what was measured."""
    machine, settings = run["machine"], run["settings"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {run['versions']['python']}, load before {machine['load_before']}",
        f"commit {run['commit']}{' with uncommitted changes' if run['uncommitted_changes'] else ''}, {run['when']}",
        f"load from {run['load_tool']}; " + ", ".join(f"{name} {value}" for name, value in settings.items()),
    ]
    return "\n".join(lines)


def show_servers(servers: dict[str, Any]) -> str:
    """Show what each server did, and what that is against Rollbook."""
    rows = [["operation", "server", "requests/s", "spread", "p50 ms", "p99 ms", "CPU us", "Rollbook is"]]
    names = dict.fromkeys(name for server in servers.values() for name in server["operations"])
    for operation in names:
        for server in servers.values():
            shown = server["operations"].get(operation)
            if shown is None:
                continue
            middle = shown["median"]
            spread = f"{min(shown['rate']):,.0f}-{max(shown['rate']):,.0f}"
            ours = servers.get("rollbook", server)["operations"][operation]["median"]["rate"]
            rows.append(
                [
                    operation,
                    server["title"] + (f" ({shown['failed']} FAILED)" if shown["failed"] else ""),
                    f"{middle['rate']:,.0f}",
                    spread,
                    f"{middle['p50_ms']:.2f}",
                    f"{middle['p99_ms']:.2f}",
                    f"{middle['cpu_us']:,.0f}",
                    f"{ours / middle['rate']:.2f} x" if middle["rate"] else "-",
                ]
            )
    busiest = max(max(shown["others"]) for server in servers.values() for shown in server["operations"].values())
    warning = f"\nOther programs took up to {busiest:.0%} of a processor: measure again on a quiet machine."
    return _table(rows, "llrrrrrr") + (warning if busiest > NOISE else "")


def show_starts(servers: dict[str, Any]) -> str:
    """Show how long each server takes to its first answer, and the memory of its worker."""
    rows = [["server", "ready after s", "worker MiB"]]
    rows += [
        [server["title"], f"{server['ready_seconds']:.2f}", f"{server['worker_mib']:.0f}"]
        for server in servers.values()
    ]
    return _table(rows, "lrr")


def compare(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was aimed at beside what was reached."""
    reached: list[dict[str, Any]] = []
    servers = report.get("servers", {})
    if "rollbook" in servers:
        store = "postgresql" if report.get("settings", {}).get("store", "").startswith("PostgreSQL") else "sqlite"
        ours = servers["rollbook"]["operations"]
        for name, shown in servers.items():
            for operation, theirs in shown["operations"].items():
                if SERVERS[name].family == "rollbook" or not theirs["median"]["rate"]:
                    continue
                ratio, cpu = (ours[operation]["median"][key] / theirs["median"][key] for key in ("rate", "cpu_us"))
                what = f"{operation} against {shown['title']}"
                reached.append(_aim(what, ratio, AIMS[store].get((name, operation)), least=True))
                aim = MOST_CPU if (store, name, operation) == ("postgresql", "fastapi-uvicorn", CHECK) else None
                reached.append(_aim(f"{what}, processor time", cpu, aim, least=False))
    flood = report.get("flood")
    if flood:
        middle = flood["median"]
        reached.append(_aim("accepted logins against the raw hash rate", middle["share"], LEAST_SHARE, least=True))
        for pace in ("steady", "full"):
            what = f"p99 of token checks at {pace} pace, flooded against idle"
            aim = MOST_FLOODED if pace == "steady" else None
            reached.append(_aim(what, middle[pace]["p99_ratio"], aim, least=False))
    for name, shown in report.get("grown", {}).get("operations", {}).items():
        reached.append(_aim(f"{name}, grown against small", shown["ratio"], shown["limit"], least=False))
    return reached


def show_comparison(reached: list[dict[str, Any]]) -> str:
    """Show what was aimed at and what was reached."""
    rows = [["what", "aim", "reached", ""]]
    for row in reached:
        aim = f"{'>=' if row['least'] else '<='} {row['aim']}" if row["aim"] else "-"
        rows.append([row["what"], aim, f"{row['reached']:.2f}", {True: "yes", False: "NO", None: ""}[row["met"]]])
    return _table(rows, "lrrl")


def show_flood(flood: dict[str, Any]) -> str:
    """Show hashing, logins, and token checks under the flood."""
    middle = flood["median"]
    lines = [
        f"raw hash rate, {flood['slots']} threads: {middle['raw']:.1f}/s; "
        f"accepted logins: {middle['accepted']:.1f}/s ({middle['share']:.2f})"
    ]
    rows = [["token checks", "idle /s", "p50 ms", "p99 ms", "flooded /s", "p50 ms", "p99 ms", "logins offered /s"]]
    rows[0].append("accepted /s")
    for pace in ("steady", "full"):
        p = middle[pace]
        numbers = [p["idle_rate"], p["idle_p50_ms"], p["idle_p99_ms"]]
        numbers += [p["flood_rate"], p["flood_p50_ms"], p["flood_p99_ms"], p["offered"], p["accepted"]]
        failed = f" ({p['failed']:.0f} FAILED)" if p["failed"] else ""
        rows.append([pace + failed, *(f"{number:,.2f}" for number in numbers)])
    counts = [f"{pace}: {flood['rounds'][-1][pace]['statuses']}" for pace in ("steady", "full")]
    return "\n".join([*lines, _table(rows, "lrrrrrrrr"), "answers to the flood, last round: " + "; ".join(counts)])


def show_grown(grown: dict[str, Any]) -> str:
    """Show what the same operations cost over little and over much data."""
    small, large = grown["accounts"]
    rows = [["operation", f"/s at {small:,}", f"/s at {large:,}", "times dearer", "CPU us", "CPU us"]]
    for name, shown in grown["operations"].items():
        rates, cpu = ([shown[key][size] for size in (small, large)] for key in ("rates", "cpu_us"))
        failed = sum(shown["failed"].values())
        numbers = [f"{rate:,.0f}" for rate in rates] + [f"{shown['ratio']:.2f}"] + [f"{used:,.0f}" for used in cpu]
        rows.append([name + (f" ({failed} FAILED)" if failed else ""), *numbers])
    exports = [
        f"export of {size:,} relations: {row['bytes'] / 2**20:.1f} MiB in {row['seconds']:.2f} s, "
        f"worker {row['before_mib']:.1f} MiB before, {row['peak_mib']:.1f} MiB at most"
        for size, row in grown["export"].items()
    ]
    return "\n".join([_table(rows, "lrrrrr"), *exports])


def _aim(what: str, reached: float, aim: float | None, *, least: bool) -> dict[str, Any]:
    met = None if aim is None else reached >= aim if least else reached <= aim
    return {"what": what, "aim": aim, "least": least, "reached": reached, "met": met}


def _table(rows: list[list[str]], sides: str) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(sides))]
    lines = [
        "  ".join(
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(row, widths, sides, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _git(*arguments: str) -> str:
    # whichever git is on the PATH
    said = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return said.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _peers_versions() -> dict[str, str]:
    """Ask the peers' environment what it has."""
    python = THEIRS / "python"
    if not python.exists():
        return {}
    names = sorted({*PEERS, *PEERS_TOO})
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    said = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    if said.returncode:
        print(said.stderr, file=sys.stderr)
        return {}
    versions: dict[str, str] = json.loads(said.stdout)
    return versions
