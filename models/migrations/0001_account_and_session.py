"""Accounts and their sessions."""

from typing import Any

import peewee

from models.db.database import LastingId


def up(migrator: Any, db: Any) -> None:
    """Create both tables."""

    class Account(peewee.Model):
        id = LastingId()
        username = peewee.CharField(max_length=64)
        username_key = peewee.TextField(unique=True)
        password_hash = peewee.CharField(max_length=512)
        display_name = peewee.CharField(max_length=64, null=True)
        email = peewee.CharField(max_length=254, null=True)
        email_key = peewee.TextField(null=True, unique=True)
        mobile = peewee.CharField(max_length=32, null=True, unique=True)
        domain = peewee.CharField(max_length=255, null=True)
        property = peewee.CharField(max_length=1024, null=True)
        photo = peewee.CharField(max_length=2048, null=True)
        job = peewee.CharField(max_length=128, null=True)
        school = peewee.CharField(max_length=128, null=True)
        introduct = peewee.CharField(max_length=4096, null=True)
        admin = peewee.BooleanField(default=False)
        disabled = peewee.BooleanField(default=False)
        created = peewee.BigIntegerField()
        updated = peewee.BigIntegerField()

        class Meta:
            database = db

    class Session(peewee.Model):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        contract = peewee.CharField(max_length=16)
        secret_digest = peewee.CharField(max_length=64, unique=True)
        created = peewee.BigIntegerField()
        expires = peewee.BigIntegerField(index=True)

        class Meta:
            database = db

    db.create_tables([Account, Session])
