"""RateLimitStorage of limited requests, and the addresses from which accounts log in."""

from typing import Any

import peewee


def up(migrator: Any, db: Any) -> None:
    """Create both tables."""

    class Account(peewee.Model):
        id = peewee.BigAutoField()

        class Meta:
            database = db

    class RateCounter(peewee.Model):
        key = peewee.CharField(max_length=128, primary_key=True)
        count = peewee.IntegerField()
        expires = peewee.BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "rate_counter"

    class KnownAddress(peewee.Model):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, index=False, on_delete="CASCADE")
        address_digest = peewee.CharField(max_length=64)
        seen = peewee.BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "known_address"
            indexes = ((("account", "address_digest"), True),)

    db.create_tables([RateCounter, KnownAddress])
