"""The directory as the contracts describe it, small enough to be believed: no store, no HTTP, no hashing.

Each verb returns whether the directory may do it, and has done it if so.
"""

import unicodedata
from dataclasses import dataclass, field

from tests.state_machine.circles import Circles

MINUTE, HOUR, DAY = 60, 3600, 86400
LIFETIME = {"dbms": 30 * DAY, "sso": 4 * HOUR, "signed": 30 * DAY, "annotation": 14 * DAY, "indexy": 12 * HOUR}
WEAK = {"12345678", "correct"}
"""Of the passwords in use those that the guarded policy refuses, one as common, one as short."""
RESERVED = {"other", "signin", "sigin", "register", "change_pasword", "change_password"}
TRIES = 5


def same(name: str) -> str:
    """Return what two names have in common that are the same name."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", seen.casefold())


@dataclass(eq=False)
class Sent:
    """A code or link on its way."""

    secret: str
    recipient: str
    expires: int
    tries: int = 0


@dataclass(eq=False)
class Person:
    """An account."""

    username: str
    password: str
    display: str | None = None
    email: str | None = None
    mobile: str | None = None
    id: int = 0
    disabled: bool = False
    code: Sent | None = None
    link: Sent | None = None

    def __repr__(self) -> str:
        return f"<{self.id} {self.username}>"


@dataclass(eq=False)
class Login:
    """A session of one contract, live or not."""

    person: Person
    stem: str
    secret: str
    expires: int
    ended: bool = False

    def __repr__(self) -> str:
        return f"<{self.person.username} at {self.stem}>"


@dataclass
class Directory:
    """Everything, the policy, and the time."""

    guarded: bool
    now: int
    people: list[Person] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    circles: Circles[Person] = field(default_factory=Circles)

    # --- accounts -----------------------------------------------------------------------------------------------------

    def named(self, name: str) -> Person | None:
        """Return who has this username."""
        return next((person for person in self.people if same(person.username) == same(name)), None)

    def reached_at(self, email: str) -> Person | None:
        """Return who has this e-mail address."""
        return next((person for person in self.people if person.email and same(person.email) == same(email)), None)

    def called_at(self, mobile: str) -> Person | None:
        """Return who has this mobile."""
        return next((person for person in self.people if person.mobile == mobile), None)

    def register(self, person: Person) -> bool:
        """Make an account."""
        made = self.admits(person.password) and self._are_free(None, person.username, person.email, person.mobile)
        if made:
            self.people.append(person)
        return made

    def admits(self, password: str) -> bool:
        """Tell whether a password may be set."""
        return not (self.guarded and password in WEAK)

    def authenticate(self, name: str, password: str, by_email: bool = False) -> Person | None:
        """Return whose name and password these are."""
        person = self.named(name) or (self.reached_at(name) if by_email else None)
        return person if person and person.password == password and not person.disabled else None

    def change(self, person: Person, **fields: str) -> bool:
        """Change username, email, mobile or display name."""
        if not self._are_free(person, *(fields.get(name) for name in ("username", "email", "mobile"))):
            return False
        for name, value in fields.items():
            setattr(person, name, value)
        return True

    def set_password(self, person: Person, new: str, keep: Login | None = None) -> bool:
        """Set a password: all sessions but one end, and what was sent to recover the account is worth nothing."""
        if not self.admits(new):
            return False
        person.password = new
        self._end_all(person, keep)
        return True

    def disable(self, person: Person) -> None:
        """Lock an account."""
        person.disabled = True
        self._end_all(person, None)

    def delete(self, person: Person) -> bool:
        """Delete an account."""
        self._end_all(person, None)
        self.people.remove(person)
        self.circles.leave(person)
        return True

    def _are_free(self, person: Person | None, username: str | None, email: str | None, mobile: str | None) -> bool:
        """Tell whether what must be unique is free for a person, or for a new one."""
        return (
            (not username or (same(username) not in RESERVED and self.named(username) in (None, person)))
            and (not email or self.reached_at(email) in (None, person))
            and (not mobile or self.called_at(mobile) in (None, person))
        )

    def _end_all(self, person: Person, keep: Login | None) -> None:
        for login in self.logins:
            if login.person is person and login is not keep:
                login.ended = True
        person.code = person.link = None

    # --- sessions -----------------------------------------------------------------------------------------------------

    def open(self, person: Person, stem: str, secret: str) -> Login:
        """Begin a session."""
        login = Login(person, stem, secret, self.now + LIFETIME[stem])
        self.logins.append(login)
        return login

    def is_live(self, login: Login) -> bool:
        """Tell whether a session is accepted."""
        return not login.ended and login.expires > self.now

    def present(self, login: Login) -> bool:
        """Tell whether a session is accepted, which lets it live on in the sso contract."""
        live = self.is_live(login)
        if live and login.stem == "sso" and self.now + LIFETIME["sso"] - login.expires >= MINUTE:
            login.expires = self.now + LIFETIME["sso"]
        return live

    # --- recovery -----------------------------------------------------------------------------------------------------

    def send_code(self, mobile: str, secret: str) -> bool:
        """Send a code; who has no account is not told so."""
        person = self.called_at(mobile)
        if person and not person.disabled:
            person.code = Sent(secret, mobile, self.now + 10 * MINUTE)
        return True

    def redeem_code(self, mobile: str, code: str, new: str) -> bool:
        """Set a password by a code; a wrong one counts."""
        person = self.called_at(mobile)
        sent = person.code if person else None
        if not person or not sent or not self._is_good(sent, mobile):
            return False
        if sent.secret != code:
            sent.tries += 1
            return False
        return self.set_password(person, new)

    def send_link(self, email: str, secret: str) -> bool:
        """Mail a link; the guarded policy does not say that nobody has this address."""
        person = self.reached_at(email)
        if not person or person.disabled:
            return self.guarded
        person.link = Sent(secret, same(email), self.now + 30 * MINUTE)
        return True

    def redeem_link(self, secret: str, new: str) -> bool:
        """Set a password by a link."""
        person = self.owner_of_link(secret)
        return person is not None and self.set_password(person, new)

    def owner_of_link(self, secret: str) -> Person | None:
        """Return whose link it is, if it is good."""
        for person in self.people:
            if person.link and person.link.secret == secret and self._is_good(person.link, same(person.email or "")):
                return person
        return None

    def _is_good(self, sent: Sent, reached: str) -> bool:
        return sent.expires > self.now and sent.tries < TRIES and sent.recipient == reached
