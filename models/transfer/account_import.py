"""Accounts that come from elsewhere, many at once: all or none, and each once however often they come."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import peewee

from models import clock
from models.account import Account
from models.account_block import SIZE, AccountBlockChange
from models.account_field import AccountField
from models.db.database import Model, database
from models.passwords.foreign_hashes import NONE

TEXTS = ("display_name", "email", "mobile", "domain", "property", "photo", "job", "school", "introduct", "foreign_id")
KEYS = ("email_key", "email_proved", "mobile_key", "mobile_proved", "former_key")
COLUMNS = ("username", "username_key", "password_hash", *KEYS, *TEXTS, "admin", "disabled")
"""What is taken over as it comes."""
UNIQUE = {"id": "id", "username_key": "username", "email_proved": "email", "mobile_proved": "mobile"}
"""Columns of which every value is one account's, by their names in a file."""


LINES = 500
"""Staged accounts that are taken out by one statement."""


class StagedAccount(Model):
    """An account on its way in, numbered by its line; seen by this connection only, and gone with it."""

    line = peewee.BigIntegerField(primary_key=True)
    id = peewee.BigIntegerField(null=True)
    username = peewee.TextField()
    username_key = peewee.TextField()
    password_hash = peewee.TextField(default=NONE)
    display_name = peewee.TextField(null=True)
    email = peewee.TextField(null=True)
    email_key = peewee.TextField(null=True)
    email_proved = peewee.TextField(null=True)
    mobile = peewee.TextField(null=True)
    mobile_key = peewee.TextField(null=True)
    mobile_proved = peewee.TextField(null=True)
    former_key = peewee.TextField(null=True)
    domain = peewee.TextField(null=True)
    property = peewee.TextField(null=True)
    photo = peewee.TextField(null=True)
    job = peewee.TextField(null=True)
    school = peewee.TextField(null=True)
    introduct = peewee.TextField(null=True)
    foreign_id = peewee.TextField(null=True)
    admin = peewee.BooleanField(default=False)
    disabled = peewee.BooleanField(default=False)
    created = peewee.BigIntegerField(null=True)
    updated = peewee.BigIntegerField(null=True)
    fields = peewee.TextField(null=True)
    """What contracts keep of it, as JSON: contract -> name -> value."""
    known = peewee.BooleanField(default=False)
    """Is in the directory already."""

    class Meta:
        temporary = True


class Inserted(NamedTuple):
    """How many accounts were new, and how many were there already."""

    added: int
    known: int


@contextmanager
def staged(rows: Iterable[Mapping[str, Any]]) -> Iterator[None]:
    """Gather staged accounts beside the directory, without a lock that others would wait for; forget them afterwards.

    rows: values by column, those left out have their default.
    """
    with database.one_connection():
        StagedAccount.drop_table(safe=True)
        StagedAccount.create_table(safe=False)
        try:
            database.load(StagedAccount, map(_complete, rows))
            yield
        finally:
            if not database.in_transaction():  # which takes the table with it
                StagedAccount.drop_table(safe=True)


def insert() -> Inserted:
    """Insert the staged accounts, those without an id or time with the next and this; within a transaction.

    An account that exists already, with the same values wherever the staged one has some, stays as it is; passwords
    may differ, since they are hashed anew at a login. `conflicts` must have found none.
    """
    new = ~StagedAccount.known
    columns = [getattr(Account, name) for name in (*COLUMNS, "created", "updated")]
    now = clock.now()
    values = [
        *(getattr(StagedAccount, name) for name in COLUMNS),
        peewee.fn.COALESCE(StagedAccount.created, now),
        peewee.fn.COALESCE(StagedAccount.updated, StagedAccount.created, now),
    ]
    numbered = (
        StagedAccount.select(StagedAccount.id, *values)
        .where(new, StagedAccount.id.is_null(False))
        .order_by(StagedAccount.id)
    )
    Account.insert_from(numbered, [Account.id, *columns]).execute()
    highest = StagedAccount.select(peewee.fn.MAX(StagedAccount.id)).scalar() or 0
    database.set_sequence(Account, max(highest, database.last_number(Account)))
    others = StagedAccount.select(*values).where(new, StagedAccount.id.is_null()).order_by(StagedAccount.line)
    Account.insert_from(others, columns).execute()
    _count_in(new)
    AccountField.load(_fields(new))
    total, added = StagedAccount.select().count(), StagedAccount.select().where(new).count()
    StagedAccount.drop_table()  # here, since a pooler may give what comes next another connection
    return Inserted(added, total - added)


