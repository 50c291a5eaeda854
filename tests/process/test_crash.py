"""Crash tests, the short way; `scripts/crash` goes on for longer, and has a cluster too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.once("starts either engine itself")
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_acknowledged_outlives_whatever_is_killed(tmp_path: Path, engine: str) -> None:
    output = tmp_path / "crash.json"
    options = ["--kills", "2", "--writers", "2", "--pause", "0.05", "--seed", "12"]
    command = ["-m", "scripts.tools.crash", "--engine", engine, *options, "--output", output]
    ran = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (run,) = json.loads(output.read_text())["runs"]
    assert (run["kills"], run["lost"], run["half-done"], run["wrong"]) == (2, 0, 0, 0)
    # how many, the machine decides
    assert run["acknowledged"] > 2 * run["kills"]
    assert run["asked"] > 2 * run["kills"]
