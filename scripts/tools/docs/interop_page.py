"""The table of tools: who could take which contract, as `scripts/interop` wrote it down."""

from typing import Any

from scripts.tools.docs.last_run import Run
from scripts.tools.docs.markdown import table

MISSING = """\
!!! note "No table yet"

    Run `./scripts/interop`, then `./scripts/docs`.
"""

Row = dict[str, Any]


def write(run: Run | None) -> str:
    """Return the table, a row for each tool, and what is told of those that do not work; a note where there is none."""
    if run is None:
        return MISSING
    rows: list[Row] = run.value
    stems = list(dict.fromkeys(row["contract"] for row in rows))
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    cells = {(row["tool"], row["contract"]): row for row in rows}
    lines = []
    for tool in tools:
        first = cells[tool, stems[0]]
        lines.append([tool, first["version"], first["does"], *(_cell(cells[tool, stem]) for stem in stems)])
    notes = [
        f"- {row['tool']}, {row['contract']}: {row['told'].splitlines()[0]}"
        for row in rows
        if row["outcome"] != "works"
    ]
    return "\n\n".join(
        [run.words, table(["Tool", "Version", "What goes well", *stems], lines), *(["\n".join(notes)] if notes else [])]
    )


def _cell(row: Row) -> str:
    return f"[{row['outcome']}]({row['link']})" if "link" in row else row["outcome"]
