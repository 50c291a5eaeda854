"""Long lists, read page by page: memory does not grow with the store, and no transaction waits for the reader."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Any, NamedTuple

import peewee
import typer

from models import account_search, clock
from models.access_key import AccessKey
from models.account import Account
from models.account_field import AccountField
from models.outbox import OutboxMessage
from models.project import Entity, Member, Project, Relation
from models.session import Session
from server.cli.values import printable_name

PAGE = 1_000
"""Rows that are read at a time."""

Search = Annotated[
    str | None, typer.Option("--search", metavar="TEXT", callback=printable_name, help="Only what holds this text.")
]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="So many at most.")]
After = Annotated[int | None, typer.Option("--after", metavar="ID", min=0, help="Only what comes after this id.")]


class Part(NamedTuple):
    """Which part of a list is asked for: what comes after a key, so many at most, and what holds a text."""

    after: Any = None
    limit: int | None = None
    search: str | None = None


def accounts(part: Part = Part(), **flags: bool | None) -> Iterator[Account]:  # noqa: B008  # it cannot be changed
    """Yield accounts in order of id. flags: what `admin` and `disabled` must be, None for either."""
    found = Account.select()
    if part.search:
        found = found.where(account_search.matching(part.search))
    for name, value in flags.items():
        if value is not None:
            found = found.where(getattr(Account, name) == value)
    return _pages(found, Account.id, part)


def accounts_with_fields() -> Iterator[tuple[Account, dict[str, dict[str, str]]]]:
    """Yield all, each with what contracts keep of it: contract -> name -> value."""
    for page in _batches(Account.select(), Account.id, None, PAGE):
        fields = AccountField.between(page[0].id, page[-1].id)
        for account in page:
            yield account, fields.get(account.id, {})


def access_keys(part: Part) -> Iterator[AccessKey]:
    """Yield access keys in order of accessid."""
    found = AccessKey.select()
    return _pages(
        found.where(AccessKey.accessid.contains(part.search)) if part.search else found, AccessKey.accessid, part
    )


def sessions(part: Part, account: Account | None, contract: str | None) -> Iterator[Session]:
    """Yield the live sessions in order of id, with their accounts: all, or those of one account or contract."""
    live = Session.select(Session, Account).join(Account).where(Session.expires > clock.now())
    if account:
        live = live.where(Session.account == account)
    if contract:
        live = live.where(Session.contract == contract)
    return _pages(live.where(account_search.matching(part.search)) if part.search else live, Session.id, part)


def messages(part: Part, state: str | None) -> Iterator[OutboxMessage]:
    """Yield the messages of the outbox in order of id: all, or those in a state (waiting, delivered, failed)."""
    real = OutboxMessage.select().where(OutboxMessage.recipient != "")  # what was written for nobody is not told
    is_failed, is_delivered = OutboxMessage.failed.is_null(False), OutboxMessage.delivered.is_null(False)
    states = {"failed": is_failed, "delivered": is_delivered, "waiting": ~is_failed & ~is_delivered}
    if state:
        real = real.where(states[state])
    if part.search:
        real = real.where(OutboxMessage.recipient.contains(part.search) | OutboxMessage.error.contains(part.search))
    return _pages(real, OutboxMessage.id, part)


def projects(part: Part, owner: Account | None) -> Iterator[Project]:
    """Yield projects in order of id, with owner, `member_count`, `entity_count` and `relation_count`."""
    counts = [
        model.select(peewee.fn.COUNT(model.id)).where(model.project == Project.id).alias(f"{stem}_count")
        for stem, model in (("member", Member), ("entity", Entity), ("relation", Relation))
    ]
    found = Project.select(Project, Account, *counts).join(Account)
    if owner:
        found = found.where(Project.owner == owner)
    return _pages(found.where(Project.name.contains(part.search)) if part.search else found, Project.id, part)


def _pages(query: Any, key: Any, part: Part) -> Iterator[Any]:
    batches = _batches(query, key, part.after, min(PAGE, part.limit or PAGE))
    return islice(chain.from_iterable(batches), part.limit)


def _batches(query: Any, key: Any, after: Any, size: int) -> Iterator[list[Any]]:
    page = list((query if after is None else query.where(key > after)).order_by(key).limit(size))
    while page:
        yield page
        page = list(query.where(key > getattr(page[-1], key.name)).order_by(key).limit(size))
