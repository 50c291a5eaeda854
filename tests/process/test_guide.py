"""The operator guide is followed word for word, in a fresh folder."""

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.conftest import CHEAP, ROOT
from tests.postgres import PostgresServer

GUIDE = ROOT / "scripts/tools/docs/pages/operator.md"
PATIENCE = 300
"""Seconds that all of it may take on a busy machine."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the repository in which nothing was done yet; it borrows the packages."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],  # noqa: S607  # whichever git is on the PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    copy = tmp_path / "rollbook"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


@pytest.mark.once("the guide goes from SQLite to PostgreSQL")
def test_every_line_of_the_guide_does_what_it_says(checkout: Path, postgres: PostgresServer) -> None:
    missing = [tool for tool in ("bash", "curl") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"the guide needs {', '.join(missing)}")
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE guided")
    ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    instead = {
        "127.0.0.1:8000": f"127.0.0.1:{ports[0].getsockname()[1]}",
        "127.0.0.1:8001": f"127.0.0.1:{ports[1].getsockname()[1]}",
        "postgresql://rollbook@127.0.0.1/rollbook": postgres.url.removesuffix("rollbook") + "guided",
    }
    for port in ports:
        port.close()
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL))
    for given, taken in instead.items():
        assert given in lines
        lines = lines.replace(given, taken)
    cheap = {name: value for name, value in CHEAP.items() if name != "ROLLBOOK_SECRET_KEY"}
    first = instead["127.0.0.1:8000"]
    followed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p)' EXIT\n{lines}"],  # noqa: S607  # the guide's
        cwd=checkout,
        env=os.environ | cheap | {"ROLLBOOK_BIND": first},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    said = followed.stdout
    assert followed.returncode == 0, said + followed.stderr
    for words in ("username      root", "backup/today", "1 accounts are back", "2 accounts were added"):
        assert words in said
    assert said.count("the store is sound") == 2
    assert json.loads(said.splitlines()[-1])["code"] == "OK"
    with psycopg.connect(instead["postgresql://rollbook@127.0.0.1/rollbook"]) as connection:
        accounts = connection.execute("SELECT username FROM account ORDER BY id").fetchall()
    assert accounts == [("root",), ("li",), ("王五",)]
