"""The signed contract, 用户: one path, five actions."""

from collections.abc import Callable
from typing import Any, NamedTuple

from handlers import exceptions
from handlers._chinese import tell_fault
from handlers._signature import INCOMPLETE, UNKNOWN_KEY
from models import errors, settings
from models.account import Account
from models.departure import delete_account
from models.identifiers import username_key
from models.secret import lowercase
from models.session import Session

CONTRACT = "signed"
TOKEN_LENGTH = 16
PROFILE = {"domain": "domain", "alias": "display_name", "property": "property"}
"""Parameter -> field of the account."""

Body = dict[str, Any]


class Words(NamedTuple):
    """One row of the table of failures in the spec."""

    status: int
    errno: int
    errstr: str


FAILURES: dict[type[Exception], Words] = {
    exceptions.BadRequest: Words(400, 400, "请求参数错误"),
    exceptions.Unauthorized: Words(403, 403, "签名验证失败"),
    exceptions.NotFound: Words(404, 404, "路径不存在"),
    exceptions.MethodNotAllowed: Words(405, 405, "不支持该HTTP方法"),
    exceptions.ContentTooLarge: Words(413, 413, "请求体过大"),
    exceptions.UriTooLong: Words(414, 414, "URL过长"),
    exceptions.UnsupportedMediaType: Words(415, 415, "不支持该媒体类型"),
    exceptions.TooManyRequests: Words(200, 429, "请求过于频繁"),
    exceptions.HeadersTooLarge: Words(431, 431, "请求头过多或过大"),
    exceptions.ServiceUnavailable: Words(503, 503, "服务暂不可用"),
    errors.UsernameTaken: Words(200, 1001, "用户已存在"),
    errors.WrongCredentials: Words(200, 1002, "用户名或密码错误"),
    errors.InvalidSession: Words(200, 1003, "token无效或已过期"),
    errors.AccountNotFound: Words(200, 1003, "token无效或已过期"),  # deleted while the request ran
    errors.PasswordTooShort: Words(200, 1005, "密码过短"),
    errors.PasswordGuessable: Words(200, 1006, "密码太容易被猜到"),
    errors.PasswordIsUsername: Words(200, 1007, "密码不能与userid相同"),
    errors.UsernameChanged: Words(200, 1008, "userid已更改"),
    errors.PermissionDenied: Words(403, 1004, "userid与token不符"),
    Exception: Words(500, 500, "服务器内部错误"),
}


def act(action: str, **given: str) -> Body:
    """Do what the action says."""
    return ACTIONS[action](**given)


def register(userid: str, password: str, **profile: str) -> Body:
    """Make an account and log it in."""
    account = Account.register(userid, password, **_fields(profile))
    return {"userid": account.username, "token": _open_session(account)}


def log_in(userid: str, password: str) -> Body:
    """Begin a session, and tell what is set."""
    account = Account.authenticate(userid, password)
    known = {name: getattr(account, field) for name, field in PROFILE.items()}
    known["datasvr"] = settings.current.datasvr
    answer = {"userid": account.username, "token": _open_session(account)}
    return answer | {name: value for name, value in known.items() if value}


def update(token: str, userid: str = "", password: str = "", **profile: str) -> Body:
    """Change the token's owner; what is left out stays."""
    session = _find_session(token, userid)
    account = session.account
    if password:
        account.set_password(password, keep=session)
    account.change(**_fields(profile))
    return {"userid": account.username}


def log_out(userid: str, token: str) -> Body:
    """End this session."""
    session = _find_session(token, userid)
    session.end()
    return {"userid": session.account.username}


def unregister(userid: str, token: str) -> Body:
    """Delete the account; its userid is free again."""
    account = _find_session(token, userid).account
    delete_account(account)
    return {"userid": account.username}


ACTIONS: dict[str, Callable[..., Body]] = {
    "register": register,
    "login": log_in,
    "update": update,
    "logout": log_out,
    "unregister": unregister,
}


def fail(error: Exception) -> tuple[Body, int]:
    """Say in this contract's words what went wrong."""
    if isinstance(error, errors.KeyNotFound):  # revoked while the request ran
        error = exceptions.Unauthorized(UNKNOWN_KEY)
    status, errno, errstr = exceptions.lookup_by_mro(FAILURES, error)
    if isinstance(error, errors.PasswordTooShort):
        errstr = f"{errstr}：至少{error.shortest}个字符"
    if isinstance(error, errors.UsernameChanged):
        errstr = f"{errstr}：{error.username}"
    if isinstance(error, exceptions.BadRequest) and error.fault:
        errstr = f"{errstr}：{tell_fault(error.fault)}"
    if isinstance(error, exceptions.Unauthorized):
        unsigned = error.detail == exceptions.Unauthorized.default_detail
        errstr = f"{errstr}：{INCOMPLETE if unsigned else error.detail}"
    return {"errno": errno, "errstr": errstr}, status


def _fields(profile: dict[str, str]) -> Body:
    """Return the account's fields; an empty one is unset."""
    return {PROFILE[name]: value or None for name, value in profile.items()}


def _open_session(account: Account) -> str:
    token = lowercase(TOKEN_LENGTH)
    Session.open(account, CONTRACT, token)
    return token


def _find_session(token: str, userid: str) -> Session:
    """Return the token's session. Raises InvalidSession; PermissionDenied if the userid is somebody else's."""
    session = Session.find(CONTRACT, token, with_account=True)
    if userid and username_key(userid) != session.account.username_key:
        raise errors.PermissionDenied
    return session
