"""The store that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from models import actor, settings
from models.actor import OPERATOR, Caller
from models.db.database import connect, database, transaction
from models.migrations import check_ours, fits, migrate
from server.cli.failure import Refused
from server.settings import read


@contextmanager
def connected(creates: bool = False) -> Iterator[None]:
    """Connect to the store, as it is; what is done inside is the operator's doing.

    creates: make the store, and the key, where there is none. Raises Refused where there is none, else.
    """
    found = read(creates=creates)
    settings.apply(found)
    if not creates and found.embedded:
        file = Path(urlsplit(found.database_url).path.removeprefix("/"))
        if not file.is_file():
            raise Refused(f"no store at {file.absolute()}")
    try:
        connect(found.database_url)
    except ValueError as error:
        raise Refused(f"ROLLBOOK_DATABASE_URL: {error}") from None
    before = actor.current.set(lambda: Caller(OPERATOR))
    try:
        with database.patience():
            check_ours()
            yield
    finally:
        actor.current.reset(before)
        database.close()


@contextmanager
def current() -> Iterator[None]:
    """Connect to a store of this version. Raises Refused for another version's."""
    with connected():
        if not fits():
            raise Refused("the store is another version's: rollbook db migrate brings an older one up to date")
        yield


@contextmanager
def snapshot() -> Iterator[None]:
    """Connect, and read the store as it is at one moment, while others write. Raises Refused for another version's."""
    with current(), database.snapshot():
        yield


@contextmanager
def directory() -> Iterator[None]:
    """Connect, bring the store up to date, and change all that is changed inside, or nothing."""
    with connected(creates=True):
        migrate()
        with transaction():
            yield
