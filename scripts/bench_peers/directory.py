"""The store for the peers that serve over Rollbook's models; the settings are Rollbook's, from the environment."""

from models import rules
from models.database import connect
from server import settings


def open_directory() -> None:
    """Connect to the store and take over the rules; each worker calls this once."""
    current = settings.read()
    rules.apply(current)
    connect(current.database_url)
