"""The user part of RealWorld's Conduit: bodies wrapped in one member, failures as `{errors: {body: [...]}}`."""

from typing import Any

from handlers.exceptions import BadRequest, ProtocolError, lookup_by_mro
from models.account import Account
from models.account_field import AccountField
from models.db.database import database
from models.errors import (
    AccountNotFound,
    EmailTaken,
    InvalidSession,
    Oneself,
    PasswordGuessable,
    PasswordIsUsername,
    PasswordTooShort,
    PermissionDenied,
    UsernameChanged,
    UsernameTaken,
    WrongCredentials,
)
from models.secret import alphanumeric
from models.session import Session

CONTRACT = "conduit"
TOKEN_LENGTH = 40
MOST_FOLLOWED = 200

Body = dict[str, Any]


def find_session(token: str) -> dict[str, Any]:
    """Find the session of a token. Raises InvalidSession."""
    return {"sub": Session.find(CONTRACT, token)}


def log_in(body: Body) -> Body:
    """Open a session."""
    account = Account.authenticate(body["user"]["email"], body["user"]["password"], by_email=True)
    return _user(account, _open_session(account))


def register(body: Body) -> tuple[Body, int]:
    """Make an account and log it in."""
    given = body["user"]
    account = Account.register(given["username"], given["password"], email=given["email"], discreet=True)
    return _user(account, _open_session(account)), 201


def read_user(user: Session, credential: str) -> Body:
    """Tell who the caller is."""
    return _user(user.account, credential)


def update_user(body: Body, user: Session, credential: str) -> Body:
    """Change what the body names; the caller's own session outlives a new password."""
    account, given = user.account, body["user"]
    if "password" in given:
        account.set_password(given["password"], keep=user, username=given.get("username"))
    account.change(discreet=True, **{name: given[name] for name in ("username", "email") if name in given})
    AccountField.put(account, CONTRACT, {name: given[name] or None for name in ("bio", "image") if name in given})
    return _user(account, credential)


def find_profile(username: str, user: Session | None) -> Body:
    """Show somebody."""
    return _profile(Account.by_username(username), user)


def follow(username: str, user: Session) -> Body:
    """Follow somebody; twice is the same as once. Nobody follows themselves."""
    other = Account.by_username(username)
    if other == user.account:
        raise Oneself
    followed = _followed_by(user.account)
    if len(followed | {other.id}) > MOST_FOLLOWED:
        raise BadRequest(f"nobody follows more than {MOST_FOLLOWED}")
    _follow(user.account, followed | {other.id})
    return _profile(other, user)


def unfollow(username: str, user: Session) -> Body:
    """Follow somebody no longer."""
    other = Account.by_username(username)
    _follow(user.account, _followed_by(user.account) - {other.id})
    return _profile(other, user)


FAILURES: dict[type[Exception], tuple[int, str]] = {
    BadRequest: (422, ""),
    WrongCredentials: (401, "email or password is invalid"),
    InvalidSession: (401, "token is invalid"),
    UsernameChanged: (401, "username is {username} now"),
    PermissionDenied: (403, "this is somebody else's"),
    AccountNotFound: (404, "there is no such profile"),
    UsernameTaken: (422, "username has already been taken"),
    EmailTaken: (422, "email has already been taken"),
    PasswordTooShort: (422, "password is too short (minimum is {shortest} characters)"),
    PasswordGuessable: (422, "password is too easy to guess"),
    PasswordIsUsername: (422, "password is the username"),
    Oneself: (422, "nobody follows themselves"),
}
"""Failure -> status, text; every other failure of the protocol speaks for itself."""


def fail(error: Exception) -> tuple[Body, int]:
    """Say a failure in the envelope."""
    if isinstance(error, ProtocolError):
        status, text = 422 if error.status == 400 else error.status, error.detail
    else:
        status, words = lookup_by_mro(FAILURES, error)
        text = words.format_map(vars(error))
    return {"errors": {"body": [text]}}, status


def _open_session(account: Account) -> str:
    token = alphanumeric(TOKEN_LENGTH)
    Session.open(account, CONTRACT, token)
    return token


def _user(account: Account, token: str) -> Body:
    kept = AccountField.of(account, CONTRACT)
    shown = {"email": account.email or "", "token": token, "username": account.username}
    return {"user": shown | {"bio": kept.get("bio"), "image": kept.get("image")}}


def _profile(account: Account, user: Session | None) -> Body:
    kept = AccountField.of(account, CONTRACT)
    follows = (
        user is not None and str(account.id) in AccountField.of(user.account, CONTRACT).get("following", "").split()
    )
    shown = {"username": account.username, "bio": kept.get("bio"), "image": kept.get("image"), "following": follows}
    return {"profile": shown}


def _followed_by(account: Account) -> set[int]:
    """Return the ids of whom an account follows, which nobody changes meanwhile."""
    database.begin_immediate()
    database.lock(account)
    return set(map(int, AccountField.of(account, CONTRACT).get("following", "").split()))


def _follow(account: Account, ids: set[int]) -> None:
    AccountField.put(account, CONTRACT, {"following": " ".join(map(str, sorted(ids))) or None})
