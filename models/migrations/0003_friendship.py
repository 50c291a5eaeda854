"""Friends, and applications to become one."""

from typing import Any

import peewee


def up(migrator: Any, db: Any) -> None:
    """Create both tables."""

    class Account(peewee.Model):
        id = peewee.BigAutoField()

        class Meta:
            database = db

    class Friendship(peewee.Model):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
        friend = peewee.ForeignKeyField(Account, backref="+", on_delete="CASCADE")
        created = peewee.BigIntegerField()

        class Meta:
            database = db
            indexes = ((("account", "friend"), True),)
            constraints = (peewee.Check("account_id <> friend_id"),)

    class FriendApplication(peewee.Model):
        id = peewee.BigAutoField()
        applicant = peewee.ForeignKeyField(Account, backref="+", on_delete="CASCADE")
        recipient = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
        created = peewee.BigIntegerField()

        class Meta:
            database = db
            legacy_table_names = False
            indexes = ((("recipient", "applicant"), True),)
            constraints = (peewee.Check("applicant_id <> recipient_id"),)

    db.create_tables([Friendship, FriendApplication])
