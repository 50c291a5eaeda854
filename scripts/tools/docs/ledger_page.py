"""The ledger: what each operation was seen to answer, as the tests wrote it down."""

import json
from pathlib import Path
from typing import Any

from scripts.tools.docs.markdown import table

MISSING = """\
!!! note "No ledger yet"

    The tests write `build/ledger.json`. Run `./scripts/test`, then `./scripts/docs`.
"""
HEADS = ["Operation", "Answer", "Times", "For example in", "Line"]

Row = dict[str, Any]


def write(file: Path) -> str:
    """Return the tables of a ledger, one per contract; a note where there is none."""
    rows: list[Row] = json.loads(file.read_text("utf-8")) if file.exists() else []
    if not rows:
        return MISSING
    times = sum(row["count"] for row in rows if row["action"] is None)
    parts = [f"{len(rows)} rows, {times} answers."]
    for stem in dict.fromkeys(row["contract"] for row in rows):
        own = [_cells(row) for row in rows if row["contract"] == stem]
        parts += [f"## {stem} {{#{stem}}}", table(HEADS, own)]
    return "\n\n".join(parts)


def _cells(row: Row) -> list[str]:
    stem, action = row["contract"], row["action"]
    asked = "" if action is None else f" `{action}`" if action else " without an action"
    return [
        f"[{row['operation']}](contracts/{stem}.md#{row['operation']}){asked}",
        f"{row['status']} {row['media_type'] or 'no body'}",
        str(row["count"]),
        f"`{row['example'].rpartition('::')[2]}`" if row["example"] else "",
        f"{stem}.yaml:{row['line']}",
    ]
