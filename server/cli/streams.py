"""Files that a command is told, of which `-` is a standard stream."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from server.cli.failure import Refused
from server.cli.values import HERE

STREAM = "-"


def is_stream(file: Path) -> bool:
    """Tell whether a standard stream is meant."""
    return str(file) == STREAM


@contextmanager
def read_file(file: Path) -> Iterator[Path]:
    """Hand out a file for reading, more than once too; for `-` what comes on stdin, in a file that only we may read."""
    if not is_stream(file):
        yield HERE / file
        return
    with TemporaryDirectory(prefix="rollbook-") as folder:
        spooled = Path(folder, "stdin")
        spooled.touch(mode=0o600)
        with spooled.open("wb") as written:
            shutil.copyfileobj(sys.stdin.buffer, written)
        yield spooled


@contextmanager
def write_file(file: Path, replaces: bool) -> Iterator[BinaryIO]:
    """Hand out a file for writing, which is there whole or not at all and only we may read; for `-` stdout.

    Raises Refused if the file is there and may not be replaced.
    """
    if is_stream(file):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = HERE / file
    if os.path.lexists(target) and not replaces:
        raise Refused(f"{target}: is there already (--force replaces it)")
    with TemporaryDirectory(dir=target.parent, prefix=".export-") as unfinished:
        written = Path(unfinished, target.name)
        written.touch(mode=0o600)
        with written.open("wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        written.replace(target)
