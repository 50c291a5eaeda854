"""Measure, print a table, and fail where something is told or a control is not."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from models.db.database import transaction
from models.proof import prove
from scripts.tools.enumeration.measure import Finding, measure
from scripts.tools.enumeration.probes import KNOWN_EMAIL, KNOWN_MOBILE, PROBES
from scripts.tools.enumeration.server import ROOT, Server

PAGE = ROOT / "scripts/tools/docs/pages/enumeration.md"
BEGIN = "## Measured\n"
LEVEL = 0.01
"""Chance that some operation of a run is called leaky although none is."""
HEAD = (
    "| operation | pairs | answers | known (µs) | unknown (µs) | median difference (µs) | p | told apart |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def main() -> int:
    """Run the probes; return how many findings are not as they should be."""
    parser = argparse.ArgumentParser(description="Measure whether answers tell who has an account.")
    parser.add_argument("--pairs", type=int, default=2000, help="pairs of requests per operation")
    parser.add_argument("--operation", action="append", default=[], help="only those whose name holds this; repeatable")
    parser.add_argument("--cheap", action="store_true", help="hash for next to nothing: what else takes time shows")
    parser.add_argument("--database-url", default="", help="an empty store, such as postgresql://...; default: SQLite")
    parser.add_argument("--page", action="store_true", help="write the table into the documentation")
    options = parser.parse_args()
    chosen = [p for p in PROBES if not options.operation or any(word in p.name for word in options.operation)]
    level = LEVEL / len(chosen)
    lines, wrong = [], 0
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), options.cheap, options.database_url) as server:
        known = server.register("known", email=KNOWN_EMAIL, mobile=KNOWN_MOBILE)
        with transaction():  # or all that probes register with them would be holders, too
            prove(known, "email", KNOWN_EMAIL)
            prove(known, "mobile", KNOWN_MOBILE)
        for probe in chosen:
            finding = measure(server, probe, options.pairs)
            wrong += finding.detects(level) != finding.control
            lines.append(_row(finding, level))
            print(lines[-1], flush=True)
    if options.page:
        _write(lines, level)
    return wrong


def _row(finding: Finding, level: float) -> str:
    times = f"{finding.known:.0f} | {finding.unknown:.0f} | {finding.difference:+.0f}"
    alike = "alike" if finding.alike else "differ"
    told = "yes" if finding.detects(level) else "no"
    return f"| {finding.name} | {finding.pairs} | {alike} | {times} | {finding.probability:.2g} | {told} |"


def _write(lines: list[str], level: float) -> None:
    """Put the table where the page has it."""
    load = " / ".join(f"{part:.1f}" for part in os.getloadavg())
    said = f"\nTold apart where p < {level:.2g}. Load of the machine at the end: {load} on {os.cpu_count()} cores.\n"
    before = PAGE.read_text("utf-8").partition(BEGIN)[0]
    PAGE.write_text(before + BEGIN + "\n" + HEAD + "\n".join(lines) + "\n" + said, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
