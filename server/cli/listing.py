"""Long lists, read page by page: memory does not grow with the store, and no transaction waits for the reader."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import peewee

from models import clock
from models.access_key import AccessKey
from models.account import Account
from models.account_field import AccountField
from models.outbox import OutboxMessage
from models.project import Entity, Member, Project, Relation
from models.session import Session

PAGE = 1_000
"""Rows that are read at a time."""


def accounts() -> Iterator[Account]:
    """Yield all accounts in order of id."""
    return _pages(Account.select(), Account.id)


def accounts_with_fields() -> Iterator[tuple[Account, dict[str, dict[str, str]]]]:
    """Yield the same, each with what contracts keep of it: contract -> name -> value."""
    for page in _batches(Account.select(), Account.id):
        fields = AccountField.between(page[0].id, page[-1].id)
        for account in page:
            yield account, fields.get(account.id, {})


def access_keys() -> Iterator[AccessKey]:
    """Yield all access keys in order of accessid."""
    return _pages(AccessKey.select(), AccessKey.accessid)


def sessions(account: Account | None) -> Iterator[Session]:
    """Yield the live sessions in order of id, with their accounts: all, or those of one."""
    live = Session.select(Session, Account).join(Account).where(Session.expires > clock.now())
    return _pages(live.where(Session.account == account) if account else live, Session.id)


def messages(failed: bool) -> Iterator[OutboxMessage]:
    """Yield the messages of the outbox in order of id: all, or those that were given up."""
    real = OutboxMessage.select().where(OutboxMessage.recipient != "")  # what was written for nobody is not told
    return _pages(real.where(OutboxMessage.failed.is_null(False)) if failed else real, OutboxMessage.id)


def projects() -> Iterator[Project]:
    """Yield all projects in order of id, with owner, `member_count`, `entity_count` and `relation_count`."""
    counts = [
        model.select(peewee.fn.COUNT(model.id)).where(model.project == Project.id).alias(f"{stem}_count")
        for stem, model in (("member", Member), ("entity", Entity), ("relation", Relation))
    ]
    return _pages(Project.select(Project, Account, *counts).join(Account), Project.id)


def _pages(query: Any, key: Any) -> Iterator[Any]:
    return chain.from_iterable(_batches(query, key))


def _batches(query: Any, key: Any) -> Iterator[list[Any]]:
    page = list(query.order_by(key).limit(PAGE))
    while page:
        yield page
        last = getattr(page[-1], key.name)
        page = list(query.where(key > last).order_by(key).limit(PAGE))
