"""数据库接口管理系统: plain JSON; failures as problem details (RFC 9457)."""

from typing import Any

from handlers import _messages
from handlers.exceptions import BadRequest, ProtocolError, lookup_by_mro
from models import confirmation
from models.account import Account
from models.errors import (
    AccountNotFound,
    EmailTaken,
    InvalidSession,
    NothingToConfirm,
    PasswordGuessable,
    PasswordIsUsername,
    PasswordTooShort,
    PermissionDenied,
    UsernameChanged,
    UsernameReserved,
    UsernameTaken,
    WrongConfirmation,
    WrongCredentials,
)
from models.secret import alphanumeric
from models.session import Session

CONTRACT = "dbms"

Body = dict[str, Any]


def find_session(token: str) -> dict[str, Any]:
    """Find the session of a token. Raises InvalidSession."""
    return {"sub": Session.find(CONTRACT, token, with_account=True)}


def log_in(username: str, password: str) -> Body:
    """Open a session for a username or e-mail address."""
    account = Account.authenticate(username, password, by_email=True)
    token = _new_token(account)
    Session.open(account, CONTRACT, token)
    return {"token": token, "id": account.id}


def log_out(user: Session) -> tuple[None, int]:
    """End the caller's session."""
    user.end()
    return None, 204


def check_login(username: str, token: str) -> Body:
    """Replace a live token of this user; say that there is none by an empty one."""
    try:
        account = Session.find(CONTRACT, token, with_account=True).account
        if not account.answers_to(username):
            raise InvalidSession
        fresh = _new_token(account)
        Session.exchange(CONTRACT, account, old=token, new=fresh)
    except InvalidSession:
        return {"token": ""}
    return {"token": fresh}


def register(body: Body) -> tuple[Body, int]:
    """Make an account."""
    account = Account.register(body["username"], body["password"], email=body.get("email"), discreet=True)
    return {"id": account.id}, 201


def update(id_or_username: str, body: Body, user: Session) -> Body:
    """Change what the body names; the caller's own session outlives a new password."""
    account = Account.find(id_or_username)
    username, password = body.get("username"), body.get("password")
    if password is not None:
        account.set_password(password, keep=user, username=username)
    changes = {"email": body["email"]} if "email" in body else {}
    if username is not None:
        changes["username"] = username
    account.change(discreet=not user.admin, **changes)
    return {"id": account.id}


def find(id_or_username: str) -> Body:
    """Show an account."""
    account = Account.find(id_or_username)
    return {"id": account.id, "email": account.email or "", "username": account.username}


def request_confirmation(id_or_username: str, body: Body) -> Body:
    """Have a code mailed that proves the user's e-mail address."""
    account = Account.find(id_or_username)
    confirmation.send(account, "email", body["email"], _messages.confirm_email)
    return {"id": account.id}


def confirm_email(id_or_username: str, body: Body) -> Body:
    """Prove the user's e-mail address; all sessions end, the caller's too."""
    account = Account.find(id_or_username)
    confirmation.redeem(account, "email", body["email"], body["code"])
    return {"id": account.id}


PROBLEMS: dict[type[Exception], tuple[int, str, str]] = {
    WrongCredentials: (401, "Wrong credentials", "No user has this name and password."),
    UsernameChanged: (401, "Username changed", "The username is {username} now."),
    WrongConfirmation: (400, "Wrong code", "The code is wrong, used or expired."),
    NothingToConfirm: (400, "Nothing to confirm", "This is not the user's e-mail address."),
    InvalidSession: (401, "Token not live", "The token is unknown, expired or logged out."),
    PermissionDenied: (403, "Not yours", "Only the user itself and admins may do this."),
    AccountNotFound: (404, "Unknown user", "No user has this id or username."),
    UsernameTaken: (409, "Username taken", "Another user has this username."),
    UsernameReserved: (409, "Username reserved", "This word belongs to a path."),
    EmailTaken: (409, "Email taken", "Another user has this e-mail address."),
    PasswordTooShort: (400, "Password too short", "A password has at least {shortest} characters."),
    PasswordGuessable: (400, "Password too guessable", "This password is among those that are guessed first."),
    PasswordIsUsername: (400, "Password is username", "The password must not be the username."),
}
"""Refusal -> status, title, detail. The problem type is made of the title."""


def fail(error: Exception) -> tuple[Body, int]:
    """Say a failure as problem details."""
    if isinstance(error, ProtocolError):
        status, kind, title, detail = error.status, "about:blank", error.title, error.detail
    else:
        status, title, words = lookup_by_mro(PROBLEMS, error)
        detail = words.format_map(vars(error))
        kind = "urn:problem-type:rollbook:" + title.lower().replace(" ", "-")
    problem = {"type": kind, "title": title, "status": status, "detail": detail}
    if isinstance(error, BadRequest) and error.fault and error.fault.field:
        problem["errors"] = [{"field": error.fault.field, "kind": error.fault.kind}]
    return problem, status


def _new_token(account: Account) -> str:
    return f"{account.id}-{alphanumeric(22)}"
