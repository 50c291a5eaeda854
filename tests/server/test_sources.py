"""Contracts are found in the house and in folders outside; what is wrong with one is told in one sentence."""

import ast
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import handlers
from server.settings import SettingError, Settings
from server.specs import SpecError, find_sources, load_contracts
from tests.conftest import ROOT

HOUSE = {"annotation", "dbms", "indexy", "signed", "sso"}
SPEC = """\
openapi: 3.0.3
info: {title: One, version: "1"}
servers: [{url: /one}]
x-session: {seconds: 60, sliding: true}
paths:
  /ping:
    get: {operationId: ping, responses: {"204": {description: pong}}}
"""
MODULE = "def ping(): ...\ndef fail(error): ...\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the tree with one contract, `tiny`; its module is forgotten afterwards."""
    monkeypatch.setattr(handlers, "__path__", list(handlers.__path__))
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "tiny.py").write_text(MODULE)
    yield tmp_path
    handlers.__dict__.pop("tiny", None)
    sys.modules.pop("handlers.tiny", None)


def load(*folders: Path, serve: str = "") -> list[str]:
    """Return the stems of what is loaded."""
    named = Settings(contracts=os.pathsep.join(map(str, folders)), serve=serve)
    return [contract.stem for contract in load_contracts(named)]


def test_the_contracts_of_a_folder_are_beside_those_of_the_house(folder: Path) -> None:
    assert set(load()) == HOUSE
    assert set(load(folder)) == HOUSE | {"tiny"}
    named = Settings(contracts=str(folder), serve="tiny")
    (tiny,) = load_contracts(named)
    assert (tiny.base_path, named.session_lifetime("tiny")) == ("/one", 60)
    assert tiny.source.journey == folder / "tiny.journey.yaml"


def test_only_those_are_served_that_are_named(folder: Path) -> None:
    assert load(folder, serve="sso, tiny") == ["sso", "tiny"]
    with pytest.raises(SettingError, match=r"^ROLLBOOK_SERVE: nobody: no such contract; there are annotation, dbms"):
        load(folder, serve="nobody")


def test_the_same_name_twice_ends_the_start(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(folder, other, dirs_exist_ok=True)
    with pytest.raises(SettingError, match=f"^ROLLBOOK_CONTRACTS: {other}/tiny.yaml: {folder}/tiny.yaml has the same"):
        load(folder, other)
    (folder / "sso.yaml").write_text(SPEC)
    with pytest.raises(SettingError, match=r"sso.yaml: .*/specs/sso.yaml has the same name"):
        load(folder)


def test_a_name_that_the_package_has_already_is_refused(folder: Path) -> None:
    """Else the house's module would answer in place of the one beside the spec."""
    (folder / "exceptions.yaml").write_text(SPEC)
    (folder / "exceptions.py").write_text(MODULE)
    with pytest.raises(SpecError, match=r"exceptions.yaml: exceptions.py: the name is taken by .*handlers/exceptions"):
        load(folder)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no module": (lambda f: (f / "tiny.py").unlink(), r"tiny.py: missing beside tiny.yaml"),
    "no fail": (lambda f: (f / "tiny.py").write_text("def ping(): ..."), r"fail\(error\), which returns"),
    "no function": (
        lambda f: (f / "tiny.py").write_text("def fail(error): ..."),
        r"^tiny.yaml: paths /ping get: tiny.py has no function 'ping'",
    ),
    "a slip in the module": (lambda f: (f / "tiny.py").write_text("x = 1\ndef ping(:"), r"tiny.py, line 2: invalid"),
    "a library that is not there": (lambda f: (f / "tiny.py").write_text("import nosuch"), "No module named 'nosuch'"),
    "a slip in the spec": (lambda f: (f / "tiny.yaml").write_text("a: 1\nb: ]"), r"^tiny.yaml: line 2: not YAML"),
    "no object": (lambda f: (f / "tiny.yaml").write_text("- a"), r"^tiny.yaml: line 1: an object is expected"),
    "a name with a dash": (
        lambda f: (f / "tiny.yaml").rename(f / "ti-ny.yaml"),
        r"ti-ny.yaml: a name of up to 16 letters",
    ),
    "a lifetime in words": (
        lambda f: (f / "tiny.yaml").write_text(SPEC.replace("60", "1h")),
        r'^tiny.yaml: /x-session/seconds: "1h" is not of type "integer"',
    ),
    "a slip in x-session": (
        lambda f: (f / "tiny.yaml").write_text(SPEC.replace("sliding", "slides")),
        r"^tiny.yaml: /x-session/slides: no such word",
    ),
}


@pytest.mark.parametrize(("spoil", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_contract_is_told_in_one_sentence(
    folder: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(folder)
    with pytest.raises((SettingError, SpecError), match=told):
        load(folder)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^ROLLBOOK_CONTRACTS: .*/gone: no such folder"):
        find_sources([tmp_path / "gone"])
    with pytest.raises(SettingError, match=r"^ROLLBOOK_SESSION_SECONDS: nobody: no such contract"):
        load_contracts(Settings(session_seconds="nobody=5"))


def test_the_server_knows_no_contract() -> None:
    """What it must know of one stands in the YAML, so that a sixth is served without touching another file."""
    for file in sorted((ROOT / "server").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            assert not {f"handlers.{stem}" for stem in HOUSE} & set(modules), file
            assert not (isinstance(node, ast.Constant) and node.value in HOUSE), (file, node.lineno)
