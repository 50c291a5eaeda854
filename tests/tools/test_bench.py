"""The benchmark: that it runs, answers rightly and writes what it measured. How fast anything is, no test asserts."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from models import settings as directory_settings
from models.db.database import connect, database
from models.session import Session
from scripts.tools.bench.fill import fill, secret
from scripts.tools.bench.place import Places
from tests.conftest import ROOT
from tests.postgres import PostgresServer

ARGON2 = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "argon2_parallelism": 1}


@pytest.mark.process
@pytest.mark.skipif(not (shutil.which("wrk") or shutil.which("oha")), reason="neither wrk nor oha is installed")
def test_a_quick_run_measures_every_operation_and_writes_it_down(tmp_path: Path) -> None:
    servers = ["rollbook"]
    if (ROOT / ".venv-bench/bin/gunicorn").exists():
        servers.append("starlette")
    output = tmp_path / "bench.json"
    command = ["--quick", "--no-flood", "--servers", ",".join(servers), "--output", str(output)]
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.tools.bench", *command],
        cwd=ROOT,
        env=os.environ | {"BENCH_FOLDER": str(tmp_path / "bench")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(output.read_text())
    assert {"commit", "machine", "versions", "load_tool", "settings"} <= report.keys()
    assert list(report["servers"]) == servers
    for name, server in report["servers"].items():
        for operation, shown in server["operations"].items():
            assert shown["failed"] == 0, (name, operation)
            assert operation in ended.stdout


@pytest.fixture
def filled(tmp_path: Path) -> Any:
    """A store as `--fill` makes it."""
    before = directory_settings.current
    yield fill(tmp_path / "filled", 100, 1_000, ARGON2)
    database.close()
    directory_settings.apply(before)


@pytest.mark.process
@pytest.mark.once("copies a file of SQLite to PostgreSQL")
def test_on_postgresql_each_server_gets_a_database_of_its_own(
    filled: Any, postgres: PostgresServer, tmp_path: Path
) -> None:
    places = Places(tmp_path, postgres.url)
    for name in ("one", "other", "one"):  # the first was there before
        filled.copy(place := places.make(name))
        with psycopg.connect(place.database_url) as connection:
            assert connection.execute("SELECT COUNT(*) FROM session").fetchone() == (100,)
            assert connection.execute("SELECT current_database()").fetchone() == (f"bench-{name}",)
    assert places.describe().startswith("PostgreSQL ")


@pytest.mark.once("reads a file of SQLite")
def test_a_filled_store_is_whole_and_its_sessions_are_live(filled: Any) -> None:
    file = sqlite3.connect(filled.folder / "rollbook.sqlite3")
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert file.execute("PRAGMA foreign_key_check").fetchall() == []
    counts = [
        file.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # noqa: S608  # names of our own tables
        for table in ("account", "session", "relation")
    ]
    file.close()
    assert counts == [100, 100, 1_000]
    connect(f"sqlite:///{filled.folder}/rollbook.sqlite3")
    for contract in ("annotation", "dbms", "sso", "signed", "indexy"):
        number = filled.numbers(contract)[0]
        assert Session.find(contract, secret(contract, number)).account.username == f"user{number}"
