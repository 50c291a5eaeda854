"""Accounts counted by blocks: the count and every page are those of a plain reading."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.account import Account
from models.account_block import SIZE, AccountBlock, AccountBlockChange
from models.db.database import database, transaction
from models.departure import delete_account


def _store(ids: set[int], folded: int) -> None:
    """Make accounts of these ids, and nothing else; fold so many of them into their blocks."""
    with transaction():
        database.begin_immediate()
        for table in (Account, AccountBlock, AccountBlockChange):
            table.delete().execute()
        for id in ids:
            columns = {"username": f"user{id}", "username_key": f"user{id}", "password_hash": ""}
            Account.insert(id=id, created=0, updated=0, **columns).execute()
            AccountBlockChange.add(id, 1)
        AccountBlock.purge(folded)


@given(
    ids=st.sets(st.integers(1, 4 * SIZE), max_size=30),
    direction=st.sampled_from(["asc", "desc"]),
    offset=st.integers(0, 35),
    limit=st.integers(1, 12),
    folded=st.integers(0, 30),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("settings")
def test_a_page_in_order_of_id_is_that_of_a_plain_reading(
    ids: set[int], direction: str, offset: int, limit: int, folded: int
) -> None:
    _store(ids, folded)
    plain = sorted(ids, reverse=direction == "desc")[offset : offset + limit]
    assert [account.id for account in Account.page([("id", direction)], offset, limit)] == plain
    assert Account.count() == len(ids)


@pytest.mark.usefixtures("settings")
def test_accounts_that_come_and_go_are_counted() -> None:
    with transaction():
        accounts = [Account.register(name, "correct horse") for name in ("alice", "bob", "carol")]
    with transaction():
        delete_account(accounts[1])
    assert Account.count() == 2
    with pytest.raises(RuntimeError), transaction():
        Account.register("dave", "correct horse")
        raise RuntimeError
    assert Account.count() == 2
