"""The unit of work: when a transaction begins, what is kept, what is undone."""

from collections.abc import Callable

import peewee
import pytest

from models.account import Account
from models.db.database import connect, database, transaction
from models.db.transaction import NotBegun
from models.errors import UsernameTaken, WrongCode
from models.rate_counter import RateCounter
from models.session import SLIDE, Session
from server.settings import Settings

pytestmark = pytest.mark.usefixtures("settings")


def test_reading_opens_no_transaction(register: Callable[..., Account]) -> None:
    register()
    with transaction():
        assert Account.by_username("alice").username == "alice"
        assert not database.in_transaction()


@pytest.mark.once("PostgreSQL has many writers")
def test_the_first_write_opens_the_transaction_at_once_for_writing(settings: Settings) -> None:
    with transaction():
        Account.register("alice", "secret")
        assert database.in_transaction()
        other = peewee.SqliteDatabase(settings.database_url.removeprefix("sqlite:///"), timeout=0)
        with pytest.raises(peewee.OperationalError, match="locked"):
            other.execute_sql("BEGIN IMMEDIATE")
        other.close()
    assert not database.in_transaction()


def test_what_a_failed_unit_wrote_is_undone() -> None:
    with pytest.raises(RuntimeError), transaction():
        Account.register("alice", "secret")
        raise RuntimeError
    assert Account.select().count() == 0


def test_a_refusal_that_keeps_its_changes_is_committed() -> None:
    with pytest.raises(WrongCode), transaction():
        Account.register("alice", "secret")
        raise WrongCode
    assert Account.select().count() == 1


def test_an_atomic_block_is_a_savepoint_of_the_unit() -> None:
    with pytest.raises(RuntimeError), transaction():
        database.begin_immediate()
        with database.atomic():
            Account.register("alice", "secret")
        raise RuntimeError
    assert Account.select().count() == 0


@pytest.mark.parametrize(
    "write",
    [
        lambda: Account.update(admin=True).execute(),
        lambda: Session.delete().where(Session.id == 1).execute(),
        lambda: RateCounter.insert_many([{"key": "k", "count": 1, "expires": 0}]).execute(),
        lambda: SLIDE.execute(1, "nobody's"),
        lambda: database.atomic().__enter__(),
    ],
)
def test_nothing_is_written_in_a_unit_that_no_verb_has_begun(write: Callable[[], object]) -> None:
    with pytest.raises(NotBegun), transaction():
        write()
    with transaction():
        database.begin_immediate()
        write()


def test_a_unit_that_only_asks_how_deep_it_is_has_not_begun() -> None:
    with transaction():
        assert database.transaction_depth() == 0
        assert not database.in_transaction()


def test_a_unit_inside_another_commits_by_itself_before_the_other_begins(register: Callable[..., Account]) -> None:
    with pytest.raises(RuntimeError), transaction():
        with transaction():
            RateCounter.add({"inner": 60})
        register()
        raise RuntimeError
    assert RateCounter.read("inner")[0] == 1
    with pytest.raises(RuntimeError, match="has begun"), transaction():
        RateCounter.add({"outer": 60})
        with transaction():
            pass


@pytest.mark.once("PostgreSQL undoes a unit of which a statement failed")
def test_a_taken_name_leaves_the_unit_usable() -> None:
    with transaction():
        Account.register("alice", "secret")
        with pytest.raises(UsernameTaken):
            Account.register("ALICE", "secret")
        Account.register("bob", "secret")
    assert [account.username for account in Account.select().order_by(Account.id)] == ["alice", "bob"]


@pytest.mark.once("asks SQLite for its settings")
def test_the_embedded_store_keeps_what_it_acknowledged() -> None:
    pragmas = {name: database.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert database.execute_sql("PRAGMA foreign_keys").fetchone()[0] == 1
    assert database.execute_sql("PRAGMA busy_timeout").fetchone()[0] > 0


def test_a_store_that_is_not_served_is_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        connect("mysql://host/name")
