"""Access keys of the signed contract."""

from typing import Any

import peewee


def up(migrator: Any, db: Any) -> None:
    """Create the table."""

    class AccessKey(peewee.Model):
        accessid = peewee.CharField(max_length=64, primary_key=True)
        salt = peewee.CharField(max_length=22)
        given = peewee.CharField(max_length=256, null=True)
        created = peewee.BigIntegerField()

        class Meta:
            database = db
            legacy_table_names = False

    db.create_tables([AccessKey])
