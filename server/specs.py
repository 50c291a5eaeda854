"""The contracts as files: found, loaded once, made self-contained."""

import importlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

import handlers
from models import account_field
from models import settings as directory
from models.settings import DAY, SessionRules
from server.contract.answer_headers import declare_headers
from server.contract.credentials import FUNCTIONS, find_function
from server.contract.extensions import check_words
from server.contract.spec_error import SpecError
from server.contract.validation import merge
from server.settings import SettingError, Settings

FOLDER = Path(__file__).parents[1] / "specs"
SANDBOX = Path(__file__).with_name("sandbox") / "contract"
"""Folder of the contract that a sandbox has besides, and no other server."""
COMMON = "common.yaml#/components/schemas/"
LOCAL = "#/components/schemas/"
JOURNEY = ".journey.yaml"
FIELD = re.compile(r"\w{1,64}")
STEM = re.compile("[a-z][a-z0-9_]{0,15}")
"""Names of contracts: of files, of modules, and in the store."""

# libyaml reads the specs ten times faster than Python; it is not in every wheel
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Source(NamedTuple):
    """The three files of a contract."""

    spec: Path
    handlers: Path
    journey: Path

    @property
    def collection(self) -> Path:
        """Return where the Postman collection of the journey is, if there is one."""
        if self.journey.name.endswith(JOURNEY):
            return self.spec.with_suffix(".postman_collection.json")
        return FOLDER / "collections" / f"{self.spec.stem}.json"


