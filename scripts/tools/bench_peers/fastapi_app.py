"""FastAPI, written by hand: two operations with the checks that the specs ask for, over the same models.

Coroutines, for the same reason as in `connexion_app`; responses are models, which pydantic validates and serializes.
"""

from typing import Annotated, Literal

from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from handlers import _sso_token
from handlers.exceptions import Unauthorized
from handlers.indexy import FIELDS
from models.account import Account
from models.errors import AccountNotFound, InvalidSession
from models.session import Session
from scripts.tools.bench_peers.directory import open_directory

open_directory()
app = FastAPI(openapi_url=None)

ID_OR_USERNAME = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
EMAIL = r'^([^\s@<>,;:"()\[\]\\\x00-\x1f\x7f-\x9f]+@[^\s@<>,;:"()\[\]\\\x00-\x1f\x7f-\x9f]+)?$'


class Answer(BaseModel):
    """Base of the answers."""

    model_config = ConfigDict(extra="forbid")


class Checked(Answer):
    """The answer of sso to a live token."""

    code: Literal["OK"]
    message: Literal["认证成功，用户已登录"]
    data: Annotated[str, Field(min_length=1, max_length=19, pattern="^[1-9][0-9]*$")]


class User(Answer):
    """An account as dbms shows it."""

    id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    email: Annotated[str, Field(max_length=254, pattern=EMAIL)]
    username: Annotated[str, Field(min_length=1, max_length=64, pattern=ID_OR_USERNAME)]


class Person(Answer):
    """The caller as annotation shows it."""

    ret: Literal[0]
    user_name: Annotated[str, Field(min_length=1, max_length=64)]
    user_id: Annotated[str, Field(min_length=1, max_length=64)]


class Listed(Answer):
    """An account as indexy lists it; what is unset is left out."""

    id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    username: Annotated[str, Field(min_length=1, max_length=64)]
    photo: Annotated[str, Field(max_length=2048)] | None = None
    nickName: Annotated[str, Field(max_length=64)] | None = None  # noqa: N815  # the contract's name
    job: Annotated[str, Field(max_length=128)] | None = None
    school: Annotated[str, Field(max_length=128)] | None = None
    mobile: Annotated[str, Field(max_length=32)] | None = None
    email: Annotated[str, Field(max_length=254)] | None = None
    introduct: Annotated[str, Field(max_length=4096)] | None = None


class Rows(Answer):
    """A page of accounts."""

    count: Annotated[int, Field(ge=0)]
    rows: Annotated[list[Listed], Field(max_length=1000)]


class Page(Answer):
    """A page of accounts in indexy's envelope."""

    payload: Rows
    success: Literal[True]


async def sso_session(token: Annotated[str, Header()] = "") -> Session:
    """Find the session of a web token."""
    return Session.find("sso", _sso_token.read(token))


async def dbms_session(token: Annotated[str, Query()] = "") -> Session:
    """Find the session of a token in the query."""
    return Session.find("dbms", token)


@app.get("/v1/auth")
async def check_login(session: Annotated[Session, Depends(sso_session)]) -> Checked:
    """Tell the caller's id, as text."""
    return Checked(code="OK", message="认证成功，用户已登录", data=str(session.account_id))


@app.get("/user/other")
async def own_data(sessionid: Annotated[str, Cookie()] = "") -> Person:
    """Show the caller."""
    account = Session.find("annotation", sessionid, with_account=True).account
    return Person(ret=0, user_name=account.shown_name, user_id=account.username)


@app.get("/indexy-api/api/v1/users", response_model_exclude_none=True)
async def list_accounts(
    page: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0, size: Annotated[int, Query(ge=1, le=1000)] = 10
) -> Page:
    """List accounts, the newest first."""
    accounts = Account.page([("id", "desc")], offset=page * size, limit=size)
    rows = [Listed(**{field: getattr(one, column) for field, column in FIELDS.items()}) for one in accounts]
    return Page(payload=Rows(count=Account.count(), rows=rows), success=True)


@app.get("/user/{id_or_username}", dependencies=[Depends(dbms_session)])
async def find(id_or_username: Annotated[str, Path(min_length=1, max_length=64, pattern=ID_OR_USERNAME)]) -> User:
    """Show an account."""
    try:
        account = Account.find(id_or_username)
    except AccountNotFound:
        raise HTTPException(404) from None
    return User(id=account.id, email=account.email or "", username=account.username)


@app.exception_handler(InvalidSession)
@app.exception_handler(Unauthorized)
async def refuse(request: Request, error: Exception) -> JSONResponse:
    """Turn away who has no live token."""
    return JSONResponse({"code": "token_err", "message": "token已失效", "data": None}, 401)
