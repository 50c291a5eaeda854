"""Graphs as files: JSON arrays, in and out."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from models.project import Project
from server.cli.failure import Refused

LONGEST_STEM = 200
"""Bytes of a project's name that go into the name of a file; file systems allow 255 for the whole."""
BATCH = 1_000
"""Rows that are written at a time."""


def read(file: Path) -> list[Any]:
    """Return the rows of a file. Raises Refused if it holds no JSON array."""
    try:
        rows = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Refused(f"{file}: not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    if not isinstance(rows, list):
        raise Refused(f"{file}: a JSON array is expected")
    return rows


def write(project: Project, folder: Path, replace: bool, report: Callable[[int], None]) -> list[Path]:
    """Write the three files of a project, all or none, and return where they are.

    report: called with the number of rows that were just written.
    Raises Refused if one of the files is there and may not be replaced.
    """
    stem = file_stem(project.name)
    exports = {
        folder / f"{stem}_entities.json": project.entities_rows(),
        folder / f"{stem}_relations.json": project.relations_rows(),
        folder / f"{stem}_triads.json": project.triads_rows(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file in exports:
        if os.path.lexists(file) and not replace:
            raise Refused(f"{file}: is there already (--force replaces it)")
    with TemporaryDirectory(dir=folder, prefix=".export-") as unfinished:
        for file, rows in exports.items():
            _write_array(Path(unfinished, file.name), rows, report)
        for file in exports:
            Path(unfinished, file.name).replace(file)  # replaces a link too, never what it points to
    return list(exports)


def file_stem(name: str) -> str:
    """Return a project's name as the beginning of a file's name: no path in it, not hidden, not too long."""
    flat = re.sub(r"[/\\\x00-\x1f]", "_", name)
    short = flat.encode()[:LONGEST_STEM].decode(errors="ignore")
    return re.sub(r"^\.", "_", short)


def _write_array(file: Path, rows: Iterable[Any], report: Callable[[int], None]) -> None:
    with file.open("xb") as array:
        array.write(b"[")
        for number, row in enumerate(rows):
            array.write((b"," if number else b"") + orjson.dumps(row))
            if number % BATCH == BATCH - 1:
                report(BATCH)
        array.write(b"]")