@dataclass(frozen=True)
class Contract:
    """One contract: its self-contained document, the words in which it fails, and its files.

    fail: turns an error into a body and a status.
    """

    stem: str
    document: dict[str, Any]
    fail: Callable[[Exception], tuple[Any, int]]
    source: Source

    @property
    def base_path(self) -> str:
        """Return the path under which all of the contract's paths stand; empty for the root."""
        url: str = self.document["servers"][0]["url"]
        return url.rstrip("/")

    def published(self, public_url: str) -> dict[str, Any]:
        """Return the document for everybody, below the address that people know.

        It is without what only the server needs, without bodies of GET, which descriptions tell of and hardly a tool
        can send; it declares the headers of every answer, and has the absolute address first.
        """
        path = urlsplit(public_url).path.rstrip("/")
        relative = [
            {**server, "url": f"{path}{server['url'].rstrip('/')}" or "/", **AUDIENCE}
            for server in self.document["servers"]
        ]
        absolute = {"url": f"{public_url.rstrip('/')}{self.base_path}", **AUDIENCE}
        public: dict[str, Any] = _without_server_words(self.document)
        for operation in (item["get"] for item in public["paths"].values() if "get" in item):
            operation.pop("requestBody", None)
        declare_headers(public, self.document)
        return {**public, "servers": [absolute, *relative]}

    @property
    def account_fields(self) -> dict[str, dict[str, Any]]:
        """Return the schemas of what the contract keeps of an account beyond its columns, by name."""
        schemas = self.document.get("components", {}).get("schemas", {})
        return {
            name: schemas.get(schema["$ref"].removeprefix(LOCAL)) if "$ref" in schema else schema
            for name, schema in self.document.get("x-account-fields", {}).items()
        }

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of every answer."""
        headers: dict[str, str] = self.document.get("x-headers", {})
        return headers

    @property
    def charset(self) -> str:
        """Return the charset that answers say with their media type; empty for none."""
        charset: str = self.document.get("x-charset", "")
        return charset

    @property
    def challenge(self) -> str:
        """Return what a 401 says of how to be let in (RFC 9110 section 11.6.1)."""
        challenge: str = self.document.get("x-challenge", 'Token realm="rollbook"')
        return challenge

    @property
    def failure_media_type(self) -> str:
        """Return the media type of failures."""
        media_type: str = self.document.get("x-failure-media-type", "application/json")
        return media_type


SIMPLE = ("string", "integer", "number", "boolean")
AUDIENCE = {"x-internal": False}
"""What linters ask of each address: whether it is for everybody (OWASP API9:2023)."""
SERVER_ONLY = {
    *FUNCTIONS.values(),
    "x-session",
    "x-account",
    "x-account-fields",
    "x-headers",
    "x-failure-media-type",
    "x-device-cookie",
    "x-known-place",
}
"""Words of the specs that say nothing to who reads or calls."""


def _without_server_words(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_server_words(value) for key, value in node.items() if key not in SERVER_ONLY}
    return [_without_server_words(item) for item in node] if isinstance(node, list) else node


def load_contracts(settings: Settings | None = None) -> list[Contract]:
    """Load the contracts of the house and of the folders that are named, or those of them that are to be served.

    settings: default: what the environment says of contracts, for tools without a server.
    Raises SettingError, SpecError.
    """
    settings = settings or Settings(
        contracts=os.environ.get("ROLLBOOK_CONTRACTS", ""), serve=os.environ.get("ROLLBOOK_SERVE", "")
    )
    if SANDBOX in settings.contract_folders and not settings.sandbox:
        raise SettingError(f"ROLLBOOK_CONTRACTS: {SANDBOX}: only scripts/serve --sandbox serves this")
    sources = find_sources(settings.contract_folders)
    served = settings.served or sorted(sources)
    if unknown := set(served) - sources.keys():
        raise SettingError(f"ROLLBOOK_SERVE: {min(unknown)}: no such contract; there are {', '.join(sorted(sources))}")
    if strangers := settings.chosen_lifetimes.keys() - sources.keys():
        raise SettingError(f"ROLLBOOK_SESSION_SECONDS: {min(strangers)}: no such contract")
    common = _read(FOLDER / "common.yaml")["components"]["schemas"]
    return [_load(sources[stem], common) for stem in served]


def load(source: Source) -> Contract:
    """Load one contract. Raises SpecError, SettingError."""
    return _load(source, _read(FOLDER / "common.yaml")["components"]["schemas"])


def find_sources(folders: list[Path]) -> dict[str, Source]:
    """Return the files of all contracts by stem.

    Raises SettingError where two have one name, or a file is missing.
    """
    found: dict[str, Source] = {}
    for source in [*_of_house(), *(source for folder in folders for source in _of_folder(folder))]:
        stem = source.spec.stem
        if not STEM.fullmatch(stem) or stem == "common":
            raise SettingError(
                f"ROLLBOOK_CONTRACTS: {source.spec}: a name of up to 16 letters (a-z), digits and _ is expected"
            )
        if stem in found:
            raise SettingError(f"ROLLBOOK_CONTRACTS: {source.spec}: {found[stem].spec} has the same name")
        if not source.handlers.is_file():
            raise SettingError(f"ROLLBOOK_CONTRACTS: {source.handlers}: missing beside {source.spec.name}")
        found[stem] = source
    return found


def _of_house() -> Iterator[Source]:
    modules = FOLDER.with_name("handlers")
    for spec in sorted(FOLDER.glob("*.yaml")):
        if spec.stem != "common":
            yield Source(spec, modules / f"{spec.stem}.py", FOLDER / f"journeys/{spec.name}")


def _of_folder(folder: Path) -> Iterator[Source]:
    if not folder.is_dir():
        raise SettingError(f"ROLLBOOK_CONTRACTS: {folder}: no such folder")
    for spec in sorted(folder.glob("*.yaml")):
        if not spec.name.endswith(JOURNEY):
            yield Source(spec, spec.with_suffix(".py"), spec.with_suffix(JOURNEY))


def _load(source: Source, common: dict[str, Any]) -> Contract:
    """Load a contract and its module. Raises SpecError where the two do not fit."""
    return build(source, bundle(_read(source.spec), common))


def build(source: Source, document: dict[str, Any]) -> Contract:
    """Make a contract of a self-contained document and the module beside it. Raises SpecError where they do not fit."""
    stem = source.spec.stem
    check_words(stem, document)
    module = load_module(stem, source)
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            name = operation.get("operationId", "") if isinstance(operation, dict) else None
            if name is not None and not callable(getattr(module, name or "?", None)):
                reason = f"{source.handlers.name} has no function {name!r}" if name else "operationId is missing"
                raise SpecError(stem, f"paths {path} {method}", reason)
    if not callable(getattr(module, "fail", None)):
        raise SpecError(stem, source.handlers.name, "fail(error), which returns a body and a status, is missing")
    for name, scheme in document["components"].get("securitySchemes", {}).items():
        try:
            find_function(scheme)
        except ValueError as error:
            raise SpecError(stem, f"components securitySchemes {name}", str(error)) from None
    contract = Contract(stem, document, module.fail, source)
    directory.sessions[stem] = SessionRules(**document.get("x-session", {"seconds": DAY}))
    account_field.declared[stem] = {name: _longest(stem, name, s) for name, s in contract.account_fields.items()}
    return contract


def _longest(stem: str, name: str, schema: dict[str, Any]) -> int:
    """Return how many characters a field of `x-account-fields` may have. Raises SpecError."""
    longest = merge(schema).get("maxLength") if isinstance(schema, dict) else None
    if type(longest) is not int or merge(schema).get("type") != "string" or not FIELD.fullmatch(name):
        raise SpecError(stem, f"x-account-fields {name}", "a name, with a schema of type string and a maxLength")
    return longest


def load_module(stem: str, source: Source) -> Any:
    """Import the module of a contract, which is one of the package `handlers` wherever its file lies.

    Raises SpecError where it cannot be imported, or the package has another of this name.
    """
    folder = str(source.handlers.parent)
    if folder not in handlers.__path__:
        handlers.__path__.append(folder)
        importlib.invalidate_caches()
    try:
        module = importlib.import_module(f"handlers.{stem}")
    except SyntaxError as error:
        raise SpecError(stem, f"{error.filename}, line {error.lineno}", error.msg) from None
    except ImportError as error:
        raise SpecError(stem, source.handlers.name, str(error)) from None
    if Path(str(module.__file__)).resolve() != source.handlers.resolve():
        raise SpecError(stem, source.handlers.name, f"the name is taken by {module.__file__}")
    return module


def bundle(document: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the common value types that it uses among its own components, and no bare `allOf`."""
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
    described: dict[str, Any] = _inline_described(bundled, schemas)
    return described


