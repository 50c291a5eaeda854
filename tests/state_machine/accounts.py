"""Registering, logging in and out, changing names and passwords, leaving; and meddling with other people's accounts."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from models.account import Account
from models.db.database import transaction
from tests.state_machine.driver import (
    MOST_LOGINS,
    MOST_PEOPLE,
    STEMS,
    Driver,
    a_login,
    choose,
    displays,
    emails,
    mobiles,
    names,
    passwords,
    somebody,
)
from tests.state_machine.reference import Login, Person, same

WITH_LOGOUT = ("dbms", "sso", "signed", "annotation")
FEWEST_PEOPLE = 2
profiles = st.fixed_dictionaries(
    {},
    optional={"username": names, "email": emails, "mobile": mobiles, "nickName": displays, "password": passwords},
).filter(bool)
somebody_at_indexy = choose(lambda it: [None, *it.logins("indexy")])


class Accounts(Driver):
    """What people do with accounts."""

    # --- coming -------------------------------------------------------------------------------------------------------

    @rule(stem=st.sampled_from(STEMS), name=names, password=passwords)
    def register(self, stem: str, name: str, password: str) -> None:
        if len(self.reference.people) >= MOST_PEOPLE and self.reference.named(name) is None:
            return
        door = self.clients[stem]
        person = Person(name, password)
        person.email = self.dbms.email_of(name) if stem == "dbms" else None
        person.display = name if stem in ("annotation", "indexy") else None
        registered = self.reference.register(person)
        answer = door.register(name, password)
        self.agree(answer, registered, door)
        if registered and stem in ("signed", "annotation"):
            self.note(person, door, answer)

    @precondition(lambda self: len(self.reference.people) < MOST_PEOPLE)
    @rule(name=names, password=passwords, email=emails, mobile=mobiles, root=st.booleans())
    def create(self, name: str, password: str, email: str, mobile: str, root: bool) -> None:
        person = Person(name, password, email=email, mobile=mobile)
        created = (root or not self.guarded) and self.reference.register(person)
        fields = {"username": name, "password": password, "email": email, "mobile": mobile}
        self.agree(self.indexy.create(self.root_indexy if root else None, **fields), created, self.indexy)

    @precondition(lambda self: len(self.logins(live=True)) < MOST_LOGINS)
    @rule(stem=st.sampled_from(STEMS), name=names | emails, password=passwords)
    def log_in(self, stem: str, name: str, password: str) -> None:
        """Log in by some name and some password; an e-mail address is a name in the dbms contract alone."""
        door = self.clients[stem]
        person = self.reference.authenticate(name, password, by_email=stem == "dbms")
        answer = door.log_in(name, password)
        self.agree(answer, person is not None, door)
        if person:
            self.note(person, door, answer)
            if stem == "signed":
                assert answer.json().get("alias") == person.display

    @precondition(lambda self: len(self.logins(live=True)) < MOST_LOGINS)
    @rule(stem=st.sampled_from([*STEMS, "annotation"]), person=somebody())
    def log_in_rightly(self, stem: str, person: Person) -> None:
        self.log_in(stem, person.username, person.password)

    @precondition(lambda self: self.logins("sso", "annotation"))
    @rule(held=choose(lambda it: it.logins("sso", "annotation")), person=somebody())
    def log_in_while_logged_in(self, held: Login, person: Person) -> None:
        """Log in by a credential that one has already, which is refused while that one is good."""
        known = None if self.reference.present(held) else self.reference.authenticate(person.username, person.password)
        door = {"sso": self.sso, "annotation": self.annotation}[held.stem]
        answer = door.log_in(person.username, person.password, held.secret)
        self.agree(answer, known is not None, door)
        if known:
            self.note(known, door, answer)

    # --- sessions -----------------------------------------------------------------------------------------------------

    @rule(login=a_login(*WITH_LOGOUT))
    def log_out(self, login: Login) -> None:
        door = self.clients[login.stem]
        self.agree(door.log_out(login.secret), self.reference.present(login), door)
        login.ended = True

    @rule(login=a_login("dbms"), name=st.none() | names)
    def exchange(self, login: Login, name: str | None) -> None:
        """Have a token replaced by a new one."""
        person, asked = login.person, name or login.person.username
        good = same(asked) in (same(person.username), same(person.email or "\0")) and self.reference.is_live(login)
        answer = self.dbms.check_login(asked, login.secret)
        assert bool(self.dbms.credential(answer)) == good
        if good:
            login.ended = True
            self.note(person, self.dbms, answer)

    # --- passwords and names ------------------------------------------------------------------------------------------

    @rule(login=a_login(*WITH_LOGOUT), old=st.none() | passwords, new=passwords)
    def change_password(self, login: Login, old: str | None, new: str) -> None:
        door, person = self.clients[login.stem], login.person
        old = old or person.password
        live = self.reference.present(login)
        right = login.stem != "annotation" or (old == person.password and old != new)
        answer = door.change_password(login.secret, person.username, old, new)
        self.agree(answer, live and right and self.reference.set_password(person, new, keep=login), door)

    @rule(person=somebody(), by=somebody_at_indexy, old=st.none() | passwords, new=passwords)
    def change_password_at_indexy(self, person: Person, by: Login | None, old: str | None, new: str) -> None:
        old = old or person.password
        changed = old == person.password and self.reference.set_password(person, new, self._live(by))
        answer = self.indexy.change_password_of(person.id, old, new, by and by.secret)
        self.agree(answer, changed, self.indexy)

    @rule(login=a_login("dbms", "sso"), name=names)
    def rename(self, login: Login, name: str) -> None:
        person = login.person
        renamed = self.reference.present(login) and self.reference.change(person, username=name)
        if login.stem == "sso":  # sets the password too
            self.agree(self.sso.update(login.secret, name, person.password), renamed, self.sso)
            if renamed:
                self.reference.set_password(person, person.password, keep=login)
        else:
            self.agree(self.dbms.update(login.secret, person.id, username=name), renamed, self.dbms)

    @rule(login=a_login("signed", "annotation"), display=displays)
    def show_name(self, login: Login, display: str) -> None:
        shown = self.reference.present(login) and self.reference.change(login.person, display=display)
        if login.stem == "signed":
            self.agree(self.signed.act("update", token=login.secret, alias=display), shown, self.signed)
        else:
            self.agree(self.annotation.change_name(login.secret, display), shown, self.annotation)

    @rule(login=a_login("dbms"), email=emails)
    def set_email(self, login: Login, email: str) -> None:
        changed = self.reference.present(login) and self.reference.change(login.person, email=email)
        self.agree(self.dbms.update(login.secret, login.person.id, email=email), changed, self.dbms)

    @rule(person=somebody(), by=somebody_at_indexy, fields=profiles)
    def update_at_indexy(self, person: Person, by: Login | None, fields: dict[str, str]) -> None:
        changes = {"display" if name == "nickName" else name: value for name, value in fields.items()}
        password = changes.pop("password", None)
        mine = self._live(by) is not None and by is not None and by.person is person
        admitted = (mine or not self.guarded) and (not password or self.reference.admits(password))
        changed = admitted and self.reference.change(person, **changes)
        if changed and password:
            self.reference.set_password(person, password, self._live(by))
        self.agree(self.indexy.update(person.id, by and by.secret, **fields), changed, self.indexy)

    # --- other people's accounts --------------------------------------------------------------------------------------

    @rule(other=somebody(), password=passwords)
    def meddle(self, other: Person, password: str) -> None:
        """Have everybody who is logged in try to read, change and delete somebody else."""
        for login in self.logins(live=True):
            if login.person is other:
                continue
            for door, answer in self._attempts(login, other, password):
                self.agree(answer, False, door)

    def _attempts(self, login: Login, other: Person, password: str) -> Any:
        if login.stem == "dbms":
            yield self.dbms, self.dbms.update(login.secret, other.id, password=password)
        elif login.stem == "signed":
            yield self.signed, self.signed.change_password(login.secret, other.username, "", password)
            yield self.signed, self.signed.unregister(login.secret, other.username)
        elif login.stem == "indexy" and self.guarded:
            yield self.indexy, self.indexy.find(other.id, login.secret)
            yield self.indexy, self.indexy.update(other.id, login.secret, password=password)
            yield self.indexy, self.indexy.delete(other.id, login.secret)

    @rule(login=a_login("dbms"), asked=names.filter(lambda name: name != "other"))
    def look_up(self, login: Login, asked: str) -> None:
        """Read an account by id or username; the word of a path is another contract's."""
        everybody = [self.root, *self.reference.people]
        by_id = next((one for one in everybody if asked.isdigit() and one.id == int(asked)), None)
        found = by_id or self.reference.named(asked)
        seen = self.reference.is_live(login) and found is not None and (not self.guarded or found is login.person)
        answer = self.dbms.find(login.secret, asked)
        self.agree(answer, seen, self.dbms)
        if seen and found:
            assert answer.json() == {"id": found.id, "email": found.email or "", "username": found.username}

    # --- leaving ------------------------------------------------------------------------------------------------------

    @rule(person=somebody(), stem=st.sampled_from(STEMS))
    def disable(self, person: Person, stem: str) -> None:
        """Lock an account, and see that it is."""
        with transaction():
            Account.by_id(person.id).disable()
        self.reference.disable(person)
        self.log_in(stem, person.username, person.password)

    @precondition(lambda self: any(person.disabled for person in self.reference.people))
    @rule(person=choose(lambda it: [person for person in it.reference.people if person.disabled]))
    def enable(self, person: Person) -> None:
        with transaction():
            Account.by_id(person.id).enable()
        person.disabled = False

    @precondition(lambda self: len(self.reference.people) > FEWEST_PEOPLE)
    @rule(login=a_login("signed"))
    def unregister(self, login: Login) -> None:
        left = self.reference.present(login)
        self.agree(self.signed.unregister(login.secret, login.person.username), left, self.signed)
        if left:
            self.reference.delete(login.person)

    @precondition(lambda self: len(self.reference.people) > FEWEST_PEOPLE)
    @rule(person=somebody(), root=st.booleans())
    def delete(self, person: Person, root: bool) -> None:
        cookie = self.root_indexy if root else None
        deleted = (root or not self.guarded) and self.reference.delete(person)
        self.agree(self.indexy.delete(person.id, cookie), deleted, self.indexy)
        if deleted:
            self.agree(self.indexy.delete(person.id, cookie), False, self.indexy)

    def _live(self, login: Login | None) -> Login | None:
        """Return a session if it is accepted, or none."""
        return login if login and self.reference.is_live(login) else None
