"""The store for the peers that serve over Rollbook's models; the settings are Rollbook's, from the environment."""

from models import settings
from models.db.database import connect
from server.settings import read
from server.specs import load_contracts


def open_directory() -> None:
    """Connect to the store and take over the rules; each worker calls this once."""
    current = read()
    settings.apply(current)
    load_contracts(current)  # they say how long sessions last
    connect(current.database_url)