def _inline_described(node: Any, schemas: dict[str, Any]) -> Any:
    """Return a part of a document with simple types in place of each `allOf` that only adds words to one.

    Behind it generators, and Connexion's form parser, lose the type.
    """
    if isinstance(node, dict):
        match node.get("allOf"):
            case [{"$ref": str(name)}] if (found := merge(_follow(name, schemas))).get("type") in SIMPLE:
                return found | {key: value for key, value in node.items() if key != "allOf"}
        return {key: _inline_described(value, schemas) for key, value in node.items()}
    return [_inline_described(item, schemas) for item in node] if isinstance(node, list) else node


def _follow(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a named schema, with those in place that its `allOf` names. Nothing where it is none of these."""
    schema: dict[str, Any] = schemas.get(name.removeprefix(LOCAL), {})
    parts = [_follow(part["$ref"], schemas) if "$ref" in part else part for part in schema.get("allOf", [])]
    return schema | ({"allOf": parts} if parts else {})


def _read(file: Path) -> dict[str, Any]:
    """Read a file of YAML. Raises SpecError where it is none."""
    try:
        document = yaml.load(file.read_text("utf-8"), Loader)  # noqa: S506  # a safe one
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(file.stem, f"line {line}", f"not YAML: {error.problem}") from None
    if not isinstance(document, dict):
        raise SpecError(file.stem, "line 1", "an object is expected")
    return document
