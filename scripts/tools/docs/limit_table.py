"""The limits of all contracts together, one row for each name."""

from typing import Any

from scripts.tools.docs.contract_page import beyond, duration
from scripts.tools.docs.contracts import Reader
from scripts.tools.docs.markdown import table

HEADS = ["Limit", "For each", "Most", "In", "Where"]


def write(known: dict[str, Reader]) -> str:
    """Return the table of limits. Raises ValueError where two limits of one name differ."""
    limits: dict[str, dict[str, Any]] = {}
    places: dict[str, list[str]] = {}
    for stem, reader in known.items():
        for operation in reader.operations:
            for limit in operation.spec.get("x-rate-limit", ()):
                told = {key: limit.get(key, "requests") for key in ("per", "limit", "seconds", "counts")}
                told["beyond"] = beyond(limit)
                if limits.setdefault(limit["name"], told) != told:
                    raise ValueError(f"the limit {limit['name']!r} differs between operations")
                name = operation.spec["operationId"]
                places.setdefault(limit["name"], []).append(f"[{stem}.{name}](contracts/{stem}.md#{name})")
    rows = [
        [
            f"`{name}`",
            told["per"],
            f"{told['limit']} {told['counts']}{told['beyond']}",
            duration(told["seconds"]),
            ", ".join(places[name]),
        ]
        for name, told in limits.items()
    ]
    return table(HEADS, rows)
