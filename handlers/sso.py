"""sso单点登录系统v1: everything is `{code, message, data}`, and `code` is `OK` or a failure."""

from datetime import UTC, datetime
from typing import Any

from handlers import _sso_token
from handlers._chinese import tell
from handlers.exceptions import (
    Forbidden,
    InvalidToken,
    ProtocolError,
    TooManyRequests,
    Unauthorized,
    check_page_size,
    lookup_by_mro,
)
from models import settings
from models.account import Account
from models.errors import (
    AccountNotFound,
    AlreadyLoggedIn,
    InvalidSession,
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

CONTRACT = "sso"
FIRST_LOGIN = "default"
"""What a client sends as its token while it has none."""

Body = dict[str, Any]


def find_session(token: str) -> dict[str, Any]:
    """Find the session of a web token. Raises Unauthorized if empty, InvalidToken, InvalidSession."""
    return {"sub": Session.find(CONTRACT, _sso_token.read(token))}


def admit_to_login(token: str) -> dict[str, Any]:
    """Admit to login who is not logged in: `default`, or a token whose session is gone.

    Raises Unauthorized if empty, InvalidToken, AlreadyLoggedIn.
    """
    if token != FIRST_LOGIN:
        try:
            find_session(token)
        except InvalidSession:
            return {"sub": None, "known": _sso_token.known(token)}
        raise AlreadyLoggedIn
    return {"sub": None}


def log_in(body: Body) -> Body:
    """Open a session; a live token never comes this far."""
    account = Account.authenticate(body["username"], body["password"])
    secret = alphanumeric(22)
    Session.open(account, CONTRACT, secret)
    return _ok("登录成功", _sso_token.write(account, secret))


def log_out(user: Session) -> Body:
    """End the caller's session."""
    user.end()
    return _ok("用户退出成功")


def log_out_as_in_outline(user: Session) -> Body:
    """End the caller's session, at the path that the outline prints."""
    return log_out(user)


def check_login(user: Session) -> Body:
    """Tell the caller's id, as text."""
    return _ok("认证成功，用户已登录", str(user.account_id))


def register(body: Body) -> Body:
    """Make an account."""
    Account.register(body["username"], body["password"])
    return _ok("用户创建成功")


def update(body: Body, user: Session) -> Body:
    """Set the caller's password unless it is blank, and rename if the username differs."""
    account = user.account
    if body.get("password") is not None:
        account.set_password(body["password"], keep=user, username=body["username"])
    if body["username"] != account.username:
        account.change(username=body["username"])
    return _ok("用户更新成功")


def list_accounts(page: int, size: int | None) -> Body:
    """List accounts in the order of their ids; pages count from 0 and are as large as they may be, unless told."""
    size = size or settings.current.max_page_size
    check_page_size(size)
    accounts = Account.page([("id", "asc")], offset=page * size, limit=size)
    return _ok("查询用户列表成功", [_shown(account) for account in accounts])


def find(uid: int) -> Body:
    """Show an account."""
    return _ok("用户存在", _shown(Account.by_id(uid)))


FAILURES: dict[type[Exception], tuple[str, str]] = {
    AlreadyLoggedIn: ("token_err", "重复登录"),
    WrongCredentials: ("db_crud_err", "用户名或密码错误"),
    UsernameChanged: ("db_crud_err", "用户名已改为{username}"),
    AccountNotFound: ("db_crud_err", "用户不存在"),
    UsernameTaken: ("new_user_err", "用户已存在"),
    PasswordTooShort: ("request_param_err", "密码不能少于{shortest}个字符"),
    PasswordGuessable: ("request_param_err", "密码太容易被猜到"),
    PasswordIsUsername: ("request_param_err", "密码不能与用户名相同"),
    Unauthorized: ("token_err", "无token"),
    InvalidToken: ("token_err", "token解析失败"),
    InvalidSession: ("token_err", "token已失效"),
    Forbidden: ("token_err", "无权访问"),
    PermissionDenied: ("token_err", "无权访问"),
}
"""Failure that the contract itself tells, with 200 always, since its pages read it on 200 only -> code, message."""


def fail(error: Exception) -> tuple[Body, int]:
    """Say a failure in the envelope."""
    if isinstance(error, ProtocolError) and not isinstance(error, Unauthorized | Forbidden):
        status = 200 if isinstance(error, TooManyRequests) else error.status
        code, message = "request_param_err" if status < 500 else "server_err", tell(error)
    else:
        code, words = lookup_by_mro(FAILURES, error)
        status, message = 200, words.format_map(vars(error))
    return {"code": code, "message": message, "data": None}, status


def _ok(message: str, data: Any = None) -> Body:
    return {"code": "OK", "message": message, "data": data}


def _shown(account: Account) -> Body:
    return {
        "id": account.id,
        "username": account.username,
        "password": "",
        "createtime": _time(account.created),
        "updatetime": _time(account.updated),
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
