"""Run every proof for the contracts of folders, or for the house's, and print one table; end with 1 if one fails."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from scripts.tools.prove.proofs import PROOFS, REPORTS
from server.contract.spec_error import SpecError
from server.settings import SettingError, Settings
from server.specs import Contract, find_sources, load_contracts


def main() -> int:
    """Prove; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/prove", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="of contracts; default: the house's")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--only", nargs="+", choices=PROOFS, metavar="PROOF", help=", ".join(PROOFS))
    asked = parser.parse_args()
    try:
        contracts = _load([folder.resolve() for folder in asked.folders])
    except (SettingError, SpecError) as error:
        print(f"prove: {error}", file=sys.stderr)
        return 1
    REPORTS.mkdir(parents=True, exist_ok=True)
    table = [_prove(contract, name, asked.json) for contract in contracts for name in asked.only or PROOFS]
    if asked.json:
        print(json.dumps(table, ensure_ascii=False, indent=1))
    failed = [row for row in table if row["faults"]]
    if not asked.json:
        print(f"{len(table) - len(failed)} of {len(table)} proofs hold")
    return 1 if failed else 0


def _load(folders: list[Path]) -> list[Contract]:
    """Load the contracts, and have every server that is started serve these and no others."""
    if folders:
        os.environ["ROLLBOOK_CONTRACTS"] = os.pathsep.join(map(str, folders))
        inside = [stem for stem, source in find_sources(folders).items() if source.spec.parent in folders]
        os.environ["ROLLBOOK_SERVE"] = ",".join(inside)
    return load_contracts(
        Settings(
            contracts=os.environ.get("ROLLBOOK_CONTRACTS", ""),
            serve=os.environ.get("ROLLBOOK_SERVE", ""),
        )
    )


def _prove(contract: Contract, name: str, silent: bool) -> dict[str, Any]:
    """Run one proof; what keeps it from running is a fault, too."""
    try:
        faults = PROOFS[name](contract)
    except (SpecError, SettingError, RuntimeError) as error:
        faults = [str(error)]
    if not silent:
        print(f"{contract.stem:<16} {name:<18} {'holds' if not faults else 'FAILS'}", flush=True)
        for fault in faults:
            print(f"    {fault}", flush=True)
    return {"contract": contract.stem, "proof": name, "faults": faults}


sys.exit(main())