def leave_out(lines: Sequence[int]) -> None:
    """Take staged accounts out again, by their lines."""
    for start in range(0, len(lines), LINES):
        StagedAccount.delete().where(StagedAccount.line.in_(lines[start : start + LINES])).execute()


def conflicts() -> Iterator[tuple[int, str]]:
    """Yield the lines that cannot be inserted, each with the reason; note which accounts are there already."""
    database.begin_immediate(alone=True)
    for column, name in UNIQUE.items():
        field = getattr(StagedAccount, column)
        first = peewee.fn.MIN(StagedAccount.line).over(partition_by=[field]).alias("first")
        placed = StagedAccount.select(StagedAccount.line, first).where(field.is_null(False))
        again = peewee.Select([placed], [placed.c.line, placed.c.first]).where(placed.c.line != placed.c.first)
        for line, before in again.bind(database).tuples():
            yield line, f"{name} is on line {before} too"
    StagedAccount.update(known=True).where(peewee.fn.EXISTS(_same())).execute()
    for column, name in UNIQUE.items():
        field = getattr(StagedAccount, column)
        taken: Any = StagedAccount.select(StagedAccount.line).join(Account, on=(field == getattr(Account, column)))
        for (line,) in taken.where(~StagedAccount.known).tuples():
            yield line, f"{name} is another account's"
    yield from _crossed()
    yield from _other_fields()


def _fields(which: Any) -> Iterator[tuple[int, dict[str, dict[str, str]]]]:
    """Yield what contracts keep of staged accounts that are in the directory now, by id."""
    there: Any = StagedAccount.select(Account.id, StagedAccount.fields).join(
        Account, on=(StagedAccount.username_key == Account.username_key)
    )
    for id, fields in there.where(which, StagedAccount.fields.is_null(False)).tuples():
        yield id, json.loads(fields)


def _other_fields() -> Iterator[tuple[int, str]]:
    """Yield the lines of accounts that are there already and of which a contract keeps something else."""
    there: Any = StagedAccount.select(StagedAccount.line, Account.id, StagedAccount.fields).join(
        Account, on=(StagedAccount.username_key == Account.username_key)
    )
    for line, id, fields in there.where(StagedAccount.known, StagedAccount.fields.is_null(False)).tuples():
        kept = AccountField.between(id, id).get(id, {})
        for contract, values in json.loads(fields).items():
            if not values.items() <= kept.get(contract, {}).items():
                yield line, f"fields: the account has others in {contract}"


def _crossed() -> Iterator[tuple[int, str]]:
    """Yield the lines whose username is another account's e-mail address, or the other way round."""
    new, beside = ~StagedAccount.known, StagedAccount.alias()
    line, ends = StagedAccount.line, (("username_key", "email_proved"), ("email_proved", "username_key"))
    for mine, others in ends:
        key = getattr(StagedAccount, mine)
        words = "the username is another account's e-mail address"
        if mine == "email_proved":
            words = "the e-mail address is another account's username"
        for there, number in ((Account, Account.username_key), (beside, beside.line)):
            is_other = StagedAccount.username_key != number if there is Account else line != number
            same: Any = StagedAccount.select(line).join(there, on=(key == getattr(there, others)))
            for (wrong,) in same.where(new, is_other).tuples():
                yield wrong, words


def _same() -> Any:
    """Return the query for the account that a staged account was already."""
    given = ("id", *KEYS, *TEXTS, "admin", "disabled", "created")
    same = [
        getattr(StagedAccount, name).is_null() | (getattr(StagedAccount, name) == getattr(Account, name))
        for name in given
    ]
    return Account.select(peewee.Value(1)).where(Account.username_key == StagedAccount.username_key, *same)


def _count_in(new: Any) -> None:
    """Note the new accounts in their blocks."""
    counted = (
        Account.select((Account.id / SIZE), peewee.fn.COUNT(Account.id))
        .join(StagedAccount, on=(StagedAccount.username_key == Account.username_key))
        .where(new)
        .group_by(peewee.SQL("1"))
    )
    AccountBlockChange.insert_from(counted, [AccountBlockChange.block, AccountBlockChange.accounts]).execute()


def _complete(row: Mapping[str, Any]) -> Sequence[Any]:
    """Return a row as the table takes it."""
    return [row.get(name, default) for name, default in DEFAULTS.items()]


DEFAULTS: dict[str, Any] = {field.name: field.default for field in StagedAccount._meta.sorted_fields}
