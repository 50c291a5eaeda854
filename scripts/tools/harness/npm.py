"""npm's packages, in a folder, as a lock file lists them."""

import shutil
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
"""Where Node.js and npm are, which came as a wheel."""


class CannotBeHad(Exception):
    """npm, or what npm should bring, is not there, such as without a network."""

    exit_code = 75


def install(listed: Path, folder: Path) -> None:
    """Have npm bring what `listed/package-lock.json` lists, unless it is there. Raises CannotBeHad."""
    installed = folder / "package-lock.json"
    wanted = listed / "package-lock.json"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    installed.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(listed / "package.json", folder)
    if not (BIN / "npm").exists():
        raise CannotBeHad(f"there is no Node.js in {BIN}")
    shutil.copy(wanted, installed)
    ran = subprocess.run(  # noqa: S603  # a tool of this environment
        [BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        installed.unlink()
        raise CannotBeHad(f"npm cannot install what package-lock.json lists:\n{ran.stdout}{ran.stderr}")
