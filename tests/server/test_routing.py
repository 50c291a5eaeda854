"""Which operation a path means, whatever the order in which the contracts are mounted."""

from itertools import permutations
from typing import Any

import pytest
from connexion.resolver import RelativeResolver
from connexion.spec import Specification
from starlette.types import Scope

from handlers.exceptions import MethodNotAllowed
from server.contract.request import REQUEST, Request
from server.contract.routing import RoutingMiddleware
from server.settings import Settings
from server.specs import Contract, load_contracts

CONTRACTS = {contract.stem: contract for contract in load_contracts()}


async def _nowhere(scope: Scope, receive: Any, send: Any) -> None:
    """Stand at the end of the stack."""


def _table(*contracts: Contract) -> RoutingMiddleware:
    table = RoutingMiddleware(_nowhere, Settings())
    for contract in contracts:
        table.add_api(
            Specification.load(contract.document),
            name=contract.stem,
            base_path=None,
            resolver=RelativeResolver(f"handlers.{contract.stem}"),
            uri_parser_class=None,
        )
    return table


def _operation(table: RoutingMiddleware, method: str, path: str, raw_path: bytes = b"") -> str:
    found = table.match({"path": path, "raw_path": raw_path or path.encode()})
    operation: str = found[0][method].context["operation_id"]
    return operation


@pytest.mark.parametrize("order", list(permutations(("dbms", "annotation"))))
def test_a_concrete_path_wins_over_a_template_in_both_mount_orders(order: tuple[str, str]) -> None:
    table = _table(*(CONTRACTS[stem] for stem in order))
    assert _operation(table, "GET", "/user/other") == "handlers.annotation.read"
    assert _operation(table, "POST", "/user/signin").startswith("handlers.annotation.")
    assert _operation(table, "GET", "/user/TestUser") == "handlers.dbms.find"
    assert _operation(table, "PUT", "/user/786") == "handlers.dbms.update"
    assert _operation(table, "POST", "/user") == "handlers.dbms.register"


def test_an_encoded_slash_stays_inside_its_segment() -> None:
    table = _table(CONTRACTS["dbms"])
    found = table.match({"path": "/user/a/b", "raw_path": b"/user/a%2Fb"})
    assert found[1] == ("a/b",)
    assert not table.match({"path": "/user/a/b", "raw_path": b"/user/a/b"})[0]


@pytest.mark.anyio
async def test_a_wrong_method_is_told_all_methods_of_its_path() -> None:
    table = _table(*CONTRACTS.values())
    with pytest.raises(MethodNotAllowed) as refused:
        scope = {"type": "http", "path": "/user/other", "method": "DELETE", "headers": []}
        await table({**scope, REQUEST: Request(scope)}, None, None)  # type: ignore[arg-type]
    assert refused.value.allow == ("GET", "HEAD", "POST", "PUT")
