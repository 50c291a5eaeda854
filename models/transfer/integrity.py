"""What must hold in every store, whatever happened to it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import peewee

from models import TABLES, migrations
from models.account import Account
from models.account_block import SIZE, AccountBlock
from models.audit import verification
from models.db.database import database
from models.friendship import Friendship
from models.identifiers import email_key, is_reserved, mobile_key, username_key
from models.outbox import OutboxMessage
from models.passwords import foreign_hashes
from models.project import Entity, Member, Project, Relation

EXAMPLES = 5
"""Keys that a finding names."""
PAGE = 5_000
"""Accounts that are looked at in one go."""


class Finding(NamedTuple):
    """Something that does not hold: in words, in how many rows, and the keys of some of them."""

    what: str
    rows: int
    examples: list[Any]


def findings(report: Callable[[int], None] = lambda rows: None) -> Iterator[Finding]:
    """Examine the store as of one moment, and yield what is wrong with it; changes nothing.

    report: called with the number of accounts that were just looked at.
    """
    wrong = migrations.differences()
    if wrong:
        yield Finding("the schema is not that of this version", len(wrong), wrong[:EXAMPLES])
        return
    for line in database.complaints():
        yield Finding(f"the engine complains: {line}", 1, [])
    for words, culprits in [*_orphans(), *_broken_rules(), *_too_long()]:
        found = list(culprits.limit(EXAMPLES).tuples())
        if found:
            yield Finding(words, culprits.count(), [key for (key,) in found])
    yield from _miscounted()
    yield from _numbers_behind()
    yield from _accounts(report)


def audit_findings() -> Iterator[Finding]:
    """Yield what is wrong with the head of the audit, which takes the server's key to tell."""
    for fault in verification.head_faults():
        yield Finding(f"audit: {fault}", 1, [])


def _orphans() -> Iterator[tuple[str, Any]]:
    """Yield rows that refer to a row that is not there."""
    for table in TABLES:
        for field, other in table._meta.refs.items():
            parent = other.alias()
            there = parent._meta.model._meta.primary_key.name
            rows = table.select(table._meta.primary_key).join(
                parent, peewee.JOIN.LEFT_OUTER, on=(field == getattr(parent, there))
            )
            lost = field.is_null(False) & getattr(parent, there).is_null()
            yield f"{_name(table)}: {field.name} is not there", rows.where(lost)


def _broken_rules() -> Iterator[tuple[str, Any]]:
    back = Friendship.alias()
    both = (back.account == Friendship.friend) & (back.friend == Friendship.account)
    yield (
        "friendship: one-sided",
        Friendship.select(Friendship.id).join(back, peewee.JOIN.LEFT_OUTER, on=both).where(back.id.is_null()),
    )
    other = Account.alias()
    crossed = (Account.username_key == other.email_proved) & (Account.id != other.id)
    yield "account: the username is another's address", Account.select(Account.id).join(other, on=crossed)
    own = (Member.project == Project.id) & (Member.account == Project.owner)
    yield (
        "project: its owner is no member",
        Project.select(Project.id).join(Member, peewee.JOIN.LEFT_OUTER, on=own).where(Member.id.is_null()),
    )
    for end in (Relation.source, Relation.target):
        yield (
            f"relation: {end.name} belongs to another project",
            Relation.select(Relation.id).join(Entity, on=(end == Entity.id)).where(Relation.project != Entity.project),
        )
    yield (
        "outbox_message: delivered, and kept its text",
        OutboxMessage.select(OutboxMessage.id).where(OutboxMessage.delivered.is_null(False), OutboxMessage.body != ""),
    )


def _too_long() -> Iterator[tuple[str, Any]]:
    """Yield texts beyond the limit of their column, which SQLite does not hold."""
    for table in TABLES:
        for field in table._meta.sorted_fields:
            if isinstance(field, peewee.CharField):
                longer = peewee.fn.LENGTH(field) > field.max_length
                words = f"{_name(table)}: {field.name} is longer than {field.max_length} characters"
                yield words, table.select(table._meta.primary_key).where(longer)


def _miscounted() -> Iterator[Finding]:
    block = (Account.id / SIZE).alias("block")
    counted: Any = Account.select(block, peewee.fn.COUNT(Account.id)).group_by(peewee.SQL("1"))
    there: dict[int, int] = dict(counted.tuples())
    noted = AccountBlock.counts()
    wrong = sorted(block for block in there.keys() | noted.keys() if there.get(block) != noted.get(block))
    if wrong:
        yield Finding("account_block: another number of accounts than there are", len(wrong), wrong[:EXAMPLES])


def _numbers_behind() -> Iterator[Finding]:
    for table in TABLES:
        if isinstance(table._meta.primary_key, peewee.BigAutoField):
            highest = table.select(peewee.fn.MAX(table._meta.primary_key)).scalar() or 0
            if database.last_number(table) < highest:
                yield Finding(f"{_name(table)}: the next number is given already", 1, [highest])


def _accounts(report: Callable[[int], None]) -> Iterator[Finding]:
    """Look at what only the directory's own rules can tell."""
    wrong: dict[str, list[int]] = {}
    for page in _pages():
        for account in page:
            for words in _faults(account):
                wrong.setdefault(words, []).append(account.id)
        report(len(page))
    for words, ids in wrong.items():
        yield Finding(f"account: {words}", len(ids), ids[:EXAMPLES])


def _faults(account: Any) -> Iterator[str]:
    if account.username_key != username_key(account.username):
        yield "username_key is not that of the username"
    if is_reserved(account.username_key):
        yield "the username cannot stand in a path"
    if account.email_key != (email_key(account.email) if account.email else None):
        yield "email_key is not that of the e-mail address"
    if account.mobile_key != (mobile_key(account.mobile) if account.mobile else None):
        yield "mobile_key is not that of the mobile number"
    if account.email_proved not in (None, account.email_key) or account.mobile_proved not in (None, account.mobile_key):
        yield "what is proved is not what is shown"
    if not foreign_hashes.is_known(account.password_hash):
        yield "the password hash is of no known form"


def _pages() -> Iterator[list[Any]]:
    """Yield all accounts, as far as they are looked at."""
    names = (Account.username, Account.username_key)
    contact = (Account.email, Account.email_key, Account.mobile, Account.mobile_key)
    proved = (Account.email_proved, Account.mobile_proved)
    looked_at = Account.select(Account.id, *names, *contact, *proved, Account.password_hash)
    accounts = looked_at.order_by(Account.id).limit(PAGE).namedtuples()
    page = list(accounts)
    while page:
        yield page
        page = list(accounts.where(Account.id > page[-1].id))


def _name(table: Any) -> str:
    return str(table._meta.table_name)
