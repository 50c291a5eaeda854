"""What has expired goes in small batches; what is alive stays."""

from collections.abc import Callable

import pytest

from models import clock
from models.account import Account
from models.cleanup import purge
from models.db.database import database, transaction
from models.recovery import RecoveryCode
from models.session import Session
from server.jobs.cleanup import Cleanup
from server.settings import Settings

LIVE, DEAD = 3, 12


@pytest.fixture
def sessions(settings: Settings, register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch) -> None:
    """Some sessions and a code that have expired, and some sessions that live."""
    alice = register("alice", mobile="13393922000")
    with transaction():
        database.begin_immediate()
        for number in range(DEAD):
            Session.open(alice, "indexy", f"dead {number}")
        RecoveryCode.insert(
            account=alice, channel="sms", recipient="13393922000", digest="", expires=clock.now() + 60
        ).execute()
    later = clock.now() + settings.session_lifetime("indexy")
    monkeypatch.setattr(clock, "now", lambda: later)
    with transaction():
        for number in range(LIVE):
            Session.open(alice, "indexy", f"live {number}")


@pytest.mark.usefixtures("sessions")
def test_one_purge_deletes_at_most_a_batch() -> None:
    with transaction():
        assert purge(batch=5)
    assert Session.select().count() == LIVE + DEAD - 5
    assert RecoveryCode.select().count() == 0


@pytest.mark.usefixtures("sessions")
def test_the_housekeeper_purges_until_only_the_living_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.cleanup.purge.__defaults__", (5,))
    cleanup = Cleanup()
    cleanup.breath = 0
    cleanup.run()
    assert Session.select().count() == LIVE
    assert all(Session.find("indexy", f"live {number}") for number in range(LIVE))


@pytest.mark.usefixtures("settings")
def test_there_may_be_nothing_to_purge() -> None:
    with transaction():
        assert not purge()
