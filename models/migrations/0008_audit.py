"""The audit: a chain of events, and its head."""

from typing import Any

import peewee


def up(migrator: Any, db: Any) -> None:
    """Create both tables."""

    class AuditEvent(peewee.Model):
        id = peewee.BigIntegerField(primary_key=True)
        created = peewee.BigIntegerField()
        event = peewee.CharField(max_length=32)
        account = peewee.BigIntegerField(null=True)
        actor = peewee.BigIntegerField(null=True)
        contract = peewee.CharField(max_length=16, null=True)
        address = peewee.CharField(max_length=64, null=True)
        detail = peewee.CharField(max_length=512)
        chain = peewee.CharField(max_length=64)
        seal = peewee.CharField(max_length=64)

        class Meta:
            database = db
            legacy_table_names = False
            indexes = ((("account", "id"), False),)

    class AuditHead(peewee.Model):
        id = peewee.IntegerField(primary_key=True)
        purged = peewee.BigIntegerField()
        purged_chain = peewee.CharField(max_length=64)
        last = peewee.BigIntegerField()
        last_chain = peewee.CharField(max_length=64)
        seal = peewee.CharField(max_length=64)

        class Meta:
            database = db
            legacy_table_names = False

    db.create_tables([AuditEvent, AuditHead])
