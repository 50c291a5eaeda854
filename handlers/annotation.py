"""API 接口 用户部分及导出: everything is `{ret, msg}`, and `ret` 0 is success; exports are files."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import orjson

from handlers._chinese import tell
from handlers._cookies import clear_cookie, set_cookie
from handlers.exceptions import BadRequest, ProtocolError, TooManyRequests, Unauthorized, lookup_by_mro
from models.account import Account
from models.errors import (
    AccountNotFound,
    AlreadyFriends,
    AlreadyLoggedIn,
    AlreadyMember,
    InvalidSession,
    NotAMember,
    NotFriends,
    Oneself,
    PasswordGuessable,
    PasswordIsUsername,
    PasswordTooShort,
    ProjectNotFound,
    RequestNotFound,
    SamePassword,
    TooManyApplications,
    TooManyFriends,
    TooManyInvitations,
    UsernameChanged,
    UsernameTaken,
    WrongCredentials,
    WrongPassword,
)
from models.friendship import FriendApplication, Friendship
from models.project import Invitation, Project
from models.secret import alphanumeric
from models.session import Session

CONTRACT = "annotation"
COOKIE = "sessionid"
COOKIE_LENGTH = 40
PROJECT_NUMBER = re.compile("[0-9]{1,18}")
TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
PIECE = 65_536
"""Bytes of an export that are sent at a time."""

Body = dict[str, Any]
Reply = tuple[Any, int, dict[str, str]]


def find_session(cookie: str) -> dict[str, Any]:
    """Find the session of a cookie. Raises InvalidSession."""
    return {"sub": Session.find(CONTRACT, cookie, with_account=True)}


def refuse_session(cookie: str) -> dict[str, Any]:
    """Turn a live session away from logging in again. Raises AlreadyLoggedIn, InvalidSession (then anonymous)."""
    find_session(cookie)
    raise AlreadyLoggedIn


def register(body: Body) -> Reply:
    """Make an account and log it in."""
    account = Account.register(body["user_id"], body["password"], display_name=body.get("user_name"))
    return _log_in(account, "创建成功")


def log_in(body: Body) -> Reply:
    """Open a session; a live cookie never comes this far."""
    return _log_in(Account.authenticate(body["user_id"], body["password"]), "登陆成功")


def log_in_as_on_its_pages(body: Body) -> Reply:
    """Open a session, at the path that its own pages use."""
    return log_in(body)


def act(user: Session, action: str = "", **given: str) -> Body | Reply:
    """Do what the action says; without one, show the caller."""
    return ACTS[action](user, **given)


def update(user: Session, action: str = "", **given: str) -> Body | Reply:
    """Do what the action says: PUT, POST and GET know the same ones."""
    return act(user, action, **given)


def read(user: Session, action: str = "", **given: str) -> Body | Reply:
    """Do what the action says, which only reads."""
    return READS[action](user, **given)


def own_data(user: Session) -> Body:
    """Show the caller."""
    return {"ret": 0} | _person(user.account)


def log_out(user: Session) -> Reply:
    """End the caller's session."""
    user.end()
    return _done("登出成功"), 200, clear_cookie(COOKIE)


def change_name(user: Session, user_name: str = "") -> Body:
    """Change the caller's display name; a blank one unsets it."""
    user.account.change(display_name=user_name or None)
    return _done("修改成功")


def apply(user: Session, id: str) -> Body:
    """Ask somebody for friendship."""
    FriendApplication.send(user.account, Account.by_username(id))
    return _done("邀请已发送")


def accept_application(user: Session, id: str) -> Body:
    """Become friends with an applicant."""
    FriendApplication.accept(Account.by_username(id), user.account)
    return _done("已接受")


def deny_application(user: Session, id: str) -> Body:
    """Turn an applicant down."""
    FriendApplication.deny(Account.by_username(id), user.account)
    return _done("已拒绝")


def invite(user: Session, project_id: str, friend_id: str = "") -> Body:
    """Invite one friend, or all who are not members, to a project."""
    project = _project(project_id, user)
    if friend_id:
        project.invite(user.account, Account.by_username(friend_id))
    else:
        project.invite_friends(user.account)
    return _done("邀请已发送")


def accept_invitation(user: Session, project_id: str = "", id: str = "") -> Body:
    """Join a project, by the name that the document prints or by the one that its prose has."""
    Invitation.accept(_number(project_id or id), user.account)
    return _done("已接受")


def deny_invitation(user: Session, project_id: str = "", id: str = "") -> Body:
    """Turn an invitation down."""
    Invitation.deny(_number(project_id or id), user.account)
    return _done("已拒绝")


def friends(user: Session) -> Body:
    """List the caller's friends."""
    return _list("friends", [_person(friend) for friend in Friendship.friends_of(user.account)])


def applications(user: Session) -> Body:
    """List who wants to be the caller's friend; existing clients look under `friends`."""
    people = [_person(one) for one in FriendApplication.applicants_to(user.account)]
    return _list("applications", people) | {"friends": people}


def invites(user: Session) -> Body:
    """List the projects that the caller is invited to, each with who invited."""
    return _list(
        "invites",
        [
            _person(one.inviter) | {"project_id": str(one.project.id), "project_name": one.project.name}
            for one in Invitation.waiting_for(user.account)
        ],
    )


def entities(user: Session, id: str) -> Reply:
    """Export a project's entities."""
    project = _project(id, user)
    return _attachment(f"{project.name}_entities.json", project.entities_rows())


def relations(user: Session, id: str) -> Reply:
    """Export a project's relations, without what they connect."""
    project = _project(id, user)
    return _attachment(f"{project.name}_relations.json", project.relations_rows())


