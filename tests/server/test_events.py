"""Events of the audit go out by a webhook: signed, in order, each at least once.

What is tried here went wrong for others; each test names where.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import standardwebhooks
from starlette.testclient import TestClient
from typer.testing import Result

from models import clock, outbox
from models.account import Account
from models.audit.chain import AuditEvent, sequence
from models.db.database import transaction
from models.outbox import MESSAGES, OutboxMessage
from server.jobs.delivery.transports import event_transports
from server.jobs.delivery.webhook import post_events
from server.jobs.mailer import Mailer
from server.jobs.sequencer import Sequencer
from server.settings import Settings
from tests.clients import Dbms
from tests.mail_server import Receiver, serving_hook

SECRET = "whsec_" + base64.b64encode(b"e" * 32).decode()
PASSWORD = "correct horse"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    """Who is told: a receiver on loopback, which verifies by the library of the standard."""
    with serving_hook(None) as receiver:
        yield receiver


@pytest.fixture
def mailer(settings: Settings, hook: Receiver) -> Mailer:
    """Who carries events."""
    return Mailer(event_transports(replace(settings, event_webhook_url=hook.url, event_webhook_secret=SECRET)))


def verified(hook: Receiver) -> list[dict[str, Any]]:
    """Return what came, each thing verified as its receiver does; its id is among it."""
    verifier = standardwebhooks.Webhook(SECRET)
    return [{**verifier.verify(body, headers), "webhook-id": headers["webhook-id"]} for _, headers, body in hook.got]


def wait() -> None:
    """Let the pause before the next try be over; the clock stays, since receivers look at the time of a signature."""
    OutboxMessage.update(due=clock.now()).where(
        OutboxMessage.delivered.is_null(), OutboxMessage.failed.is_null()
    ).execute()


def act(*usernames: str, refused: int = 0) -> None:
    """Make accounts, and disable and enable the first one again and again."""
    made = []
    for username in usernames:
        with transaction():
            made.append(Account.register(username, PASSWORD))
    for number in range(refused):
        with transaction():
            made[0].enable() if number % 2 else made[0].disable()
    Sequencer(post_events).run()


def test_an_event_is_told_in_the_form_of_the_standard(client: TestClient, hook: Receiver, mailer: Mailer) -> None:
    dbms = Dbms(client)
    dbms.register("alice", PASSWORD)
    token = dbms.enter("alice", PASSWORD)
    Sequencer(post_events).run()
    assert mailer.deliver_due() == 2
    registered, logged_in = verified(hook)
    assert registered["type"] == "audit.registered"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", registered["timestamp"])
    assert re.fullmatch(r"evt_1_[0-9a-f]{16}", registered["webhook-id"])
    assert logged_in["data"].pop("address") in ("testclient", None)
    expected = {"id": 2, "event": "logged_in", "account": 1, "actor": None, "contract": "dbms", "count": 1}
    assert logged_in["data"] == {**expected, "detail": {}}
    told = b"".join(body for *_, body in hook.got)
    assert PASSWORD.encode() not in told
    assert token.encode() not in told
    assert token.partition("-")[2].encode() not in told
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(hook.got[0][2], hook.got[0][1])
    assert mailer.deliver_due() == 0


def test_events_of_one_account_never_overtake_each_other(hook: Receiver, mailer: Mailer) -> None:
    """mirakl-hyperwallet-connector#35, incacook-app#21: an older event that was tried again came after a newer one, and
    took the receiver back to a state that was over. Those of other accounts go on."""
    act("alice", "bob", refused=2)
    hook.statuses = [503]
    assert mailer.deliver_due() == 1  # bob's
    assert [told["data"]["account"] for told in verified(hook)] == [1, 2]
    wait()
    assert mailer.deliver_due() == 3
    of_alice = [told["data"] for told in verified(hook)[2:]]
    assert [told["event"] for told in of_alice] == ["registered", "account_disabled", "account_enabled"]
    first, *_, again = [told["webhook-id"] for told in verified(hook) if told["data"]["event"] == "registered"][::2]
    assert first == again


def test_after_a_dead_letter_the_following_go_on_and_the_operator_sees_it(
    hook: Receiver, mailer: Mailer, operate: Callable[..., Result]
) -> None:
    """p2-inc/keycloak-events#92: whether an event ever arrived could not be seen."""
    act("alice", refused=1)
    hook.statuses = [500] * 8
    for _ in range(8):
        delivered = mailer.deliver_due()
        wait()
    assert delivered == 1
    assert [told["data"]["event"] for told in verified(hook)] == ["registered"] * 8 + ["account_disabled"]
    listed = operate("outbox", "list", "--failed", "--json")
    assert listed.exit_code == 0, listed.output
    (dead,) = json.loads(listed.stdout)
    assert (dead["kind"], dead["recipient"], dead["error"]) == ("event", "account 1", "RefusedByReceiver 500")
    assert operate("outbox", "retry", str(dead["id"])).exit_code == 0
    assert mailer.deliver_due() == 1
    assert len({told["webhook-id"] for told in verified(hook)}) == 2


