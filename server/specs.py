"""The contracts as files: found, loaded once, made self-contained."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

FOLDER = Path(__file__).parents[1] / "specs"
COMMON = "common.yaml#/components/schemas/"
LOCAL = "#/components/schemas/"

# libyaml reads the specs ten times faster than Python; it is not in every wheel
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SpecError(ValueError):
    """Raised at start where a spec cannot be served. place: where in the file, as a JSON pointer or in words."""

    def __init__(self, stem: str, place: str, reason: str) -> None:
        super().__init__(f"specs/{stem}.yaml: {place}: {reason}")


@dataclass(frozen=True)
class Contract:
    """One contract: its self-contained document, and the words in which it fails.

    fail: turns an error into a body and a status.
    """

    stem: str
    document: dict[str, Any]
    fail: Callable[[Exception], tuple[Any, int]]

    @property
    def base_path(self) -> str:
        """Return the path under which all of the contract's paths stand; empty for the root."""
        url: str = self.document["servers"][0]["url"]
        return url.rstrip("/")

    def published(self, public_url: str) -> dict[str, Any]:
        """Return the document for everybody, below the address that people know.

        It is without what only the server needs, without bodies of GET, which descriptions tell of and hardly a tool
        can send, and has the absolute address first.
        """
        path = urlsplit(public_url).path.rstrip("/")
        relative = [
            {**server, "url": f"{path}{server['url'].rstrip('/')}" or "/"} for server in self.document["servers"]
        ]
        absolute = {"url": f"{public_url.rstrip('/')}{self.base_path}"}
        public: dict[str, Any] = _without_server_words(self.document)
        for operation in (item["get"] for item in public["paths"].values() if "get" in item):
            operation.pop("requestBody", None)
        return {**public, "servers": [absolute, *relative]}

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of every answer."""
        headers: dict[str, str] = self.document.get("x-headers", {})
        return headers

    @property
    def failure_media_type(self) -> str:
        """Return the media type of failures."""
        media_type: str = self.document.get("x-failure-media-type", "application/json")
        return media_type


SERVER_ONLY = {"x-apikeyInfoFunc", "x-headers", "x-failure-media-type", "x-device-cookie"}
"""Words of the specs that say nothing to who reads or calls."""


def _without_server_words(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_server_words(value) for key, value in node.items() if key not in SERVER_ONLY}
    return [_without_server_words(item) for item in node] if isinstance(node, list) else node


def load_contracts() -> list[Contract]:
    """Load every contract of `specs/`, with its handler module of the same stem."""
    stems = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "common")
    common = _read("common")["components"]["schemas"]
    return [
        Contract(stem, bundle(_read(stem), common), importlib.import_module(f"handlers.{stem}").fail) for stem in stems
    ]


def bundle(document: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the common value types that it uses among its own components."""
    used: dict[str, Any] = {}

    def localize(node: Any) -> Any:
        if isinstance(node, dict):
            return {str(key): localize(_adopt(value)) for key, value in node.items()}
        if isinstance(node, list):
            return [localize(item) for item in node]
        return node

    def _adopt(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(COMMON):
            name = value.removeprefix(COMMON)
            used[name] = common[name]
            return LOCAL + name
        return value

    bundled: dict[str, Any] = localize(document)
    schemas = bundled.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(localize(used))
    return bundled


def _read(stem: str) -> dict[str, Any]:
    # Loader is a safe one
    document: dict[str, Any] = yaml.load((FOLDER / f"{stem}.yaml").read_text("utf-8"), Loader)  # noqa: S506
    return document
