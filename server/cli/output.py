"""What a command answers: one JSON value, or aligned text for people."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Annotated, Any

import orjson
import typer
from rich.cells import cell_len

Record = Mapping[str, Any]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]
SAMPLE = 1_000
"""Rows of a table that decide how wide its columns are."""


def time(seconds: int) -> str:
    """Return Unix seconds as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def say(record: Record, as_json: bool, *lines: str) -> None:
    """Print one record: as JSON, else the lines that say it, else one field a line."""
    if as_json:
        print(orjson.dumps(record).decode())
    elif lines:
        print(*map(printable, lines), sep="\n")
    else:
        width = max(len(name) for name in record)
        for name, value in record.items():
            print(f"{name:<{width}}  {_plain(value)}")


def say_all(records: Iterable[Record], as_json: bool, columns: tuple[str, ...]) -> None:
    """Print records one by one as they come: an array of JSON, or a table of the columns."""
    if as_json:
        _say_array(records)
    else:
        _say_table([_plain(record[column]) for column in columns] for record in chain([_titles(columns)], records))


def printable(text: str) -> str:
    """Return the text on one line, without anything that steers a terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )


def _say_array(records: Iterable[Record]) -> None:
    before = "["
    for record in records:
        print(before, orjson.dumps(record).decode(), sep="", end="")
        before = ",\n"
    print("[]" if before == "[" else "]")


def _say_table(rows: Iterable[list[str]]) -> None:
    rows = iter(rows)
    sample = list(islice(rows, SAMPLE))
    widths = [max(map(cell_len, column)) for column in zip(*sample, strict=True)]
    for row in chain(sample, rows):
        cells = (value + " " * (width - cell_len(value)) for value, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _titles(columns: tuple[str, ...]) -> Record:
    return {column: column.replace("_", " ") for column in columns}


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))
