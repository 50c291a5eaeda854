"""The store that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from models import rules
from models.database import connect, database, unit_of_work
from models.migrations import migrate
from scripts.operator.failure import Refused
from server import settings


@contextmanager
def connected() -> Iterator[None]:
    """Connect to the store, as it is."""
    current = settings.read()
    rules.apply(current)
    try:
        connect(current.database_url)
    except ValueError as error:
        raise Refused(f"ROLLBOOK_DATABASE_URL: {error}") from None
    try:
        with database.patience():
            yield
    finally:
        database.close()


@contextmanager
def directory() -> Iterator[None]:
    """Connect, bring the store up to date, and change all that is changed inside, or nothing."""
    with connected():
        migrate()
        with unit_of_work():
            yield
