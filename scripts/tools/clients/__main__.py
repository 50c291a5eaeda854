"""Generate a Python and a TypeScript client for every contract into `build/clients`, and build them.

What is there already, made from the same contracts in the same way, is left as it is.
"""

import argparse
import fcntl
import hashlib
import shutil
import sys
from pathlib import Path

import orjson

from scripts.tools.clients import python_client, typescript_client
from scripts.tools.clients.failure import Stumbled
from scripts.tools.harness.npm import CannotBeHad
from server.specs import Contract, load_contracts

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "build" / "clients"
LANGUAGES = {"python": python_client.make, "typescript": typescript_client.make}


def main() -> int:
    """Make the clients of both languages. Returns 1 where a generator or a compiler is not content, 75 without npm."""
    argparse.ArgumentParser(prog="clients", description=__doc__).parse_args()
    contracts = load_contracts()
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that start together make the clients once
        for language, make in LANGUAGES.items():
            folder = BUILT / language
            stamp = folder / ".made_from"
            digest = _digest(contracts)
            if stamp.exists() and stamp.read_text() == digest:
                print(f"{folder.relative_to(ROOT)} is up to date")
                continue
            stamp.unlink(missing_ok=True)
            for contract in contracts:
                shutil.rmtree(folder / contract.stem, ignore_errors=True)
            folder.mkdir(exist_ok=True)
            try:
                make(contracts, folder)
            except (Stumbled, CannotBeHad) as error:
                print(f"clients: {language}: {error}", file=sys.stderr)
                return error.exit_code
            stamp.write_text(digest)
            print(f"{folder.relative_to(ROOT)}: {', '.join(contract.stem for contract in contracts)}")
    return 0


def _digest(contracts: list[Contract]) -> str:
    """Return what tells apart all that clients are made from: contracts, this package, versions of the generators."""
    digest = hashlib.sha256(orjson.dumps([contract.document for contract in contracts]))
    own = [file for file in sorted(Path(__file__).parent.iterdir()) if file.is_file()]
    for file in [*own, ROOT / "requirements-dev.lock"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


sys.exit(main())
