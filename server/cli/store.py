"""The store that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from models import actor, settings
from models.actor import OPERATOR, Caller
from models.db.database import connect, database, transaction
from models.migrations import migrate
from server.cli.failure import Refused
from server.settings import read


@contextmanager
def connected() -> Iterator[None]:
    """Connect to the store, as it is; what is done inside is the operator's doing."""
    current = read()
    settings.apply(current)
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
    """Connect, bring the store up to date, and read it as it is at one moment, while others write."""
    with connected():
        migrate()
        with database.snapshot():
            yield


@contextmanager
def directory() -> Iterator[None]:
    """Connect, bring the store up to date, and change all that is changed inside, or nothing."""
    with connected():
        migrate()
        with transaction():
            yield
