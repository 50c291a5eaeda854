"""The ledger: what each operation was seen to answer, as the tests wrote it down."""

import json
from pathlib import Path
from typing import Any

from scripts.documentation.markdown import table

MISSING = """\
!!! note "No ledger yet"

    The tests write `build/ledger.json`. Run `./scripts/test`, then `./scripts/docs`.
"""


def write(file: Path) -> str:
    """Return the tables of a ledger, one per contract; a note where there is none."""
    if not file.exists():
        return MISSING
    ledger = json.loads(file.read_text("utf-8"))
    rows: list[dict[str, Any]] = ledger["rows"] if isinstance(ledger, dict) else ledger
    if not rows:
        return MISSING
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(str(row.get("contract", "all")), []).append(row)
    parts = [f"{len(rows)} rows."]
    for stem, group in grouped.items():
        heads = [name for name in group[0] if name != "contract"]
        parts += [f"## {stem} {{#{stem}}}", table(heads, ([_cell(row.get(name)) for name in heads] for row in group))]
    return "\n\n".join(parts)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"`{value}`" if isinstance(value, str) and value else str(value)
