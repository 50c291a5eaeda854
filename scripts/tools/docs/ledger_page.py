"""The ledger: what each operation was seen to answer, as the tests wrote it down."""

from typing import Any

from scripts.tools.docs.last_run import Run
from scripts.tools.docs.markdown import table

MISSING = """\
!!! note "No ledger yet"

    The tests write it. Run `./scripts/test`, then `./scripts/docs`.
"""
HEADS = ["Operation", "Answer", "Times", "For example in", "Line"]

Row = dict[str, Any]


def write(run: Run | None) -> str:
    """Return the tables of a ledger, one per contract; a note where there is none."""
    if run is None:
        return MISSING
    rows: list[Row] = run.value
    times = sum(row["count"] for row in rows if row["action"] is None)
    parts = [f"{run.words} {len(rows)} rows, {times} answers."]
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
