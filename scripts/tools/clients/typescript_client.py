"""TypeScript clients: @hey-api/openapi-ts, compiled under `strict`; npm brings both as `package-lock.json` says."""

import shutil
import subprocess
from pathlib import Path

import orjson

from scripts.tools.clients import ADDRESS
from scripts.tools.clients.failure import Stumbled
from scripts.tools.harness.npm import BIN, install
from server.specs import Contract

HERE = Path(__file__).parent
OPTIONS = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "target": "es2022",
    "module": "nodenext",
    "lib": ["es2022", "dom", "dom.iterable"],
    "types": [],
    "declaration": True,
    "skipLibCheck": True,
    "rootDir": "src",
    "outDir": "dist",
}


def make(contracts: list[Contract], folder: Path) -> None:
    """Generate and compile `folder/<stem>`, the package `rollbook-<stem>`. Raises Stumbled, CannotBeHad."""
    install(HERE, folder)
    for contract in contracts:
        package = folder / contract.stem
        package.mkdir()
        (package / "openapi.json").write_bytes(orjson.dumps(contract.published(ADDRESS)))
        _write(package / "package.json", _describe(contract))
        _write(package / "tsconfig.json", {"compilerOptions": OPTIONS, "include": ["src"]})
    stems = [contract.stem for contract in contracts]
    shutil.copy(HERE / "generate.mjs", folder)
    _node(folder, "generate.mjs", *stems)
    _node(folder, "node_modules/typescript/bin/tsc", "--build", *stems)
    for stem in stems:
        link = folder / "node_modules" / f"rollbook-{stem}"
        link.unlink(missing_ok=True)
        link.symlink_to(folder / stem)


def _describe(contract: Contract) -> dict[str, object]:
    return {
        "name": f"rollbook-{contract.stem}",
        "private": True,
        "description": f"Client of {contract.document['info']['title']}",
        "type": "module",
        "exports": {".": {"types": "./dist/index.d.ts", "default": "./dist/index.js"}},
        "files": ["dist"],
    }


def _node(folder: Path, script: str, *arguments: str) -> None:
    ran = subprocess.run(  # noqa: S603  # a tool of this environment
        [BIN / "node", script, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise Stumbled(f"{Path(script).name}:\n{ran.stdout}{ran.stderr}")


def _write(file: Path, value: object) -> None:
    file.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))
