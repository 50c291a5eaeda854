"""Projects, their members, invitations and graphs."""

from typing import Any

import peewee

from models.db.database import LastingId


def up(migrator: Any, db: Any) -> None:
    """Create the five tables."""

    class Account(peewee.Model):
        id = peewee.BigAutoField()

        class Meta:
            database = db

    class Project(peewee.Model):
        id = LastingId()
        name = peewee.CharField(max_length=128)
        owner = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        created = peewee.BigIntegerField()

        class Meta:
            database = db

    class Member(peewee.Model):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, index=False, on_delete="CASCADE")
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        joined = peewee.BigIntegerField()

        class Meta:
            database = db
            indexes = ((("project", "account"), True),)

    class Invitation(peewee.Model):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, on_delete="CASCADE")
        inviter = peewee.ForeignKeyField(Account, backref="+", on_delete="CASCADE")
        invitee = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
        created = peewee.BigIntegerField()

        class Meta:
            database = db
            indexes = ((("invitee", "project"), True),)

    class Entity(peewee.Model):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, index=False, on_delete="CASCADE")
        name = peewee.CharField(max_length=256)

        class Meta:
            database = db
            indexes = ((("project", "name"), True), (("project", "id"), False))

    class Relation(peewee.Model):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, index=False, on_delete="CASCADE")
        name = peewee.CharField(max_length=256)
        source = peewee.ForeignKeyField(Entity, backref="+", index=False, on_delete="CASCADE")
        target = peewee.ForeignKeyField(Entity, backref="+", on_delete="CASCADE")

        class Meta:
            database = db
            indexes = ((("source", "target"), True), (("project", "id"), False))
            constraints = (peewee.Check("source_id <> target_id"),)

    db.create_tables([Project, Member, Invitation, Entity, Relation])
