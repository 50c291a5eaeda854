"""Recovery codes, and the messages that carry them."""

from typing import Any

import peewee


def up(migrator: Any, db: Any) -> None:
    """Create both tables."""

    class Account(peewee.Model):
        id = peewee.BigAutoField()

        class Meta:
            database = db

    class RecoveryCode(peewee.Model):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, index=False, on_delete="CASCADE")
        channel = peewee.CharField(max_length=8)
        recipient = peewee.CharField(max_length=254)
        digest = peewee.CharField(max_length=64, unique=True)
        tries = peewee.IntegerField(default=0)
        expires = peewee.BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "recovery_code"
            indexes = ((("account", "channel"), True),)

    class OutboxMessage(peewee.Model):
        id = peewee.BigAutoField()
        kind = peewee.CharField(max_length=8)
        recipient = peewee.CharField(max_length=254)
        subject = peewee.CharField(max_length=128)
        body = peewee.TextField()
        created = peewee.BigIntegerField()
        due = peewee.BigIntegerField()
        attempts = peewee.IntegerField(default=0)
        delivered = peewee.BigIntegerField(null=True)

        class Meta:
            database = db
            table_name = "outbox_message"
            indexes = ((("delivered", "due"), False),)

    db.create_tables([RecoveryCode, OutboxMessage])
