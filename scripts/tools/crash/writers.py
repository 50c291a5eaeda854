"""Writers: clients that do through five doors whatever the contracts allow, each with accounts of its own."""

import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import httpx2

from scripts.tools.crash.journal import Entry, Facts, Journal
from tests.clients import Annotation, ContractClient, Dbms, Indexy, Signed, Sso

LONGEST_SECONDS = 30
"""A request that takes longer hangs."""
BREATH_SECONDS = 0.05
MOST_PEOPLE = 30
SESSIONS = ("dbms", "sso", "signed", "annotation")
"""Contracts that tell under every policy whether a session lives."""


class Roving:
    """A client that sends each request to any of several servers."""

    def __init__(self, urls: list[str], random: Random) -> None:
        self.clients = [httpx2.Client(base_url=url, timeout=LONGEST_SECONDS) for url in urls]
        self.random = random
        self.slowest = 0.0

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request without the cookies of earlier ones."""
        client = self.random.choice(self.clients)
        client.cookies.clear()
        began = time.monotonic()
        try:
            return client.request(method, path, **options)
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)

    @property
    def cookies(self) -> Any:
        """Return what the doors clear."""
        return httpx2.Cookies()


class Doors:
    """All five doors over one client."""

    def __init__(self, client: Any, accesskey: str) -> None:
        self.client = client
        self.dbms, self.sso, self.annotation, self.indexy = (
            Dbms(client),
            Sso(client),
            Annotation(client),
            Indexy(client),
        )
        self.signed = Signed(client, accesskey)
        self.all: dict[str, ContractClient] = {
            door.stem: door for door in (self.dbms, self.sso, self.signed, self.annotation, self.indexy)
        }


class Writer(threading.Thread):
    """Acts until it is told to stop; while it must pause it leaves the doors alone.

    project: number of a project that `<prefix>owner` owns, for friends to be invited to. pause: seconds between two
    acts.
    """

    pause = 0.0

    def __init__(self, number: int, doors: Doors, journal: Journal, random: Random, project: str) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self.prefix = f"w{number}-"
        self.doors, self.journal, self.random, self.project = doors, journal, random, project
        self.people: list[str] = []
        self.born = 0
        self.frozen: set[str] = set()
        self.may_run, self.rests, self.done = threading.Event(), threading.Event(), threading.Event()

    # --- its life ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Act, pause, end."""
        while not self.done.is_set():
            if not self.may_run.is_set():
                self.rests.set()
                self.may_run.wait(1)
                continue
            self.rests.clear()
            time.sleep(self.pause)
            try:
                self.step()
            except Exception as error:  # a writer that dies would make the run look better than it is
                self.journal.complain("wrong", f"{self.name}: {type(error).__name__}: {error}")
        self.rests.set()

    def step(self) -> None:
        """Do one thing."""
        act = self.random.choices(list(ACTS), list(ACTS.values()))[0]
        act(self)

    # --- whom and what to choose -------------------------------------------------------------------------------------

    def somebody(self) -> str:
        """Return an account about which all is known; make one if there is none."""
        free = [name for name in self.people if name not in self.frozen]
        return self.random.choice(free) if free else ""

    def session_of(self, name: str, *stems: str) -> tuple[str, Any] | None:
        """Return a live session of an account."""
        live = [
            (fact[1], fact[2])
            for fact, alive in self.journal.facts.items()
            if fact[0] == "session" and alive and fact[3] == name and fact[1] in (stems or SESSIONS)
        ]
        return self.random.choice(live) if live else None

    def password_of(self, name: str) -> str:
        """Return an account's password."""
        return str(self.journal.get(("password", name)))

    def new_password(self, name: str) -> str:
        """Return a password that the account never had."""
        password = f"{self.random.getrandbits(64):016x}"
        self.journal.passwords.setdefault(name, []).append(password)
        return password

    # --- how an act ends ---------------------------------------------------------------------------------------------

    def perform(
        self,
        act: str,
        after: Facts,
        send: Callable[[], httpx2.Response],
        good: Callable[[httpx2.Response], bool],
        learn: Callable[[httpx2.Response], Facts] | None = None,
        expected: bool = True,
    ) -> bool:
        """Do something, note what became of it, and tell whether it was acknowledged.

        after: what holds if it is. learn: returns what only the answer tells. expected: whether it should be.
        """
        entry = self.journal.plan(act, after)
        try:
            answer = send()
        except httpx2.ConnectError:
            time.sleep(BREATH_SECONDS)  # nothing was sent
            return False
        except httpx2.TransportError as error:
            if isinstance(error, httpx2.TimeoutException):
                self.journal.complain("wrong", f"{act} hangs")
            self._leave_open(entry)
            return False
        if answer.status_code == 503:
            if "retry-after" not in answer.headers:
                self.journal.complain("wrong", f"{act}: 503 without Retry-After")
            self._leave_open(entry)
            return False
        if answer.status_code >= 500 or answer.status_code == 429:
            self.journal.complain("wrong", f"{act}: {answer.status_code} {answer.text[:200]}")
            self._leave_open(entry)
            return False
        acknowledged = good(answer)
        if acknowledged != expected:
            self.journal.complain("wrong", f"{act} of {sorted(entry.names)}: {answer.status_code} {answer.text[:200]}")
        learnt = learn(answer) if learn and acknowledged else {}
        self.journal.note(entry, "acknowledged" if acknowledged else "refused", learnt)
        return acknowledged

    def _leave_open(self, entry: Entry) -> None:
        self.journal.note(entry, "unknown")
        self.frozen |= entry.names
        time.sleep(BREATH_SECONDS)

    def thaw(self) -> None:
        """Go on with accounts that are known again."""
        self.frozen.clear()
        self.people = [name for name in self.people if self.journal.get(("password", name))]

    # --- accounts ----------------------------------------------------------------------------------------------------

    def register(self, name: str = "") -> str:
        """Make an account through any door; the name is empty if it was not acknowledged."""
        if not name:
            self.born += 1
            name = f"{self.prefix}{self.born}"
        door = self.random.choice(list(self.doors.all.values()))
        password = self.new_password(name)
        self.people.append(name)

        def learn(answer: httpx2.Response) -> Facts:
            secret = door.credential(answer) if door.stem in ("signed", "annotation") else None
            return {("session", door.stem, secret, name): True} if secret else {}

        after = {("password", name): password, ("shown", name): name}
        done = self.perform(
            f"{door.stem} register", after, lambda: door.register(name, password), door.succeeded, learn
        )
        if not done and name not in self.frozen:
            self.people.remove(name)
        return name if done else ""

    def register_again(self) -> None:
        """Try to take a name that is taken."""
        if name := self.somebody():
            door = self.random.choice(list(self.doors.all.values()))
            self.perform(
                f"{door.stem} register again",
                {},
                lambda: door.register(name, "taken " * 2),
                door.succeeded,
                None,
                False,
            )

    def log_in(self, name: str = "", *stems: str) -> tuple[str, Any] | None:
        """Log somebody in."""
        name = name or self.somebody()
        if not name or name in self.frozen:
            return None
        door = self.doors.all[self.random.choice(stems or SESSIONS)]
        password = self.password_of(name)

        def learn(answer: httpx2.Response) -> Facts:
            return {("session", door.stem, door.credential(answer), name): True}

        self.perform(f"{door.stem} log in", {}, lambda: door.log_in(name, password), door.succeeded, learn)
        return self.session_of(name, door.stem)

    def log_in_wrongly(self) -> None:
        """Try a password that is not the account's."""
        if name := self.somebody():
            door = self.random.choice(list(self.doors.all.values()))
            self.perform(
                f"{door.stem} wrong log in", {}, lambda: door.log_in(name, "wrong"), door.succeeded, None, False
            )

    def log_out(self) -> None:
        """End a session."""
        name = self.somebody()
        if name and (session := self.session_of(name)):
            door = self.doors.all[session[0]]

            def send() -> httpx2.Response:
                if door.stem == "signed":  # its driver asks for the name first, which is another request
                    return self.doors.signed.act("logout", userid=name, token=session[1])
                return door.log_out(session[1])

            self.perform(f"{door.stem} log out", {("session", *session, name): False}, send, door.succeeded)

    def exchange(self) -> None:
        """Exchange a dbms token for a new one."""
        name = self.somebody()
        if name and (session := self.session_of(name, "dbms")):
            self.perform(
                "dbms valid_login",
                {("session", *session, name): False},
                lambda: self.doors.dbms.check_login(name, session[1]),
                lambda answer: bool(answer.json()["token"]),
                lambda answer: {("session", "dbms", answer.json()["token"], name): True},
            )

    def change_password(self) -> None:
        """Set a new password; all other sessions end."""
        name = self.somebody()
        if name and (session := self.session_of(name) or self.log_in(name)):
            door = self.doors.all[session[0]]
            old, new = self.password_of(name), self.new_password(name)
            after: Facts = {("password", name): new} | self._ended(name, keep=session)
            self.perform(
                f"{door.stem} change password",
                after,
                lambda: door.change_password(session[1], name, old, new),
                door.succeeded,
            )

    def change_password_wrongly(self) -> None:
        """Try to set a new password without knowing the old one."""
        name = self.somebody()
        if name and (session := self.session_of(name, "annotation")):
            door = self.doors.annotation
            self.perform(
                "annotation wrong change of password",
                {},
                lambda: door.change_password(session[1], name, "wrong", "never set"),
                door.succeeded,
                None,
                False,
            )

    def change_name(self) -> None:
        """Show another name."""
        name = self.somebody()
        if name and (session := self.session_of(name, "annotation") or self.log_in(name, "annotation")):
            shown = f"{name} {self.random.getrandbits(32):08x}"
            door = self.doors.annotation
            self.perform(
                "annotation change_name",
                {("shown", name): shown},
                lambda: door.change_name(session[1], shown),
                door.succeeded,
            )

    def unregister(self) -> None:
        """Delete an account, if there are many."""
        name = self.somebody()
        if name.endswith("owner") or len(self.people) < MOST_PEOPLE // 2:
            return
        if name and (session := self.session_of(name, "signed") or self.log_in(name, "signed")):
            after: Facts = {("password", name): None} | self._ended(name)
            bonds = ("friends", "applied", "invited", "member")
            after |= {
                fact: False for fact, to in self.journal.facts.items() if fact[0] in bonds and name in fact and to
            }
            door = self.doors.signed
            if self.perform("signed unregister", after, lambda: door.unregister(session[1], name), door.succeeded):
                self.people.remove(name)

    def _ended(self, name: str, keep: tuple[str, Any] | None = None) -> Facts:
        """Return what holds when all sessions of an account but one have ended."""
        return {
            fact: fact[1:3] == keep
            for fact, alive in self.journal.facts.items()
            if fact[0] == "session" and fact[3] == name and alive
        }

    # --- friends and projects ----------------------------------------------------------------------------------------

    def annotator(self, name: str) -> Any:
        """Return a session of the annotation contract, or None."""
        session = self.session_of(name, "annotation") or self.log_in(name, "annotation")
        return session[1] if session else None

    def befriend(self) -> None:
        """Apply for friendship; accept or deny what was applied for."""
        one, other = self.somebody(), self.somebody()
        if not one or not other or one == other or self.journal.get(_friends(one, other)):
            return
        door = self.doors.annotation
        if not self.journal.get(("applied", one, other)):
            secret = self.annotator(one)
            if secret:
                self.perform(
                    "annotation friend_apply",
                    {("applied", one, other): True},
                    lambda: door.act(secret, "friend_apply", id=other),
                    door.succeeded,
                )
            return
        accept = self.random.random() < 0.7
        action = "friend_apply_accept" if accept else "friend_apply_deny"
        after: Facts = {("applied", one, other): False}
        if accept:
            after |= {("applied", other, one): False, _friends(one, other): True}
        secret = self.annotator(other)
        if secret:
            self.perform(f"annotation {action}", after, lambda: door.act(secret, action, id=one), door.succeeded)

    def work_together(self) -> None:
        """Invite a friend of the project's owner; accept or deny."""
        owner = f"{self.prefix}owner"
        friends = [
            name
            for name in self.people
            if name != owner and name not in self.frozen and self.journal.get(_friends(owner, name))
        ]
        friends = [name for name in friends if not self.journal.get(("member", self.project, name))]
        if not friends or owner in self.frozen:
            return
        friend, door = self.random.choice(friends), self.doors.annotation
        invited = ("invited", self.project, friend)
        if not self.journal.get(invited):
            secret = self.annotator(owner)
            fields = {"project_id": self.project, "friend_id": friend}
            if secret:
                self.perform(
                    "annotation project_invite",
                    {invited: True},
                    lambda: door.act(secret, "project_invite", **fields),
                    door.succeeded,
                )
            return
        accept = self.random.random() < 0.7
        action = "project_invite_accept" if accept else "project_invite_deny"
        after = {invited: False} | ({("member", self.project, friend): True} if accept else {})
        secret = self.annotator(friend)
        if secret:
            self.perform(
                f"annotation {action}",
                after,
                lambda: door.act(secret, action, project_id=self.project),
                door.succeeded,
            )

    # --- messages ----------------------------------------------------------------------------------------------------

    def request_code(self) -> None:
        """Have a code sent to the owner's mobile."""
        mobile = mobile_of(self.prefix)
        door = self.doors.indexy
        before = self.journal.counts["unknown"]
        if self.perform("indexy request code", {}, lambda: door.request_code(mobile), door.succeeded):
            self.journal.sent[mobile] += 1
        elif self.journal.counts["unknown"] > before:
            self.journal.perhaps_sent[mobile] += 1


def mobile_of(prefix: str) -> str:
    """Return the mobile of a writer's first account."""
    return f"138{int(prefix[1:-1]):08}"


def _friends(one: str, other: str) -> tuple[str, str, str]:
    return "friends", min(one, other), max(one, other)


def _grow(writer: Writer) -> None:
    if len(writer.people) < MOST_PEOPLE:
        writer.register()


ACTS: dict[Callable[[Writer], Any], int] = {
    _grow: 12,
    Writer.register_again: 2,
    lambda writer: writer.log_in(): 12,
    Writer.log_in_wrongly: 2,
    Writer.log_out: 8,
    Writer.exchange: 8,
    Writer.change_password: 12,
    Writer.change_password_wrongly: 2,
    Writer.change_name: 8,
    Writer.unregister: 4,
    Writer.befriend: 16,
    Writer.work_together: 12,
    Writer.request_code: 2,
}
"""What writers do, with how often."""
