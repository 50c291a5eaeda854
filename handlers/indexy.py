"""智能论文系统用户管理API文档: `{success, payload}`; a failure has its text as `message`, a 400 as `payload` too."""

import re
import unicodedata
from typing import Any

from handlers import _messages, _reset_page
from handlers._chinese import tell
from handlers._cookies import set_cookie
from handlers.exceptions import ProtocolError, check_page_size, lookup_by_mro
from models import confirmation, settings
from models.account import Account
from models.departure import delete_account
from models.errors import (
    AccountNotFound,
    DirectoryError,
    EmailTaken,
    EmailUnknown,
    InvalidSession,
    MobileTaken,
    NothingToConfirm,
    PasswordGuessable,
    PasswordIsUsername,
    PasswordRefused,
    PasswordTooShort,
    PermissionDenied,
    UsernameChanged,
    UsernameTaken,
    WrongCode,
    WrongConfirmation,
    WrongCredentials,
    WrongLink,
    WrongPassword,
)
from models.recovery import CODE_LENGTH, RecoveryCode
from models.secret import alphanumeric
from models.session import Session

CONTRACT = "indexy"
COOKIE = "indexy_session"

FIELDS = {
    "id": "id",
    "username": "username",
    "photo": "photo",
    "nickName": "display_name",
    "job": "job",
    "school": "school",
    "mobile": "mobile",
    "email": "email",
    "introduct": "introduct",
}
"""Field of the user object -> column of the account."""
COLUMNS = {field.lower(): column for field, column in FIELDS.items()}
SETTABLE = {field: column for field, column in FIELDS.items() if field != "id"} | {"password": "password"}
NEEDED = ("username", "password")
"""What is never taken away."""

Body = dict[str, Any]
Page = tuple[str, int, dict[str, str]]


def find_session(cookie: str) -> dict[str, Any]:
    """Find the session of a cookie. Raises InvalidSession; the contract then takes the caller as anonymous."""
    return {"sub": Session.find(CONTRACT, cookie, with_account=True)}


def list_accounts(page: int, size: int, order: list[str]) -> Body:
    """List accounts, page by page; pages count from 0."""
    check_page_size(size)
    terms = [_order(term) for term in order]
    if all(column != "id" for column, _ in terms):
        terms.append(("id", "desc"))
    accounts = Account.page(terms, offset=page * size, limit=size)
    return _succeed({"count": Account.count(), "rows": [_shown(account) for account in accounts]})


def create(body: Body) -> Body:
    """Make an account for somebody."""
    Account.register(**_columns(body))
    return _succeed(True)


def find(id: int) -> Body:
    """Show an account."""
    return _succeed(_shown(Account.by_id(id)))


def update(id: int, body: Body, user: Session | None) -> Body:
    """Change what is given; a password is reset, and ends the account's other sessions."""
    account = Account.by_id(id)
    columns = {name: value for name, value in _columns(body).items() if value is not None or name not in NEEDED}
    password = columns.pop("password", None)
    if password is not None:
        account.set_password(password, keep=user, username=columns.get("username"))
    account.change(discreet=not (user and user.admin), **columns)
    return _succeed(1)


def delete(id: int) -> Body:
    """Delete an account."""
    delete_account(Account.by_id(id))
    return _succeed(1)


def register(body: Body) -> Body:
    """Make an account for oneself; a username that is a mobile number is bound, so that it can be recovered by it."""
    Account.register(binds_number=True, **_columns(body))
    return _succeed(True)


def log_in(body: Body, user: Session | None) -> tuple[Body, int, dict[str, str]]:
    """Open a session and set its cookie; the one that it takes the place of ends."""
    account = Account.authenticate(body["username"], body["password"])
    secret = alphanumeric(32)
    Session.open(account, CONTRACT, secret)
    if user:
        user.end()
    return _succeed(1), 200, set_cookie(COOKIE, secret, settings.current.session_lifetime(CONTRACT))


def change_password(id: int, body: Body, user: Session | None) -> Body:
    """Replace the old password, and end the account's other sessions."""
    account = Account.by_id_to_prove(id, body["oldPassword"])
    account.change_password(body["oldPassword"], body["newPassword"], keep=user)
    return _succeed(1)


def recover_by_mobile(body: Body) -> Body:
    """Set a new password by a code from a short message."""
    RecoveryCode.redeem_code(body["mobile"], _code(body["msCaptcha"]), body["newPassword"])
    return _succeed(1)


def recover_by_email(body: Body) -> Body:
    """Have a link mailed to the reset page."""
    RecoveryCode.send_link(body["email"], _messages.links)
    return _succeed(1)


