"""`rollbook contract new` writes a contract without a mistake; `check` tells every mistake by file and line."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

import handlers
from server.cli.contract_check import mistakes
from server.settings import Settings
from server.specs import Source, load_contracts

Operate = Callable[..., Result]
NUMBERS = itertools.count(1)
pytestmark = pytest.mark.once("touches files alone")


@pytest.fixture
def spec(operate: Operate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The YAML file of a new contract, whose module is forgotten afterwards."""
    monkeypatch.setattr(handlers, "__path__", list(handlers.__path__))
    stem = f"shop{next(NUMBERS)}"
    made = operate("contract", "new", stem, "--folder", str(tmp_path / "own"))
    assert made.exit_code == 0, made.stderr
    spec = tmp_path / f"own/{stem}.yaml"
    assert made.stdout.splitlines() == [str(spec.with_suffix(end)) for end in (".yaml", ".py", ".journey.yaml")]
    yield spec
    sys.modules.pop(f"handlers.{stem}", None)


def test_a_new_contract_has_no_mistake_and_can_be_loaded(operate: Operate, spec: Path) -> None:
    checked = operate("contract", "check", str(spec))
    assert (checked.exit_code, checked.stdout) == (0, f"{spec}: no mistake to be seen\n")
    (contract,) = load_contracts(Settings(contracts=str(spec.parent), serve=spec.stem))
    assert contract.base_path == f"/{spec.stem}"


def test_nothing_is_written_over(operate: Operate, spec: Path) -> None:
    again = operate("contract", "new", spec.stem, "--folder", str(spec.parent))
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    for stem in ("Shop", "a-b", "common", "a" * 17, "sso"):
        assert operate("contract", "new", stem, "--folder", str(spec.parent)).exit_code == 1


Spoil = Callable[[Path], object]


def replace(ending: str, good: str, bad: str) -> Spoil:
    """Return what replaces something in one of the files."""

    def change(spec: Path) -> None:
        file = spec.with_suffix(ending)
        text = file.read_text()
        assert good in text
        file.write_text(text.replace(good, bad, 1))

    return change


WRONG: list[tuple[Spoil, str, str]] = [
    (replace(".yaml", "x-session", "x-sessions"), ".yaml", "/x-sessions: no such word"),
    (
        replace(".yaml", "operationId: log_in\n", "operationId: login\n"),
        ".yaml",
        "paths /sessions post: shop{n}.py has no function 'login'",
    ),
    (
        replace(".yaml", "{name: login, per: account, of: username", "{name: logins, per: account, of: username"),
        ".yaml",
        "a password is tried here: x-rate-limit of the name login is expected",
    ),
    (
        replace(".yaml", "value: {id: 786, username: TestUser}", "value: {id: none, username: TestUser}"),
        ".yaml",
        "the example does not fit its schema: id is not of type integer",
    ),
    (
        replace(".yaml", "minLength: 40, maxLength: 40, ", ""),
        ".yaml",
        "string without a limit: maxLength is expected",
    ),
    (
        replace(".yaml", "        '413': {$ref: '#/components/responses/TooLarge'}\n", ""),
        ".yaml",
        "responses: 413 is missing",
    ),
    (replace(".yaml", "type: http", "type: https"), ".yaml", "not OpenAPI 3.0"),
    (replace(".yaml", "handlers.shop", "handlers.nobody"), ".yaml", "x-bearerInfoFunc: there is no function handlers."),
    (replace(".py", "def fail(", "def failed("), ".yaml", "fail(error), which returns a body and a status, is missing"),
    (replace(".py", "def log_out(user: Session)", "def log_out(user: Session"), ".py", "invalid syntax"),
    (
        replace(".journey.yaml", "operationId: read_account\n", "operationId: read\n"),
        ".journey.yaml",
        "operationId 'read': no such operation",
    ),
    (replace(".journey.yaml", "x-role: use\n", "x-tag: use\n"), ".journey.yaml", "no step has x-role: use"),
    (lambda spec: spec.with_suffix(".journey.yaml").unlink(), ".journey.yaml", "missing: what a client does"),
]


@pytest.mark.parametrize(("change", "ending", "told"), WRONG, ids=[told[:40] for _, _, told in WRONG])
def test_a_mistake_is_told_by_file_and_line(
    operate: Operate, spec: Path, change: Spoil, ending: str, told: str
) -> None:
    before = {file: file.read_text().splitlines() for file in spec.parent.iterdir() if file.is_file()}
    change(spec)
    checked = operate("contract", "check", str(spec))
    assert checked.exit_code == 1
    file, line, words = checked.stdout.splitlines()[0].split(":", 2)
    assert file == str(spec.with_suffix(ending))
    assert int(line) <= len(before[Path(file)])
    assert told.format(n=spec.stem.removeprefix("shop")) in words


def test_the_line_is_that_of_the_mistake(spec: Path) -> None:
    replace(".yaml", "x-session", "x-sessions")(spec)
    number = next(n for n, line in enumerate(spec.read_text().splitlines(), 1) if "x-sessions" in line)
    source = Source(spec, spec.with_suffix(".py"), spec.with_suffix(".journey.yaml"))
    assert next(mistake.line for mistake in mistakes(source)) == number
