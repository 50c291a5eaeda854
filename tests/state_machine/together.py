"""Friends and projects, which only the annotation contract has, and what an annotator sees of them."""

import itertools
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from models.account import Account
from models.db.database import transaction
from models.project import Project as StoredProject
from tests.state_machine.circles import Project
from tests.state_machine.driver import Driver, a_login, choose, names, somebody
from tests.state_machine.reference import Login, Person

ENTITY = "刘备"
MOST_PROJECTS = 3
a_project = choose(lambda it: it.circles.projects)


def _asked(it: Any) -> list[Login]:
    """Return the annotators whom somebody asked for friendship."""
    return [login for login in it.logins("annotation", live=True) if it.circles.applicants_to(login.person)]


def _invited(it: Any) -> list[Login]:
    """Return the annotators who are invited to a project."""
    invited = [invitee for _, _, invitee in it.circles.invitations]
    return [login for login in it.logins("annotation", live=True) if login.person in invited]


class Together(Driver):
    """What annotators do with each other."""

    @property
    def circles(self) -> Any:
        """Return friends and projects as they should be."""
        return self.reference.circles

    # --- friends ------------------------------------------------------------------------------------------------------

    @rule(login=a_login("annotation"), name=names | somebody().map(lambda person: person.username))
    def apply(self, login: Login, name: str) -> None:
        applied = self.reference.present(login) and self.circles.apply(login.person, self.reference.named(name))
        self.agree(self.annotation.act(login.secret, "friend_apply", id=name), applied, self.annotation)

    @rule(login=choose(lambda it: it.logins("annotation") or [it.invent("annotation")], _asked), accept=st.booleans())
    def answer(self, login: Login, accept: bool) -> None:
        waiting = self.circles.applicants_to(login.person)
        name = waiting[0].username if waiting else "alice"
        live = self.reference.present(login)
        answered = live and self.circles.answer(login.person, self.reference.named(name), accept)
        action = "friend_apply_accept" if accept else "friend_apply_deny"
        self.agree(self.annotation.act(login.secret, action, id=name), answered, self.annotation)

    def strangers(self) -> list[tuple[Login, Login]]:
        """Return the pairs of annotators who are no friends."""
        pairs = itertools.permutations(self.logins("annotation", live=True), 2)
        known = self.circles.friendships
        return [(a, b) for a, b in pairs if a.person is not b.person and (a.person, b.person) not in known]

    @precondition(lambda self: self.strangers())
    @rule(pair=choose(lambda it: it.strangers()), mutual=st.booleans())
    def befriend(self, pair: tuple[Login, Login], mutual: bool) -> None:
        """Have one apply, or both, and one accept."""
        one, other = pair
        if mutual:
            self.apply(other, one.person.username)
        self.apply(one, other.person.username)
        accepted = self.circles.answer(other.person, one.person, accept=True)
        answer = self.annotation.act(other.secret, "friend_apply_accept", id=one.person.username)
        self.agree(answer, accepted, self.annotation)

    # --- projects -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.circles.projects) < MOST_PROJECTS)
    @rule(owner=somebody())
    def import_project(self, owner: Person) -> None:
        name = f"三国 {len(self.circles.projects)}"
        with transaction():
            made = StoredProject.import_graph(name, Account.by_id(owner.id), [{"id": 1, "name": ENTITY}])
        assert made.id not in {project.id for project in self.circles.projects}, "an id is given twice"
        self.circles.projects.append(Project(made.id, name, owner, [owner]))

    @precondition(lambda self: self.circles.projects)
    @rule(login=a_login("annotation"), project=a_project, friend=st.none() | somebody())
    def invite(self, login: Login, project: Project[Person], friend: Person | None) -> None:
        """Invite somebody, or all friends."""
        live = self.reference.present(login)
        invited = live and self.circles.invite(login.person, project, friend, everybody=friend is None)
        fields = {"project_id": str(project.id)} | ({"friend_id": friend.username} if friend else {})
        self.agree(self.annotation.act(login.secret, "project_invite", **fields), invited, self.annotation)

    @precondition(lambda self: self.circles.projects)
    @rule(
        login=choose(lambda it: it.logins("annotation") or [it.invent("annotation")], _invited),
        project=a_project,
        accept=st.booleans(),
    )
    def answer_invitation(self, login: Login, project: Project[Person], accept: bool) -> None:
        pending = [asked for asked, _, invitee in self.circles.invitations if invitee is login.person]
        project = pending[0] if pending else project
        live = self.reference.present(login)
        answered = live and self.circles.answer_invitation(login.person, project, accept)
        action = "project_invite_accept" if accept else "project_invite_deny"
        self.agree(self.annotation.act(login.secret, action, project_id=str(project.id)), answered, self.annotation)

    # --- what holds at every step -------------------------------------------------------------------------------------

    @invariant()
    def one_of_the_annotators_sees_friends_and_projects(self) -> None:
        for login in self.in_turn(self.logins("annotation", live=True)):
            for action, (name, entries) in self._lists(login.person).items():
                answer = self.annotation.read(login.secret, action).json()
                also = {"friends": entries} if name == "applications" else {}  # as existing clients read them
                assert answer == {"ret": 0, "sum": len(entries), name: entries} | also
            for project in self.circles.projects:
                export = self.annotation.read(login.secret, "get_entities_json", id=str(project.id)).json()
                if login.person in project.members:
                    assert [entity["name"] for entity in export] == [ENTITY]
                else:
                    assert export["ret"] == -1

    def _lists(self, me: Person) -> dict[str, tuple[str, list[dict[str, str]]]]:
        """Return each list's action, name and entries."""
        invites = [
            as_annotation_shows(inviter) | {"project_id": str(project.id), "project_name": project.name}
            for project, inviter, invitee in self.circles.invitations
            if invitee is me
        ]
        friends, applicants = self.circles.friends_of(me), self.circles.applicants_to(me)
        return {
            "get_friends": ("friends", list(map(as_annotation_shows, friends))),
            "get_friends_applications": ("applications", list(map(as_annotation_shows, applicants))),
            "get_project_invites": ("invites", invites),
        }


def as_annotation_shows(person: Person) -> dict[str, str]:
    """Return what others see of somebody."""
    return {"user_name": person.display or person.username, "user_id": person.username}