def request_code(body: Body) -> Body:
    """Have a code sent by short message."""
    RecoveryCode.send_code(body["mobile"], _messages.code)
    return _succeed(1)


def show_reset_form(code: str) -> Page:
    """Show the form behind a mailed link; the link stays good."""
    try:
        username = RecoveryCode.find_link(code).account.username
    except WrongLink as refusal:
        return _refuse(refusal)
    return _reset_page.form(username, code), 200, _reset_page.HEADERS


def reset_password(body: Body) -> Page:
    """Set a new password by a mailed link; show the form again where the password will not do."""
    try:
        RecoveryCode.redeem_link(body["code"], body["newPassword"])
    except WrongLink as refusal:  # nothing is written before it but that it was refused
        return _refuse(refusal)
    except PasswordRefused as refusal:  # likewise
        told, status = fail(refusal)
        username = RecoveryCode.find_link(body["code"]).account.username
        return _reset_page.form(username, body["code"], told["payload"]), status, _reset_page.HEADERS
    return _reset_page.done(), 200, _reset_page.HEADERS


def request_email_confirmation(id: int, body: Body) -> Body:
    """Have a code mailed that proves the account's address."""
    confirmation.send(Account.by_id(id), "email", body["email"], _messages.confirm_email)
    return _succeed(1)


def confirm_email(id: int, body: Body) -> Body:
    """Prove the account's address."""
    confirmation.redeem(Account.by_id(id), "email", body["email"], body["code"])
    return _succeed(1)


def request_mobile_confirmation(id: int, body: Body) -> Body:
    """Have a code sent that proves the account's number."""
    confirmation.send(Account.by_id(id), "mobile", body["mobile"], _messages.confirm_mobile)
    return _succeed(1)


def confirm_mobile(id: int, body: Body) -> Body:
    """Prove the account's number."""
    confirmation.redeem(Account.by_id(id), "mobile", body["mobile"], _code(body["msCaptcha"]))
    return _succeed(1)


FAILURES: dict[type[Exception], tuple[int, str]] = {
    WrongCredentials: (400, "用户名或密码错误"),
    UsernameChanged: (400, "用户名已改为{username}"),
    WrongConfirmation: (400, "验证码错误或已过期"),
    NothingToConfirm: (400, "不是该用户的邮箱或手机号"),
    WrongPassword: (400, "旧密码输入有误"),
    WrongCode: (400, "手机号或短信验证码错误"),
    WrongLink: (400, "链接无效或已过期"),
    EmailUnknown: (400, "找不到邮箱对应的账号"),
    PasswordTooShort: (400, "密码不能少于{shortest}个字符"),
    PasswordGuessable: (400, "密码太容易被猜到"),
    PasswordIsUsername: (400, "密码不能与用户名相同"),
    InvalidSession: (401, "登录已失效"),
    PermissionDenied: (403, "没有权限"),
    AccountNotFound: (404, "用户不存在"),
    UsernameTaken: (409, "用户名已存在"),
    MobileTaken: (409, "手机号已存在"),
    EmailTaken: (409, "邮箱已存在"),
    DirectoryError: (400, "请求无法完成"),
}
"""Failure -> status, text; every failure of the protocol speaks for itself."""


def fail(error: Exception) -> tuple[Body, int]:
    """Say a failure in the envelope."""
    if isinstance(error, ProtocolError):
        status, text = error.status, tell(error)
    else:
        status, words = lookup_by_mro(FAILURES, error)
        text = words.format_map(vars(error))
    return ({"payload": text} if status == 400 else {}) | {"message": text, "success": False}, status


def _code(typed: str | int) -> str:
    """Read a code however people type it; as a number it lacks its leading zeros."""
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", str(typed))).zfill(CODE_LENGTH)


def _succeed(payload: Any) -> Body:
    return {"payload": payload, "success": True}


def _refuse(refusal: DirectoryError) -> Page:
    """Say a failure on a page, for the one caller who is a person."""
    body, status = fail(refusal)
    return _reset_page.refusal(body["payload"]), status, _reset_page.HEADERS


def _order(term: str) -> tuple[str, str]:
    """Read `field,direction` as people write it: in any case, with blanks, upwards where no direction is told."""
    field, _, direction = (part.strip().lower() for part in term.partition(","))
    return COLUMNS[field], direction or "asc"


def _columns(body: Body) -> Body:
    """Return what was given under the directory's names; a member that belongs to none is left out."""
    return {column: body[field] for field, column in SETTABLE.items() if field in body}


def _shown(account: Account) -> Body:
    """Return the user object, without what is unset."""
    values = {field: getattr(account, column) for field, column in FIELDS.items()}
    return {field: value for field, value in values.items() if value is not None}
