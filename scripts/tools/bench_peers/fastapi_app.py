"""FastAPI, written by hand: two operations with the checks that the specs ask for, over the same models.

Coroutines, for the same reason as in `connexion_app`; responses are models, which pydantic validates and serializes.
"""

from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Header, HTTPException, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from handlers import _sso_token
from handlers.exceptions import Unauthorized
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


async def sso_session(token: Annotated[str, Header()] = "") -> Session:
    """Find the session of a web token."""
    return Session.find("sso", _sso_token.read(token))


async def dbms_session(token: Annotated[str, Query()] = "") -> Session:
    """Find the session of a token in the query."""
    return Session.find("dbms", token)


@app.get("/v1/auth")
async def check_login(session: Annotated[Session, Depends(sso_session)]) -> Checked:
    """Tell the caller's id, as text."""
    return Checked(code="OK", message="认证成功，用户已登录", data=str(session.account.id))


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
