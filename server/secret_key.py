"""The file of the server's secret keys: `secret_key` in the data folder, where no variable names them.

It is written whole or not at all. A half-written or empty one, as a crash left it elsewhere (tinypilot#917,
vault#23073), is refused by name, and never replaced: what was encrypted by it would be lost with it (certmate#764).
"""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SHORTEST_KEY = 32
"""Bytes; HMAC-SHA256 is no stronger than its key."""
NOTICED_SECONDS = 2.0
"""After so long every worker has taken over what changed in the file (`server.jobs.key_watch`)."""
OTHERS = 0o077
"""Permissions that only the owner is to have."""


def read(file: Path) -> bytes:
    """Return the keys of a file, parted by commas. Raises OSError; ValueError, which says what is wrong."""
    content = file.read_bytes().rstrip(b"\r\n")
    if file.stat().st_mode & OTHERS:
        raise ValueError(f"{file}: others may read it: chmod 600")
    if min(map(len, content.split(b","))) < SHORTEST_KEY:
        raise ValueError(f"{file}: a key has at least {SHORTEST_KEY} bytes: put it back from where it is kept")
    return content


def make(file: Path) -> None:
    """Write a file with a new key, unless there is one. Raises OSError."""
    with suppress(FileExistsError):
        _write(file, [new_key()], replace=False)


def replace(file: Path, keys: Sequence[bytes]) -> None:
    """Put other keys in the place of those of a file. Raises OSError."""
    _write(file, keys, replace=True)


def new_key() -> bytes:
    """Return a new key."""
    return secrets.token_hex(SHORTEST_KEY).encode()


def _write(file: Path, keys: Sequence[bytes], replace: bool) -> None:
    """Write a file beside it first, so that whoever reads finds all of it; both outlive a power cut."""
    unfinished = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(b",".join(keys))
            new.flush()
            os.fsync(new.fileno())
        if replace:
            unfinished.replace(file)
        else:
            os.link(unfinished, file)  # fails where one is there, as a rename would not
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
