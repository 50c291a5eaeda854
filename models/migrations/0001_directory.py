"""The directory's tables: edited in place until 1.0 is tagged, only added to by further steps after that."""

from typing import Any

import peewee

from models.db.database import LastingId


def up(migrator: Any, db: Any) -> None:
    """Create all tables."""

    class Table(peewee.Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Account(Table):
        id = LastingId()
        username = peewee.CharField(max_length=64)
        username_key = peewee.TextField(unique=True)
        password_hash = peewee.CharField(max_length=512)
        display_name = peewee.CharField(max_length=64, null=True)
        email = peewee.CharField(max_length=254, null=True)
        email_key = peewee.TextField(null=True, index=True)
        email_proved = peewee.TextField(null=True, unique=True)
        mobile = peewee.CharField(max_length=32, null=True)
        mobile_key = peewee.TextField(null=True, index=True)
        mobile_proved = peewee.TextField(null=True, unique=True)
        former_key = peewee.TextField(null=True, index=True)
        domain = peewee.CharField(max_length=255, null=True)
        property = peewee.CharField(max_length=1024, null=True)
        photo = peewee.CharField(max_length=2048, null=True)
        job = peewee.CharField(max_length=128, null=True)
        school = peewee.CharField(max_length=128, null=True)
        introduct = peewee.CharField(max_length=4096, null=True)
        foreign_id = peewee.CharField(max_length=255, null=True, index=True)
        admin = peewee.BooleanField(default=False)
        disabled = peewee.BooleanField(default=False)
        created = peewee.BigIntegerField()
        updated = peewee.BigIntegerField()

    class Session(Table):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        contract = peewee.CharField(max_length=16)
        secret_digest = peewee.CharField(max_length=64, unique=True)
        created = peewee.BigIntegerField()
        expires = peewee.BigIntegerField(index=True)

    class AccountBlock(Table):
        block = peewee.BigIntegerField(primary_key=True)
        accounts = peewee.IntegerField()

    class AccountBlockChange(Table):
        id = peewee.BigAutoField()
        block = peewee.BigIntegerField()
        accounts = peewee.IntegerField()

    class AccountField(Table):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
        contract = peewee.CharField(max_length=16)
        name = peewee.CharField(max_length=64)
        value = peewee.TextField()

        class Meta:
            indexes = ((("account", "contract", "name"), True),)

    class RateCounter(Table):
        key = peewee.CharField(max_length=128, primary_key=True)
        count = peewee.IntegerField()
        expires = peewee.BigIntegerField(index=True)

    class KnownAddress(Table):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, index=False, on_delete="CASCADE")
        address_digest = peewee.CharField(max_length=64)
        seen = peewee.BigIntegerField(index=True)

        class Meta:
            indexes = ((("account", "address_digest"), True),)

    class AccessKey(Table):
        accessid = peewee.CharField(max_length=64, primary_key=True)
        salt = peewee.CharField(max_length=22)
        encrypted = peewee.TextField()
        created = peewee.BigIntegerField()

    class Friendship(Table):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
        friend = peewee.ForeignKeyField(Account, backref="+", on_delete="CASCADE")
        created = peewee.BigIntegerField()

        class Meta:
            indexes = ((("account", "friend"), True),)
            constraints = (peewee.Check("account_id <> friend_id"),)

    class FriendApplication(Table):
        id = peewee.BigAutoField()
        applicant = peewee.ForeignKeyField(Account, backref="+", on_delete="CASCADE")
        recipient = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
        created = peewee.BigIntegerField()

        class Meta:
            indexes = ((("recipient", "applicant"), True),)
            constraints = (peewee.Check("applicant_id <> recipient_id"),)

    class Project(Table):
        id = LastingId()
        name = peewee.CharField(max_length=128)
        owner = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        created = peewee.BigIntegerField()

    class Member(Table):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, index=False, on_delete="CASCADE")
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        joined = peewee.BigIntegerField()

        class Meta:
            indexes = ((("project", "account"), True),)

    class Invitation(Table):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, on_delete="CASCADE")
        inviter = peewee.ForeignKeyField(Account, backref="+", on_delete="CASCADE")
        invitee = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
        created = peewee.BigIntegerField()

        class Meta:
            indexes = ((("invitee", "project"), True),)

    class Entity(Table):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, index=False, on_delete="CASCADE")
        name = peewee.CharField(max_length=256)

        class Meta:
            indexes = ((("project", "name"), True), (("project", "id"), False))

    class Relation(Table):
        id = peewee.BigAutoField()
        project = peewee.ForeignKeyField(Project, index=False, on_delete="CASCADE")
        name = peewee.CharField(max_length=256)
        source = peewee.ForeignKeyField(Entity, backref="+", index=False, on_delete="CASCADE")
        target = peewee.ForeignKeyField(Entity, backref="+", on_delete="CASCADE")

        class Meta:
            indexes = ((("source", "target"), True), (("project", "id"), False))
            constraints = (peewee.Check("source_id <> target_id"),)

    class RecoveryCode(Table):
        id = peewee.BigAutoField()
        account = peewee.ForeignKeyField(Account, index=False, on_delete="CASCADE")
        channel = peewee.CharField(max_length=16)
        recipient = peewee.CharField(max_length=254)
        digest = peewee.CharField(max_length=64, unique=True)
        expires = peewee.BigIntegerField(index=True)

        class Meta:
            indexes = ((("account", "channel"), True),)

    class OutboxMessage(Table):
        id = peewee.BigAutoField()
        kind = peewee.CharField(max_length=8)
        recipient = peewee.CharField(max_length=254)
        subject = peewee.CharField(max_length=128)
        body = peewee.TextField()
        created = peewee.BigIntegerField()
        due = peewee.BigIntegerField()
        attempts = peewee.IntegerField(default=0)
        delivered = peewee.BigIntegerField(null=True)
        failed = peewee.BigIntegerField(null=True)
        error = peewee.CharField(max_length=128, null=True)

        class Meta:
            indexes = ((("delivered", "due"), False), (("kind", "delivered", "id"), False))

    class SealedEvent(Table):
        lane = peewee.CharField(max_length=16)
        number = peewee.BigIntegerField()
        created = peewee.BigIntegerField()
        event = peewee.CharField(max_length=32)
        account = peewee.BigIntegerField(null=True)
        actor = peewee.BigIntegerField(null=True)
        contract = peewee.CharField(max_length=16, null=True)
        address = peewee.CharField(max_length=64, null=True)
        detail = peewee.CharField(max_length=512)
        count = peewee.IntegerField()
        seal = peewee.CharField(max_length=64)

    class PendingEvent(SealedEvent):
        id = peewee.BigAutoField()
        counting = peewee.BooleanField()
        arrived = peewee.BigIntegerField()

        class Meta:
            indexes = ((("lane", "number"), True),)

    class AuditEvent(SealedEvent):
        id = peewee.BigIntegerField(primary_key=True)
        chain = peewee.CharField(max_length=64)
        chain_seal = peewee.CharField(max_length=64)

        class Meta:
            indexes = ((("account", "id"), False),)

    class AuditHead(Table):
        id = peewee.IntegerField(primary_key=True)
        purged = peewee.BigIntegerField()
        purged_chain = peewee.CharField(max_length=64)
        last = peewee.BigIntegerField()
        last_chain = peewee.CharField(max_length=64)
        accounts = peewee.BigIntegerField()
        sessions = peewee.BigIntegerField()
        seal = peewee.CharField(max_length=64)

    db.create_tables(
        [
            Account,
            Session,
            AccountBlock,
            AccountBlockChange,
            AccountField,
            RateCounter,
            KnownAddress,
            AccessKey,
            Friendship,
            FriendApplication,
            Project,
            Member,
            Invitation,
            Entity,
            Relation,
            RecoveryCode,
            OutboxMessage,
            PendingEvent,
            AuditEvent,
            AuditHead,
        ]
    )
