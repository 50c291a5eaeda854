"""Friends, and applications to become one."""

from typing import Any

import peewee

from models import clock, settings
from models.account import Account
from models.db.database import Model, database
from models.errors import (
    AccountNotFound,
    AlreadyFriends,
    Oneself,
    RequestNotFound,
    TooManyApplications,
    TooManyFriends,
)

LONGEST_LIST = 10_000
"""Lists are cut here, so that no answer grows without bounds."""


class Friendship(Model):
    """One direction of a friendship; the other direction is a row of its own."""

    id = peewee.BigAutoField()
    account = peewee.ForeignKeyField(Account, backref="friendships", index=False, on_delete="CASCADE")
    friend = peewee.ForeignKeyField(Account, backref="friendships_of_others", on_delete="CASCADE")
    created = peewee.BigIntegerField()

    class Meta:
        indexes = ((("account", "friend"), True),)
        constraints = (peewee.Check("account_id <> friend_id"),)

    @classmethod
    def between(cls, account: Account, other: Account) -> bool:
        """Tell whether the two are friends."""
        rows: Any = cls.select().where(cls.account == account, cls.friend == other)
        return bool(rows.exists())

    @classmethod
    def friends_of(cls, account: Account) -> list[Account]:
        """Return the account's friends, the oldest friendship first."""
        friends = Account.select().join(cls, on=(cls.friend == Account.id)).where(cls.account == account)
        return list(friends.order_by(cls.id).limit(LONGEST_LIST))

    @classmethod
    def make(cls, account: Account, other: Account) -> None:
        """Make the two friends of each other, if they are not. Raises TooManyFriends."""
        database.begin_immediate()
        now = clock.now()
        directions = [
            {"account": account, "friend": other, "created": now},
            {"account": other, "friend": account, "created": now},
        ]
        cls.insert_many(directions).on_conflict_ignore().execute()
        for one in (account, other):
            if cls.select().where(cls.account == one).count() > settings.current.max_friends:
                raise TooManyFriends


class FriendApplication(Model):
    """An applicant waits for the recipient's answer."""

    id = peewee.BigAutoField()
    applicant = peewee.ForeignKeyField(Account, backref="applications_sent", on_delete="CASCADE")
    recipient = peewee.ForeignKeyField(Account, backref="applications", index=False, on_delete="CASCADE")
    created = peewee.BigIntegerField()

    class Meta:
        indexes = ((("recipient", "applicant"), True),)
        constraints = (peewee.Check("applicant_id <> recipient_id"),)

    @classmethod
    def send(cls, applicant: Account, recipient: Account) -> None:
        """Apply for friendship; applying twice is the same as once.

        Raises Oneself, AlreadyFriends, TooManyApplications, AccountNotFound when the recipient is deleted meanwhile.
        """
        if applicant.id == recipient.id:
            raise Oneself
        database.begin_immediate(holding=(applicant, recipient))
        row = cls.insert(applicant=applicant, recipient=recipient, created=clock.now())
        try:
            row.on_conflict_ignore().execute()
        except peewee.IntegrityError:
            raise AccountNotFound from None
        if Friendship.between(applicant, recipient):
            raise AlreadyFriends
        for waiting in (cls.recipient == recipient, cls.applicant == applicant):
            if cls.select().where(waiting).count() > settings.current.max_applications:
                raise TooManyApplications

    @classmethod
    def accept(cls, applicant: Account, recipient: Account) -> None:
        """Make both friends, and forget what either had applied for. Raises RequestNotFound, TooManyFriends."""
        database.begin_immediate(holding=(applicant, recipient))
        cls.deny(applicant, recipient)
        cls._forget(recipient, applicant)
        Friendship.make(applicant, recipient)

    @classmethod
    def deny(cls, applicant: Account, recipient: Account) -> None:
        """Forget an application. Raises RequestNotFound."""
        if not cls._forget(applicant, recipient):
            raise RequestNotFound

    @classmethod
    def applicants_to(cls, recipient: Account) -> list[Account]:
        """Return who waits for the recipient's answer, the oldest application first."""
        applicants = Account.select().join(cls, on=(cls.applicant == Account.id)).where(cls.recipient == recipient)
        return list(applicants.order_by(cls.id).limit(LONGEST_LIST))

    @classmethod
    def _forget(cls, applicant: Account, recipient: Account) -> int:
        database.begin_immediate()
        gone = cls.delete().where(cls.applicant == applicant, cls.recipient == recipient)
        count: int = gone.execute()
        return count
