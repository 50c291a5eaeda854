"""What the last full run left behind: `build/<name>.json` where there is one here, else what came with the release.

`scripts/record` puts the files of this checkout's last run among those of the release, with date and commit.
"""

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "build"
RELEASED = Path(__file__).with_name("released")
NAMES = {"contract_coverage": "./scripts/test", "requirements": "./scripts/test", "interop": "./scripts/interop"}
"""Name of a file -> what writes it."""


@dataclass(frozen=True)
class Run:
    """What a run left behind, and in words where and when that was."""

    value: Any
    words: str


def read(name: str, build: Path = BUILD, released: Path = RELEASED) -> Run | None:
    """Return what the last run left behind, None where nothing did."""
    here, sent = build / f"{name}.json", released / f"{name}.json"
    if here.exists():
        day = datetime.fromtimestamp(here.stat().st_mtime, UTC).date()
        return Run(orjson.loads(here.read_bytes()), f"As of `{NAMES[name]}` in this checkout, {day}.")
    if sent.exists():
        record = orjson.loads(sent.read_bytes())
        return Run(record["value"], f"As of `{NAMES[name]}` at commit `{record['commit']}`, {record['date']}.")
    return None


def main() -> int:
    """Write the last runs of this checkout down. Returns 1 where one is missing."""
    missing = [name for name in NAMES if not (BUILD / f"{name}.json").exists()]
    for name in missing:
        print(f"record: there is no build/{name}.json; run {NAMES[name]}", file=sys.stderr)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607  # where git is, differs
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    RELEASED.mkdir(exist_ok=True)
    for name in NAMES.keys() - set(missing):
        file = BUILD / f"{name}.json"
        day = datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat()
        record = {"date": day, "commit": commit, "value": orjson.loads(file.read_bytes())}
        (RELEASED / f"{name}.json").write_bytes(
            orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )
        print(f"record: {name} of {day} at {commit}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
