"""Messages that could not be delivered: when they were given up, and why."""

from typing import Any

import peewee
from playhouse.migrate import migrate


def up(migrator: Any, db: Any) -> None:
    """Add both columns."""
    migrate(
        migrator.add_column("outbox_message", "failed", peewee.BigIntegerField(null=True)),
        migrator.add_column("outbox_message", "error", peewee.CharField(max_length=128, null=True)),
    )
