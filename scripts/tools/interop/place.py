"""Where a tool works: its contract, its folder, its programs."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import orjson

from scripts.tools.fuzz.server import Server
from scripts.tools.harness.npm import BIN
from server.specs import Contract

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "build" / "interop"
PYTHON = ROOT / ".venv-interop"
PACKAGES = BUILT / "npm"
"""Where the tools of the two registries are."""

SECONDS = 300
ENVIRONMENT = os.environ | {
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "NO_UPDATE_NOTIFIER": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Fault(Exception):
    """A tool is not content, or what it made is no good."""


class NotHere(Exception):
    """A program that the tool needs is not on this machine."""


@dataclass(frozen=True)
class Place:
    """Where one tool meets one contract.

    document: the published contract, as it is served. folder: an empty folder of its own.
    """

    contract: Contract
    server: Server
    document: Path
    folder: Path

    @property
    def stem(self) -> str:
        """Return the contract's stem."""
        return self.contract.stem

    @property
    def base_url(self) -> str:
        """Return where the contract begins on the running server."""
        return f"{self.server.url}{self.contract.base_path}"


def run(*command: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Run a program to its end and return what it said. Raises Fault where it is not content."""
    try:
        ran = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=ENVIRONMENT | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Fault(f"{Path(command[0]).name} did not end in {SECONDS} seconds") from None
    if ran.returncode:
        raise Fault(f"{Path(command[0]).name}: {ran.stdout.strip() or f'exit code {ran.returncode}'}")
    return ran.stdout


def python_tool(name: str) -> Path:
    """Return a command that pip brought."""
    return PYTHON / "bin" / name


def npm_tool(name: str) -> Path:
    """Return a command that npm brought."""
    return PACKAGES / "node_modules" / ".bin" / name


def need(*programs: str) -> None:
    """Raise NotHere where a program is missing."""
    for name in programs:
        if not shutil.which(name):
            raise NotHere(f"{name} is missing; scripts/programs installs it")


def need_file(file: str) -> None:
    """Raise NotHere where a library of Debian's is missing."""
    if not Path(file).exists():
        raise NotHere(f"{file} is missing; scripts/programs installs it")


def version(package: str) -> str:
    """Return the installed version of a package, of npm's where npm has it."""
    listed = PACKAGES / "node_modules" / package / "package.json"
    if listed.exists():
        return str(orjson.loads(listed.read_bytes())["version"])
    folder = PYTHON / f"lib/python3.{sys.version_info.minor}/site-packages"
    found = {one.metadata["Name"].lower(): one.version for one in distributions(path=[str(folder)])}
    return found[package]
