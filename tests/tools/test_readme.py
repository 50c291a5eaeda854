"""The README says what is: its lines run, its tables are those of the code."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.settings import variables
from server.specs import load_contracts
from tests.conftest import ROOT, Served

README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = (ROOT / "scripts/tools/docs/pages/settings.md").read_text("utf-8")
COMPUTED = {"database_url", "secret_key", "hash_concurrency", "datasvr"}
"""Settings whose default is computed or empty; their row tells it in words."""
PAGES = sorted((ROOT / "scripts/tools/docs/pages").glob("*.md"))
ROOMS = ("specs", "handlers", "models", "server", "deploy", "scripts", "tests")


USER = {"id": 1, "username": "TestUser", "nickName": "穿林北腿蒋中正", "email": "user@xyz.com"}


def _rows(heading: str, text: str = README) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    section = text.partition(f"# {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _written(default: Any) -> str:
    return str(int(default)) if isinstance(default, bool) else str(default)


def test_the_table_of_settings_is_that_of_the_code() -> None:
    table = {cells[0].strip("`"): cells[1].strip("`") for cells in _rows("Settings", SETTINGS)}
    declared = {name: "" if field.name in COMPUTED else _written(field.default) for name, field in variables().items()}
    assert table == declared


def test_every_contract_has_its_row() -> None:
    rows = {re.sub(r".*\[`(\w+)`\].*", r"\1", cells[0]) for cells in _rows("The contracts")}
    assert rows == {contract.stem for contract in load_contracts()}


@pytest.mark.process
def test_every_room_of_the_house_is_on_the_map() -> None:
    listed = set(re.findall(r"^(\w+)/ ", README.partition("## The house")[2], re.MULTILINE))
    # whichever git is on the PATH
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    rooms = {Path(file).parts[0] for file in tracked.splitlines() if "/" in file}
    assert {room for room in rooms if not room.startswith(".")} == listed


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_every_script_and_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(rf"`(?:\./)?((?:{'|'.join(ROOMS)})/[\w./-]*)", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert all(os.access(ROOT / name, os.X_OK) for name in named if re.fullmatch(r"scripts/\w+", name))


@pytest.mark.once("the five minutes are on SQLite")
def test_the_five_minutes_come_out_as_they_should(serve: Callable[..., Served], tmp_path: Path) -> None:
    missing = [tool for tool in ("bash", "curl", "openssl", "sed") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"the five minutes need {', '.join(missing)}")
    server = serve(ROLLBOOK_SECRET_KEY="")
    lines = README.partition("```sh\n")[2].partition("```")[0]
    lines = lines.replace("http://127.0.0.1:8000", server.url)
    # every answer on a line of its own, so that it can be told from the next
    lines = re.sub(r"^curl ", "curl -w '\\\\n' ", lines, flags=re.MULTILINE)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],  # noqa: S607  # the README's own lines
        cwd=ROOT,
        env=os.environ | {"ROLLBOOK_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line]
    signed = answers.pop(3)
    assert re.fullmatch("[0-9a-z]{16}", signed.pop("token"))
    assert signed == {"userid": "TestUser"}
    assert answers == [
        {"id": 1},
        {"id": 1, "email": "user@xyz.com", "username": "TestUser"},
        {"code": "OK", "message": "认证成功，用户已登录", "data": "1"},
        {"ret": 0, "msg": "登陆成功"},
        {"ret": 0, "user_name": "TestUser", "user_id": "TestUser"},
        {"ret": 0, "msg": "修改成功"},
        {"success": True, "payload": 1},
        {"success": True, "payload": {"count": 1, "rows": [USER]}},
        {"code": "request_param_err", "message": "缺少password", "data": None},
    ]
