"""The store that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from models import actor, settings
from models.actor import OPERATOR, Caller
from models.db.database import connect, database, transaction
from models.migrations import fits, migrate
from server.cli.failure import Refused
from server.settings import read


@contextmanager
def connected(creates: bool = False) -> Iterator[None]:
    """Connect to the store, as it is; what is done inside is the operator's doing.

    creates: make the store, and the key, where there is none. Raises Refused where there is none, else.
    """
    current = read(creates=creates)
    settings.apply(current)
    if not creates and current.embedded:
        file = Path(urlsplit(current.database_url).path.removeprefix("/"))
        if not file.is_file():
            raise Refused(f"no store at {file.absolute()}")
    try:
        connect(current.database_url)
    except ValueError as error:
        raise Refused(f"ROLLBOOK_DATABASE_URL: {error}") from None
    before = actor.current.set(lambda: Caller(OPERATOR))
    try:
        with database.patience():
            yield
    finally:
        actor.current.reset(before)
        database.close()


@contextmanager
def snapshot() -> Iterator[None]:
    """Connect, and read the store as it is at one moment, while others write. Raises Refused for another version's."""
    with connected():
        if not fits():
            raise Refused("the store is another version's: rollbook db migrate brings an older one up to date")
        with database.snapshot():
            yield


@contextmanager
def directory() -> Iterator[None]:
    """Connect, bring the store up to date, and change all that is changed inside, or nothing."""
    with connected(creates=True):
        migrate()
        with transaction():
            yield
