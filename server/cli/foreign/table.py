"""A table of people: CSV from anywhere, or that of one of the documents' own first servers."""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

from server.cli.foreign.options import Options
from server.cli.foreign.person import Given, is_true, moment, person
from server.cli.foreign.source import Row, Source

NAMES = {
    "foreign_id": ("id", "uid", "user_id", "userid", "uuid", "编号", "用户编号"),
    "username": ("username", "user_name", "login", "login_name", "account", "用户名", "账号", "帐号", "登录名"),
    "password": ("password", "password_hash", "hashed_password", "passwd", "pwd", "hash", "密码"),
    "salt": ("salt", "password_salt", "盐"),
    "display_name": (
        "display_name",
        "nickname",
        "nick_name",
        "nick",
        "realname",
        "real_name",
        "full_name",
        "姓名",
        "昵称",
    ),
    "name": ("name",),
    "email": ("email", "e-mail", "mail", "email_address", "邮箱", "电子邮箱"),
    "mobile": ("mobile", "phone", "phone_number", "tel", "telephone", "手机", "手机号", "电话"),
    "domain": ("domain",),
    "property": ("property",),
    "photo": ("photo", "avatar", "avatar_url", "picture", "头像"),
    "job": ("job", "title", "职业", "职称"),
    "school": ("school", "学校"),
    "introduct": ("introduct", "introduction", "bio", "简介"),
    "admin": ("admin", "is_admin", "is_superuser", "管理员"),
    "disabled": ("disabled", "is_disabled", "locked", "停用"),
    "active": ("active", "is_active", "enabled", "启用"),
    "created": (
        "created",
        "created_at",
        "createdat",
        "create_time",
        "createtime",
        "date_joined",
        "注册时间",
        "创建时间",
    ),
    "updated": ("updated", "updated_at", "updatedat", "update_time", "updatetime", "更新时间"),
}
"""What we call a value -> what tables call it, in small letters."""
BASE64_SHA256 = re.compile("[A-Za-z0-9+/]{43}=")
HEXADECIMAL = re.compile("[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128}")
DIGESTS = {40: "sha1", 64: "sha256", 128: "sha512"}


class Table:
    """A system of which nothing is known but the table."""

    def __init__(self, what: str, *tables: str) -> None:
        self.WHAT, self._tables = what, tables

    def fits(self, source: Source) -> bool:
        """Tell whether the file looks like it."""
        if source.is_database or source.tables:
            return bool(source.tables & set(self._tables))
        return bool({name.lower() for name in source.keys} & {*NAMES["username"], *NAMES["email"], *NAMES["name"]})

    def read(self, source: Source, options: Options) -> Iterator[Given]:
        """Yield the rows as accounts."""
        for row in source.rows(*self._tables):
            yield _person({name.lower(): value for name, value in row.items()}, options)


def _person(row: Row, options: Options) -> Given:
    found = {
        ours: next((row[name] for name in names if row.get(name) not in (None, "")), None)
        for ours, names in NAMES.items()
    }
    name, active, salt = found.pop("name"), found.pop("active"), found.pop("salt")
    if found["username"] is None and found["email"] is None:
        found["username"], name = name, None
    found["display_name"] = found["display_name"] or name
    found["password"] = _password(str(found["password"] or ""), salt, options.salt_order)
    found["admin"] = is_true(found["admin"]) or None
    found["disabled"] = is_true(found["disabled"]) or (active is not None and not is_true(active)) or None
    return person(**found | {name: moment(found[name]) for name in ("created", "updated")})


def _password(hashed: str, salt: Any, order: str) -> str:
    """Return a hash in a spelling that is known: a digest with the salt of its own column, or SHA-256 in Base64."""
    if salt and HEXADECIMAL.fullmatch(hashed):
        key, digest = b64encode(bytes.fromhex(hashed)).decode(), DIGESTS[len(hashed)]
    elif salt and BASE64_SHA256.fullmatch(hashed):
        key, digest = hashed, "sha256"
    elif BASE64_SHA256.fullmatch(hashed):
        return b64decode(hashed).hex()
    else:
        return hashed
    return f"{digest}${order}${b64encode(str(salt).encode()).decode()}${key}"
