"""Count the accounts by blocks of 4,096 ids."""

from typing import Any

import peewee

SIZE = 4096


def up(migrator: Any, db: Any) -> None:
    """Create the table and count what is there."""

    class AccountBlock(peewee.Model):
        block = peewee.BigIntegerField(primary_key=True)
        accounts = peewee.IntegerField()

        class Meta:
            database = db
            legacy_table_names = False

    db.create_tables([AccountBlock])
    # a number of our own
    db.execute_sql(f"INSERT INTO account_block SELECT id / {SIZE}, COUNT(*) FROM account GROUP BY id / {SIZE}")  # noqa: S608
