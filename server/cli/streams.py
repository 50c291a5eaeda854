"""Files that a command is told, of which `-` is a standard stream."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from server.cli.values import HERE


@contextmanager
def read_file(file: Path) -> Iterator[Path]:
    """Hand out a file for reading, more than once too; for `-` what comes on stdin, in a file that only we may read."""
    if str(file) != "-":
        yield HERE / file
        return
    with TemporaryDirectory(prefix="rollbook-") as folder:
        spooled = Path(folder, "stdin")
        spooled.touch(mode=0o600)
        with spooled.open("wb") as written:
            shutil.copyfileobj(sys.stdin.buffer, written)
        yield spooled