def test_a_receiver_that_is_away_keeps_no_mail_and_no_login(
    client: TestClient, hook: Receiver, mailer: Mailer, settings: Settings
) -> None:
    """FusionAuth#391: while the receiver was away, nobody could log in."""
    hook.statuses = [503] * 9
    act("alice", "bob", "carol")
    assert mailer.deliver_due() == 0
    with transaction():
        Account.by_username("alice").change(email="alice@example.com")
    assert Dbms(client).enter("alice", PASSWORD)
    message = OutboxMessage.claim()
    assert message
    assert message.kind in MESSAGES


@pytest.mark.usefixtures("settings")
def test_what_is_undone_is_not_told_and_what_is_told_once_is_not_told_twice() -> None:
    """p2-inc/keycloak-events#1, keycloak#7886: a registration was told that had been rolled back. Here two sequencers
    work at once, one of which undoes what it did."""
    with pytest.raises(RuntimeError), transaction():
        Account.register("alice", PASSWORD)
        raise RuntimeError
    act("bob")

    def fail(events: list[AuditEvent]) -> None:
        post_events(events)
        raise ConnectionError

    with transaction():
        Account.by_username("bob").disable()
    with pytest.raises(ConnectionError):
        sequence(tell=fail)
    assert sequence(tell=post_events) == 1
    assert sequence(tell=post_events) == 0
    events = [json.loads(one.body)["data"]["event"] for one in OutboxMessage.select().order_by(OutboxMessage.id)]
    assert events == ["registered", "account_disabled"]


def test_thousands_that_wait_for_one_account_are_looked_at_once(
    hook: Receiver, mailer: Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hasura#4043: order was not promised, since each event that waits would be a burden for all behind it."""
    monkeypatch.setattr(outbox, "EVENTS_LOOKED_AT", 5)
    act("alice", refused=20)
    hook.statuses = [503]
    act("bob")
    assert mailer.deliver_due() == 0  # bob's lies beyond what is looked at
    wait()
    assert mailer.deliver_due() == 22
    of_alice = [told["data"]["id"] for told in verified(hook)[1:] if told["data"]["account"] == 1]
    assert of_alice == sorted(of_alice)
    assert len(of_alice) == 21


def test_many_events_are_posted_in_their_order(hook: Receiver, mailer: Mailer) -> None:
    act("alice", refused=250)
    assert mailer.deliver_due() == 251
    assert [told["data"]["id"] for told in verified(hook)] == list(range(1, 252))


@pytest.mark.usefixtures("settings")
def test_nobody_is_told_where_nobody_wants_to_know() -> None:
    with transaction():
        Account.register("alice", PASSWORD)
    Sequencer().run()
    assert OutboxMessage.select().count() == 0
    assert AuditEvent.select().count() == 1
