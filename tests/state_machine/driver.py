"""What all parts of the machine stand on: five clients, the reference beside them, and how a rule chooses."""

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio.from_thread
import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from starlette.testclient import TestClient

from models import clock
from models.account import Account
from models.db.database import database, transaction
from tests.clients import Annotation, ContractClient, Dbms, Indexy, Signed, Sso
from tests.state_machine.reference import WEAK, Directory, Login, Person

STEMS = ("dbms", "sso", "signed", "annotation", "indexy")
MOST_PEOPLE, MOST_LOGINS, MOST_DEAD = 5, 10, 5

NAMES = [
    "alice",
    "ALICE",
    "ａｌｉｃｅ",
    "al\u200bice",
    "straße",
    "STRASSE",
    "ﬁn",
    "Fin",
    "Ωmega",
    "张三",
    "İ",
    "1",
    "3",
]
names = st.sampled_from([*NAMES, "other", "ｓｉｇｎｉｎ"])
"""Names of which some are the same name, some are numbers, and two are words of paths."""
passwords = st.sampled_from(["correct horse battery", "穿林北腿蒋中正 hao", "Tr0ub4dor & three", *sorted(WEAK)])
displays = st.sampled_from(["法外狂徒张三", "Alice", "sw"])
emails = st.sampled_from(["a@example.com", "A@Example.com", "b@example.com", "ｂ@example.com"])
mobiles = st.sampled_from(["13345587001", "+86 133 4558 7002"])


@dataclass
class World:
    """What the machine runs in. renew: puts an empty store in place. steps: taken so far."""

    policy: str
    app: Any
    renew: Callable[[], Any]
    steps: int = 0

    def explore(self, machine: type["Driver"], steps: int, seed: int, each: int = 25, shrink: bool = False) -> None:
        """Take at least so many steps, in runs that begin with an empty store.

        shrink: look for the shortest way to what is wrong, which takes minutes.
        """
        wanted = hypothesis.settings(
            stateful_step_count=each,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            report_multiple_bugs=False,
            phases=[hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrink else [])],
        )

        def make() -> Driver:
            return machine(self)

        while self.steps < steps:  # a run may end early
            wanted = hypothesis.settings(wanted, max_examples=1 + (steps - self.steps) // each)
            run_state_machine_as_test(hypothesis.seed(seed + self.steps)(make), settings=wanted)


def choose(known: Callable[[Any], list[Any]], better: Callable[[Any], list[Any]] | None = None) -> Any:
    """Choose one of what there is when the rule runs; mostly one of the better ones, where there are any."""

    def draw(machine: Any) -> Any:
        all_of_them = st.sampled_from(known(machine))
        preferred = better(machine) if better else []
        return st.sampled_from(preferred) | st.sampled_from(preferred) | all_of_them if preferred else all_of_them

    return st.runner().flatmap(draw)


def a_login(*stems: str) -> Any:
    """Choose a session of one of these contracts, live or over or invented."""
    return choose(lambda it: [*it.logins(*stems), it.invent(stems[0])], lambda it: it.logins(*stems, live=True))


def somebody() -> Any:
    """Choose a person."""
    return choose(lambda it: it.reference.people)


class Driver(RuleBasedStateMachine):
    """Five clients to a server, and the reference; nothing is done yet."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.guarded = world.policy == "guarded"
        self.reference = Directory(self.guarded, now=1_700_000_000)
        self.secrets: list[str] = []
        """Codes and links that were made, in the order in which they were."""
        self.turns = 0
        world.renew()
        self.context = contextlib.ExitStack()
        patch = self.context.enter_context(pytest.MonkeyPatch.context())
        fresh = itertools.count(100_001)
        patch.setattr(clock, "now", lambda: self.reference.now)
        patch.setattr("models.recovery.digits", lambda length: self._send(f"{next(fresh):0{length}}"))
        client = TestClient(world.app, raise_server_exceptions=False)
        client.portal = self.context.enter_context(anyio.from_thread.start_blocking_portal())
        self.dbms, self.sso, self.signed = Dbms(client), Sso(client), Signed(client)
        self.annotation, self.indexy = Annotation(client), Indexy(client)
        clients: list[ContractClient] = [self.dbms, self.sso, self.signed, self.annotation, self.indexy]
        self.clients = {door.stem: door for door in clients}
        self.root = Person("root", "the operator's own")
        with transaction():
            database.begin_immediate()
            self.root.id = Account.register(self.root.username, self.root.password).id
            Account.update(admin=True).where(Account.id == self.root.id).execute()
        self.largest_id = self.root.id
        self.log_root_in()

    def teardown(self) -> None:
        """Leave everything as it was."""
        self.context.close()
        database.close()

    def log_root_in(self) -> None:
        """Let the operator's admin in, who looks at the lists."""
        self.root_sso = self.sso.enter(self.root.username, self.root.password)
        self.root_indexy = self.indexy.enter(self.root.username, self.root.password)

    def logins(self, *stems: str, live: bool = False) -> list[Login]:
        """Return the sessions of these contracts, or of all."""
        known = [login for login in self.reference.logins if not stems or login.stem in stems]
        return [login for login in known if self.reference.is_live(login)] if live else known

    def invent(self, stem: str) -> Login:
        """Return a session that nobody ever opened."""
        person = self.reference.people[0]
        return Login(person, stem, f"{person.id}-{'x' * 22}", expires=0)

    def in_turn(self, things: list[Any]) -> list[Any]:
        """Return one of the things, each time the next one; none where there are none."""
        self.turns += 1
        return things[self.turns % len(things) :][:1] if things else []

    def agree(self, answer: Any, expected: bool, door: ContractClient) -> None:
        """Check that the server says yes where the reference does, and does not stumble."""
        assert answer.status_code < 500, answer.text
        said = f"{door.stem}: {answer.request.method} {answer.request.url} said {answer.status_code} {answer.text}"
        assert door.succeeded(answer) == expected, f"{said}; expected {'success' if expected else 'refusal'}"

    def note(self, person: Person, door: ContractClient, answer: Any) -> None:
        """Take note of a session that has begun; forget the oldest of those that are over."""
        self.reference.open(person, door.stem, door.credential(answer))
        over = [login for login in self.reference.logins if not self.reference.is_live(login)]
        for forgotten in over[:-MOST_DEAD]:
            self.reference.logins.remove(forgotten)

    def _send(self, secret: str) -> str:
        self.secrets.append(secret)
        return secret
