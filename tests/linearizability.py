"""What may come of things that are done at once: what comes of doing them one after another, in some order."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from itertools import permutations
from typing import Any, ClassVar, NamedTuple

from httpx2 import Response
from hypothesis import strategies as st

from models.account import Account
from models.db.database import transaction
from models.project import Project as StoredProject
from tests.concurrent_clients import Client, fresh
from tests.state_machine.circles import Circles, Project
from tests.state_machine.reference import Directory, Login, Person

PASSWORD = "correct horse"


class Act(NamedTuple):
    """Somebody does something, mostly with a word to it: another's name, a password."""

    who: int
    what: str
    word: int


def some(*kinds: str) -> Any:
    """Return acts of these kinds, each as likely as it is often named."""
    return st.builds(Act, st.integers(0, 3), st.sampled_from(kinds), st.integers(0, 2))


class World(ABC):
    """People of their own on a server, and the small reference that says what they may do."""

    acts: ClassVar[Any]
    reference: Any
    at_once: Sequence[Act] = ()

    @abstractmethod
    def send(self, client: Client, act: Act) -> Response:
        """Have a client do something."""

    @abstractmethod
    def succeeded(self, act: Act, answer: Response) -> bool:
        """Tell whether an answer says yes."""

    @abstractmethod
    def refer(self, reference: Any, act: Act, answer: Response) -> bool:
        """Tell whether the reference allows this, and do it there. answer: tells what only the server can know."""

    @abstractmethod
    def look(self) -> Any:
        """Return what everybody sees."""

    @abstractmethod
    def expect(self, reference: Any) -> Any:
        """Return what everybody should see."""

    def do(self, client: Client, act: Act) -> None:
        """Do something here and there; both must agree."""
        answer = self.send(client, act)
        assert self.refer(self.reference, act, answer) == self.succeeded(act, answer), (act, answer.text)

    def explains(self, acts: Sequence[Act], answers: Sequence[Response]) -> bool:
        """Tell whether there is an order in which the acts have these answers, and lead to what is seen."""
        seen = self.look()
        self.at_once = acts
        for order in permutations(zip(acts, answers, strict=True)):
            reference = deepcopy(self.reference)
            agreed = all(self.refer(reference, act, answer) == self.succeeded(act, answer) for act, answer in order)
            if agreed and self.expect(reference) == seen:
                return True
        return False


