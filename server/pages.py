"""What is not a contract: the explorer, the specs as files, the health check."""

import json
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import yaml
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

from server.specs import Contract

EXPLORER = Path(__file__).with_name("explorer")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# Swagger UI writes style attributes, so styles alone may stand inline


def pages(contracts: list[Contract]) -> Router:
    """Return the router of all pages."""
    by_stem = {contract.stem: contract for contract in contracts}
    index = _fill("index.html", rows="\n".join(_row(contract) for contract in contracts))

    @cache
    def as_json(stem: str) -> bytes:
        return json.dumps(by_stem[stem].document, ensure_ascii=False).encode()

    @cache
    def as_yaml(stem: str) -> bytes:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text: str = yaml.dump(by_stem[stem].document, Dumper=dumper, allow_unicode=True, sort_keys=False, width=120)
        return text.encode()

    def known(request: Request) -> Contract:
        contract = by_stem.get(request.path_params["stem"])
        if contract is None:
            raise HTTPException(404)
        return contract

    async def show_start(request: Request) -> Response:
        return RedirectResponse("/docs")

    async def show_index(request: Request) -> Response:
        return HTMLResponse(index, headers=HEADERS)

    async def show_contract(request: Request) -> Response:
        contract = known(request)
        title = contract.document["info"]["title"]
        return HTMLResponse(_fill("contract.html", stem=contract.stem, title=title), headers=HEADERS)

    async def send_json(request: Request) -> Response:
        return Response(as_json(known(request).stem), media_type="application/json")

    async def send_yaml(request: Request) -> Response:
        return Response(as_yaml(known(request).stem), media_type="application/yaml")

    async def tell_health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Router(
        [
            Route("/", show_start),
            Route("/healthz", tell_health),
            Route("/docs", show_index),
            Mount("/docs/swagger-ui", StaticFiles(directory=swagger_ui_path)),
            Mount("/docs/explorer", StaticFiles(directory=EXPLORER)),
            Route("/docs/{stem}", show_contract),
            Route("/specs/{stem}.json", send_json),
            Route("/specs/{stem}.yaml", send_yaml),
        ],
        redirect_slashes=False,
    )


def _row(contract: Contract) -> str:
    info = contract.document["info"]
    operations = sum(
        "operationId" in operation
        for path in contract.document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    )
    return _fill("row.html", stem=contract.stem, title=info["title"], version=info["version"], operations=operations)


def _fill(name: str, **values: Any) -> str:
    return Template((EXPLORER / name).read_text("utf-8")).substitute(values)
