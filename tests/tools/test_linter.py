"""The security linter is on, and whatever it is told to overlook has its reason beside it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("handlers", "models", "scripts", "server", "tests")
OVERLOOKED = re.compile(r"# noqa: [A-Z0-9, ]*\bS\d{3}\b(?P<why>\s+#.+)?")
LINT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]


@pytest.mark.process
def test_the_security_linter_is_on_and_finds_what_it_is_for(tmp_path: Path) -> None:
    assert "S" in LINT["select"]
    assert not any(rule.startswith("S") and rule[1:].isdigit() for rule in LINT["ignore"])
    bad = tmp_path / "bad.py"
    bad.write_text('import os\n\n\ndef run(words: str) -> None:\n    os.system(f"echo {words}")\n', "utf-8")
    command = [sys.executable, "-m", "ruff", "check", f"--config={ROOT / 'pyproject.toml'}", "--no-cache", str(bad)]
    assert "S605" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_whatever_the_security_linter_overlooks_has_its_reason() -> None:
    bare = []
    for file in (file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        lines = file.read_text("utf-8").splitlines()
        for number, line in enumerate(lines):
            found = OVERLOOKED.search(line)
            if found and not found["why"] and not lines[number - 1].lstrip().startswith("#"):
                bare.append(f"{file.relative_to(ROOT)}:{number + 1}")
    assert bare == []
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    excused = settings.partition("[tool.ruff.lint.per-file-ignores]\n")[2].partition("\n\n")[0]
    assert [line for line in excused.splitlines() if re.search(r'"S\d{3}"', line) and "#" not in line] == []