class Befriending(World):
    """Three people who befriend and invite each other; the first has a project. Any of them may leave."""

    acts = some(*("apply", "accept", "invite", "join") * 3, "deny", "invite all", "decline", "leave")
    ACTIONS: ClassVar = {
        "apply": "friend_apply",
        "accept": "friend_apply_accept",
        "deny": "friend_apply_deny",
        "invite": "project_invite",
        "invite all": "project_invite",
        "join": "project_invite_accept",
        "decline": "project_invite_deny",
    }
    LISTS: ClassVar = {"friends": "friends", "friends_applications": "applications", "project_invites": "invites"}
    """Last words of an action -> name of the list in its answer."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.names = fresh("alice", "bob", "carol")
        self.sessions = [client.annotation.credential(client.annotation.register(n, PASSWORD)) for n in self.names]
        with transaction():
            accounts = [Account.by_username(name) for name in self.names]
            self.project = StoredProject.import_graph("三国", accounts[0], []).id
        self.ids = [account.id for account in accounts]
        owner = self.names[0]
        self.reference: Circles[str] = Circles(projects=[Project(self.project, "三国", owner, [owner])])

    def send(self, client: Client, act: Act) -> Response:
        who = act.who % 3
        if act.what == "leave":
            return client.indexy.delete(self.ids[who])
        fields = {"project_id": str(self.project)}
        if act.what in ("apply", "accept", "deny"):
            fields = {"id": self.names[act.word]}
        elif act.what == "invite":
            fields["friend_id"] = self.names[act.word]
        return client.annotation.act(self.sessions[who], self.ACTIONS[act.what], **fields)

    def succeeded(self, act: Act, answer: Response) -> bool:
        return (self.client.indexy if act.what == "leave" else self.client.annotation).succeeded(answer)

    def refer(self, reference: Any, act: Act, answer: Response) -> bool:
        me, whom, project = self.names[act.who % 3], self.names[act.word], reference.projects[0]
        if me in reference.gone:
            return False
        other = None if whom in reference.gone else whom
        match act.what:
            case "apply":
                return bool(reference.apply(me, other))
            case "accept" | "deny":
                return bool(reference.answer(me, other, act.what == "accept"))
            case "invite" | "invite all":
                return bool(reference.invite(me, project, other, act.what == "invite all"))
            case "join" | "decline":
                return bool(reference.answer_invitation(me, project, act.what == "join"))
        reference.leave(me)
        return True

    def look(self) -> Any:
        seen = []
        for session in self.sessions:
            read = self.client.annotation.read
            export = read(session, "get_entities_json", id=str(self.project)).json()
            seen.append(([read(session, f"get_{name}").json() for name in self.LISTS], export == []))
        return seen

    def expect(self, reference: Any) -> Any:
        return [self._expect_of(reference, me) for me in self.names]

    def _expect_of(self, reference: Any, me: str) -> Any:
        if me in reference.gone:
            return [{"ret": -1, "msg": "用户未登录"}] * 3, False
        invites = [
            _shown(inviter) | {"project_id": str(self.project), "project_name": "三国"}
            for _, inviter, invitee in reference.invitations
            if invitee == me
        ]
        friends, applicants = reference.friends_of(me), reference.applicants_to(me)
        lists = zip(self.LISTS.values(), ([*map(_shown, friends)], [*map(_shown, applicants)], invites), strict=True)
        told = [{"ret": 0, "sum": len(rows), name: rows} for name, rows in lists]
        told[1]["friends"] = told[1]["applications"]  # as existing clients read them
        return told, me in reference.projects[0].members


def _shown(name: str) -> dict[str, str]:
    return {"user_id": name, "user_name": name}


class Entering(World):
    """Two people, each logged in twice, and a third name; they log in, change name and password, leave."""

    acts = some(*("log in", "change password", "rename") * 3, "register", "log out", "leave", "change job")
    STEMS = ("dbms", "sso", "signed", "annotation")
    PASSWORDS = (PASSWORD, "battery", "staple")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.names = fresh("alice", "bob", "carol")
        self.reference: Directory = Directory(guarded=False, now=0)
        self.tokens, self.ids = [], []
        for name in self.names[:2]:
            person = Person(name, PASSWORD, id=client.dbms.register(name, PASSWORD).json()["id"])
            self.reference.register(person)
            self.ids.append(person.id)
            self.tokens += [client.dbms.enter(name, PASSWORD) for _ in range(2)]
            for token in self.tokens[-2:]:
                self.reference.open(person, "dbms", token)

    def send(self, client: Client, act: Act) -> Response:
        name, token, id = self.names[act.who % 3], self.tokens[act.who], self.ids[act.who // 2]
        match act.what:
            case "log in":
                return self._door(client, act).log_in(name, self.PASSWORDS[act.word])
            case "register":
                return client.sso.register(name, self.PASSWORDS[act.word])
            case "change password":
                return client.dbms.update(token, id, password=self.PASSWORDS[act.word])
            case "rename":
                return client.dbms.update(token, id, username=self.names[act.word])
            case "log out":
                return client.dbms.log_out(token)
            case "change job":
                return client.indexy.update(id, job="writer")
        return client.indexy.delete(id)

    def _door(self, client: Client, act: Act) -> Any:
        clients = {"register": "sso", "change job": "indexy", "leave": "indexy", "log in": self.STEMS[act.who]}
        return client.by(clients.get(act.what, "dbms"))

    def succeeded(self, act: Act, answer: Response) -> bool:
        return bool(self._door(self.client, act).succeeded(answer))

    def refer(self, reference: Any, act: Act, answer: Response) -> bool:
        name, password = self.names[act.who % 3], self.PASSWORDS[act.word]
        if act.what == "register":
            return bool(reference.register(Person(name, password)))
        if act.what == "log in":
            found = reference.authenticate(name, password)
            if found is None or (self._is_overtaken(found) and not self.succeeded(act, answer)):
                return False
            reference.open(found, self.STEMS[act.who], self._door(self.client, act).credential(answer))
            return True
        id = self.ids[act.who // 2]
        person = next((one for one in reference.people if one.id == id), None)
        if act.what in ("change job", "leave"):
            return person is not None and (act.what == "change job" or bool(reference.delete(person)))
        login: Login = next(one for one in reference.logins if one.secret == self.tokens[act.who])
        if not reference.is_live(login):
            return False
        if act.what == "rename":
            return bool(reference.change(login.person, username=self.names[act.word]))
        if act.what == "change password":
            return bool(reference.set_password(login.person, password, keep=login))
        login.ended = True
        return True

    def _is_overtaken(self, person: Person) -> bool:
        """Tell whether somebody's password is changed meanwhile, perhaps to the same: a login may then be refused."""
        return any(act.what == "change password" and self.ids[act.who // 2] == person.id for act in self.at_once)

    def look(self) -> Any:
        """Return whom each name and password lets in."""
        lets_in = {}
        for name in self.names:
            for password in self.PASSWORDS:
                id = self.client.dbms.log_in(name, password).json().get("id", 0)
                lets_in[name, password] = id if id in (0, *self.ids) else "a new one"
        return lets_in

    def expect(self, reference: Any) -> Any:
        lets_in = {}
        for name in self.names:
            for password in self.PASSWORDS:
                person = reference.authenticate(name, password)
                lets_in[name, password] = (person.id or "a new one") if person else 0
        live = {login.secret: reference.is_live(login) for login in reference.logins}
        for login in reference.logins:
            if self.client.by(login.stem).is_live(login.secret) != live[login.secret]:
                return "a session is not as it should be"
        return lets_in
