"""Bare Starlette, written by hand: the same look-ups and nothing else. The limit for anything that stands on Starlette.

Nothing is validated but the credential; answers are written by orjson.
"""

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers import _sso_token
from handlers.exceptions import Unauthorized
from handlers.indexy import FIELDS
from models.account import Account
from models.errors import AccountNotFound, InvalidSession
from models.session import Session
from scripts.tools.bench_peers.directory import open_directory

open_directory()


def answer(body: object, status: int = 200) -> Response:
    """Answer in JSON."""
    return Response(orjson.dumps(body), status, media_type="application/json")


async def check_login(request: Request) -> Response:
    """Tell the caller's id, as text."""
    session = Session.find("sso", _sso_token.read(request.headers.get("token", "")))
    return answer({"code": "OK", "message": "认证成功，用户已登录", "data": str(session.account_id)})


async def find(request: Request) -> Response:
    """Show an account."""
    Session.find("dbms", request.query_params.get("token", ""))
    account = Account.find(request.path_params["id_or_username"])
    return answer({"id": account.id, "email": account.email or "", "username": account.username})


async def own_data(request: Request) -> Response:
    """Show the caller."""
    account = Session.find("annotation", request.cookies.get("sessionid", ""), with_account=True).account
    return answer({"ret": 0, "user_name": account.shown_name, "user_id": account.username})


async def list_accounts(request: Request) -> Response:
    """List accounts, the newest first."""
    query = request.query_params
    page, size = int(query.get("page", 0)), int(query.get("size", 10))
    accounts = Account.page([("id", "desc")], offset=page * size, limit=size)
    rows = []
    for account in accounts:
        values = {field: getattr(account, column) for field, column in FIELDS.items()}
        rows.append({field: value for field, value in values.items() if value is not None})
    return answer({"payload": {"count": Account.count(), "rows": rows}, "success": True})


async def refuse(request: Request, error: Exception) -> Response:
    """Turn away who has no live token."""
    return answer({"code": "token_err", "message": "token已失效", "data": None}, 401)


async def miss(request: Request, error: Exception) -> Response:
    """Say that there is no such account."""
    return answer({"title": "Unknown user", "status": 404}, 404)


app = Starlette(
    routes=[
        Route("/v1/auth", check_login),
        Route("/user/other", own_data),
        Route("/user/{id_or_username}", find),
        Route("/indexy-api/api/v1/users", list_accounts),
    ],
    exception_handlers={InvalidSession: refuse, Unauthorized: refuse, AccountNotFound: miss},
)
