"""The whole machine: all that can be done, and what holds at every step."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tests.state_machine.driver import STEMS
from tests.state_machine.recovery import Recovery
from tests.state_machine.reference import DAY, HOUR, MINUTE, Login, Person
from tests.state_machine.together import Together, as_annotation_shows


class FiveClients(Recovery, Together):
    """Everything that can be done through the five contracts, and by the operator."""

    @initialize(stems=st.permutations(STEMS), befriended=st.booleans())
    def begin(self, stems: list[str], befriended: bool) -> None:
        """Begin with three people, who are logged in, and a project; two may be friends, and both work on it."""
        password = "correct horse battery"
        for stem, name in zip(stems, ("alice", "张三", "Fin"), strict=False):
            self.register(stem, name, password)
            self.every_contract_lists_the_same_people()
        for stem, name in [*((stem, "alice") for stem in STEMS), ("annotation", "张三"), ("annotation", "Fin")]:
            self.log_in(stem, name, password)
        alice, zhang, _ = self.reference.people
        me = self.logins("indexy")[0]
        self.update_at_indexy(alice, me, {"mobile": "13345587001", "email": "a@example.com"})
        self.request_link("a@example.com")
        self.import_project(alice)
        if befriended:
            hers, his = (next(one for one in self.logins("annotation") if one.person is who) for who in (alice, zhang))
            self.befriend((hers, his), mutual=False)
            self.invite(hers, self.circles.projects[0], friend=None)
            self.answer_invitation(his, self.circles.projects[0], accept=True)

    @rule(days=st.integers(0, 60), seconds=st.sampled_from([MINUTE, 10 * MINUTE, 31 * MINUTE, 3 * HOUR, 4 * HOUR]))
    def wait(self, days: int, seconds: int) -> None:
        """Let time pass: mostly some hours, twice, so that what is used outlives its lifetime; at times weeks."""
        for _ in range(2):
            self.reference.now += {58: 12 * HOUR, 59: 14 * DAY, 60: 30 * DAY}.get(days, seconds)
            self.log_root_in()
            self.sessions_are_accepted_where_they_should_be_and_nowhere_else()

    @invariant()
    def every_contract_lists_the_same_people(self) -> None:
        self.world.steps += 1
        people = [self.root, *self.reference.people]
        page = self.indexy.list_accounts(self.root_indexy).json()["payload"]
        assert page["count"] == len(page["rows"])
        for row in page["rows"]:  # who is new is found by name, and gets an id that nobody ever had
            newcomer = next((one for one in people if one.id == 0 and one.username == row["username"]), None)
            if newcomer:
                assert row["id"] > self.largest_id, "an id is given twice"
                self.largest_id = newcomer.id = row["id"]
        people.sort(key=lambda person: person.id)
        assert page["rows"] == [_as_indexy_shows(person) for person in people]
        listed = self.sso.list_accounts(self.root_sso).json()["data"]
        assert [(row["id"], row["username"]) for row in listed] == [(one.id, one.username) for one in people]

    @invariant()
    def sessions_are_accepted_where_they_should_be_and_nowhere_else(self) -> None:
        for login in self.reference.logins:
            live = self.reference.present(login)
            self._use(login, login.stem, live)
            for stem in self.in_turn([stem for stem in STEMS if live and stem != login.stem]):
                self._use(login, stem, False)

    def _use(self, login: Login, stem: str, live: bool) -> None:
        """Present a session at a door; indexy's are asked for under the guarded policy only."""
        person, door = login.person, self.clients[stem]
        if stem == "indexy":
            if self.guarded:
                self.agree(self.indexy.find(person.id, login.secret), live, door)
            return
        answer = door.use(login.secret)
        self.agree(answer, live, door)
        shown = {
            "dbms": {"id": person.id, "email": person.email or "", "username": person.username},
            "sso": {"code": "OK", "message": "认证成功，用户已登录", "data": str(person.id)},
            "signed": {"userid": person.username},
            "annotation": {"ret": 0, **as_annotation_shows(person)},
        }
        assert not live or answer.json() == shown[stem]


def _as_indexy_shows(person: Person) -> dict[str, Any]:
    fields = ("id", "username", "nickName", "mobile", "email")
    values = (person.id, person.username, person.display, person.mobile, person.email)
    return {field: value for field, value in zip(fields, values, strict=True) if value is not None}