def triads(user: Session, id: str) -> Reply:
    """Export a project's relations with the entities that they connect."""
    project = _project(id, user)
    return _attachment(f"{project.name}_triads.json", project.triads_rows())


READS: dict[str, Callable[..., Body | Reply]] = {
    "": own_data,
    "get_user_info": own_data,
    "get_friends": friends,
    "get_friends_applications": applications,
    "get_friends_appli": applications,
    "get_project_invites": invites,
    "get_entities_json": entities,
    "get_relations_json": relations,
    "get_triads_json": triads,
}
ACTS: dict[str, Callable[..., Body | Reply]] = READS | {
    "logout": log_out,
    "change_name": change_name,
    "friend_apply": apply,
    "friend_apply_accept": accept_application,
    "friend_apply_deny": deny_application,
    "project_invite": invite,
    "project_invite_accept": accept_invitation,
    "project_invite_deny": deny_invitation,
}


def change_password(body: Body, user: Session) -> Body:
    """Change the caller's password; this session outlives it."""
    current, new = body["cur_password"], body["new_password"]
    if current == new and user.account.has_password(current):
        raise SamePassword
    user.account.change_password(current, new, keep=user)
    return _done("密码修改成功")


def change_password_as_on_its_pages(body: Body, user: Session) -> Body:
    """Change the caller's password, at the path that its own pages use."""
    return change_password(body, user)


FAILURES: dict[type[Exception], tuple[int, str]] = {
    Unauthorized: (-1, "用户未登录"),
    InvalidSession: (-1, "用户未登录"),
    UsernameTaken: (-1, "该账号id已使用"),
    WrongCredentials: (-1, "用户id或密码错误"),
    UsernameChanged: (-1, "用户id已改为{username}"),
    AlreadyLoggedIn: (-2, "用户已登录"),
    WrongPassword: (-1, "当前密码错误"),
    SamePassword: (-2, "新密码重复"),
    AccountNotFound: (-1, "id不存在"),
    ProjectNotFound: (-1, "id不存在"),
    Oneself: (-1, "不能申请自己为好友"),
    AlreadyFriends: (-2, "已与该用户成为好友"),
    NotFriends: (-1, "未与该用户成为好友"),
    NotAMember: (-1, "未参与该项目"),
    AlreadyMember: (-2, "该用户已参与项目"),
    RequestNotFound: (-1, "没有待处理的申请或邀请"),
}
"""Failure of the document -> ret, msg, with status 200."""

UNFORESEEN: dict[type[Exception], str] = {
    PasswordTooShort: "密码不能少于{shortest}个字符",
    PasswordGuessable: "密码太容易被猜到",
    PasswordIsUsername: "密码不能与用户id相同",
    TooManyFriends: "好友数已达上限",
    TooManyApplications: "好友申请数已达上限",
    TooManyInvitations: "项目邀请数已达上限",
}
"""Failure that the document does not know, and that others answer with 400 -> msg."""

TOLD_WITH_200 = (BadRequest, TooManyRequests)
"""Failures of the protocol that are told as those of the document are: its pages read `msg` on 200 only."""


def fail(error: Exception) -> tuple[Body, int]:
    """Say a failure in the envelope."""
    if isinstance(error, ProtocolError) and not isinstance(error, Unauthorized):
        return {"ret": -error.status, "msg": tell(error)}, 200 if isinstance(error, TOLD_WITH_200) else error.status
    if type(error) in UNFORESEEN:
        return {"ret": -400, "msg": UNFORESEEN[type(error)].format_map(vars(error))}, 200
    ret, words = lookup_by_mro(FAILURES, error)
    return {"ret": ret, "msg": words.format_map(vars(error))}, 200


def _done(msg: str) -> Body:
    return {"ret": 0, "msg": msg}


def _list(name: str, entries: list[Body]) -> Body:
    return {"ret": 0, "sum": len(entries), name: entries}


def _person(account: Account) -> Body:
    return {"user_name": account.shown_name, "user_id": account.username}


def _log_in(account: Account, msg: str) -> Reply:
    secret = alphanumeric(COOKIE_LENGTH)
    session = Session.open(account, CONTRACT, secret)
    return _done(msg), 200, set_cookie(COOKIE, secret, session.expires - session.created)


def _number(number: str) -> int:
    """Read the number of a project, in full width too. Raises ProjectNotFound: what is no number is no project's."""
    digits = unicodedata.normalize("NFKC", number)
    if not PROJECT_NUMBER.fullmatch(digits):
        raise ProjectNotFound
    return int(digits)


def _project(number: str, member: Session) -> Project:
    """Return a project of the caller's. Raises ProjectNotFound, NotAMember."""
    return Project.by_member(_number(number), member.account)


def _attachment(filename: str, rows: Iterable[Body]) -> Reply:
    """Return rows as a file in JSON, under a name that every client can write down (RFC 6266).

    As printed, `attachment;filename=` and the name; in quotation marks only where the name would be more than a token.
    """
    filename = re.sub(r"[/\\]", "_", filename)
    plain = re.sub(r"[^ !#-$&-~]", "_", filename)
    disposition = "attachment;filename=" + (plain if TOKEN.fullmatch(plain) else f'"{plain}"')
    if plain != filename:
        disposition += f";filename*=UTF-8''{quote(filename, safe='')}"
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": disposition}
    return _as_array(rows), 200, headers


def _as_array(rows: Iterable[Body]) -> Iterator[bytes]:
    """Encode rows as one JSON array, piece by piece."""
    piece = bytearray(b"[")
    comma = b""
    for row in rows:
        piece += comma + orjson.dumps(row)
        comma = b","
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + b"]")
