"""What is not a contract: the explorer, the documentation site, the specs as files, the health check."""

import json
import os
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

import yaml
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

from models.db.database import database, run_transaction
from models.db.transaction import CONNECTION_ERRORS
from models.migrations import fits
from server import __version__
from server.contract.executors import Executors
from server.docs.beside import arazzo, collection
from server.specs import LOCAL, Contract

EXPLORER = Path(__file__).with_name("explorer")
SITE = Path(__file__).parents[2] / "build/site"
"""The documentation site, once `scripts/docs` has built it."""
PATHS = ("/healthz", "/readyz", "/docs", "/specs")
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Files(StaticFiles):
    """The files of a folder, which need not be there yet."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)

    def file_response(self, *args: Any, **options: Any) -> Response:
        """Answer with a file, or with 304 if the client has it."""
        response = super().file_response(*args, **options)
        response.headers.update(HEADERS)
        return response


class Assets(Files):
    """The files of a folder that the pages use; all others are not there."""

    def __init__(self, directory: Path, *names: str) -> None:
        super().__init__(directory)
        self.names = names

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file."""
        return super().lookup_path(path) if path in self.names else ("", None)


def _is_ready() -> bool:
    try:
        return run_transaction(lambda: fits() and database.is_writable())
    except CONNECTION_ERRORS:
        return False


def pages(contracts: list[Contract], executors: Executors, public_url: str = "") -> Router:
    """Return the router of all pages. public_url: the address under which people know the server."""
    base = urlsplit(public_url).path.rstrip("/")
    by_stem = {contract.stem: contract for contract in contracts}
    stems = list(by_stem)
    entries = "\n".join(_entry(contract, base) for contract in contracts)
    documents = {contract.stem: contract.published(public_url) for contract in contracts}
    guide = f'<p>More than can be tried is told in the <a href="{base}/docs/">documentation</a>.</p>'

    @cache
    def index(guide: str) -> str:
        return _fill("index.html", base=base, chooser=_chooser(stems, base), entries=entries, guide=guide)

    @cache
    def as_json(stem: str) -> bytes:
        return json.dumps(documents[stem], ensure_ascii=False).encode()

    @cache
    def as_yaml(stem: str) -> bytes:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text: str = yaml.dump(documents[stem], Dumper=dumper, allow_unicode=True, sort_keys=False, width=120)
        return text.encode()

    @cache
    def as_arazzo(stem: str) -> bytes | None:
        return arazzo(by_stem[stem])

    @cache
    def as_collection(stem: str) -> bytes | None:
        return collection(by_stem[stem], public_url)

    def known(request: Request) -> Contract:
        contract = by_stem.get(request.path_params["stem"])
        if contract is None:
            raise HTTPException(404)
        return contract

    async def show_start(request: Request) -> Response:
        return RedirectResponse(f"{base}/docs", headers=HEADERS)

    async def show_index(request: Request) -> Response:
        return HTMLResponse(index(guide if (SITE / "index.html").exists() else ""), headers=HEADERS)

    async def show_page(request: Request) -> Response:
        path = request.path_params["path"]
        if path in by_stem:
            return show_contract(by_stem[path])
        return await site.get_response(path or "index.html", request.scope)

    def show_contract(contract: Contract) -> Response:
        title = escape(contract.document["info"]["title"])
        page = _fill(
            "contract.html",
            stem=contract.stem,
            title=title,
            base=base,
            beside=_beside(contract, base),
            chooser=_chooser(stems, base, contract.stem),
        )
        return HTMLResponse(page, headers=HEADERS)

    async def send_json(request: Request) -> Response:
        return Response(as_json(known(request).stem), media_type="application/json", headers=HEADERS)

    async def send_yaml(request: Request) -> Response:
        return Response(as_yaml(known(request).stem), media_type="application/yaml", headers=HEADERS)

    async def send_arazzo(request: Request) -> Response:
        return send_if_there(as_arazzo(known(request).stem), "application/vnd.oai.workflows+yaml")

    async def send_collection(request: Request) -> Response:
        return send_if_there(as_collection(known(request).stem), "application/json")

    def send_if_there(content: bytes | None, media_type: str) -> Response:
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type=media_type, headers=HEADERS)

    async def tell_health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__}, headers=HEADERS)

    async def tell_readiness(request: Request) -> Response:
        ready = await executors.run(_is_ready, hashes=False)
        status, words = (
            (200, "ready")
            if ready
            else (503, "the store does not answer or cannot be written, or its schema does not fit")
        )
        return JSONResponse({"status": words}, status, headers=HEADERS)

    site = Files(SITE)
    swagger_ui = Assets(swagger_ui_path, "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
    explorer = Assets(EXPLORER, "explorer.js", "browser_view.js", "signature.js", "explorer.css")
    return Router(
        [
            Route("/", show_start),
            Route("/healthz", tell_health),
            Route("/readyz", tell_readiness),
            Route("/docs", show_index),
            Mount("/docs/swagger-ui", swagger_ui),
            Mount("/docs/explorer", explorer),
            Route("/docs/{path:path}", show_page),
            Route("/specs/{stem}.arazzo.yaml", send_arazzo),
            Route("/specs/{stem}.postman_collection.json", send_collection),
            Route("/specs/{stem}.json", send_json),
            Route("/specs/{stem}.yaml", send_yaml),
        ],
        redirect_slashes=False,
    )


def _chooser(stems: list[str], base: str, shown: str | None = None) -> str:
    """Return the links to all contracts; the one that is shown is marked."""
    marks = {shown: ' aria-current="page"'}
    return "\n".join(f'<a href="{base}/docs/{stem}"{marks.get(stem, "")}>{stem}</a>' for stem in stems)


def _entry(contract: Contract, base: str) -> str:
    info = contract.document["info"]
    acts = _count_acts(contract.document)
    operations = f"{acts} operation" if acts == 1 else f"{acts} operations"
    text = {"title": escape(info["title"]), "version": escape(info["version"].removeprefix("v"))}
    beside = _beside(contract, base)
    return _fill("entry.html", base=base, stem=contract.stem, operations=operations, beside=beside, **text)


def _beside(contract: Contract, base: str) -> str:
    """Return the links to what is published beside a contract."""
    source = contract.source
    files = {"Arazzo": (source.journey, "arazzo.yaml"), "Postman": (source.collection, "postman_collection.json")}
    links = [
        f' · <a href="{base}/specs/{contract.stem}.{ending}">{name}</a>'
        for name, (file, ending) in files.items()
        if file.is_file()
    ]
    return "".join(links)


def _count_acts(document: dict[str, Any]) -> int:
    """Count what can be done: an act once, by however many methods it can be asked for; no deprecated spelling."""
    return len(
        {
            (path, act)
            for path, item in document["paths"].items()
            for operation in item.values()
            if "operationId" in operation and not operation.get("deprecated")
            for act in _acts(document, operation)
        }
    )


def _acts(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    action = operation.get("x-action")
    if not action:
        return [operation["operationId"]]
    if "requires" in action:
        return [*action["requires"], *(["without"] if "without" in action else [])]
    (content,) = operation["requestBody"]["content"].values()
    name = content["schema"]["$ref"].removeprefix(LOCAL)
    return list(document["components"]["schemas"][name]["discriminator"]["mapping"])


def _fill(name: str, **values: str) -> str:
    return Template((EXPLORER / name).read_text("utf-8")).substitute(values)
