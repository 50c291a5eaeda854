"""Change the contracts, one thing at a time, and see whether a proof sees it; end with 1 where too few are seen.

Two runs, since a server and proofs that read the same changed file agree: the changed server against the proofs of the
original, and the server of the original against the proofs of the changed one.
"""

import argparse
import json
import re
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from scripts.tools.mutate.mutants import choose
from scripts.tools.mutate.run import Verdict, complain, judge
from server.settings import Settings
from server.specs import load_contracts

LISTED = Path(__file__).with_name("survivors.yaml")
QUICK, WHOLE = 60, 400
ENOUGH = 0.95


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"a sample of {QUICK}")
    parser.add_argument("--count", type=int, help=f"how many mutants (default: {WHOLE})")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same mutants (default: 1)")
    parser.add_argument("--processes", type=int, default=2, help="how many run at once (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what became of each")
    asked = parser.parse_args()
    begun = time.monotonic()
    listed = yaml.safe_load(LISTED.read_text("utf-8"))
    contracts = load_contracts(Settings())
    known = read_complaints(listed)
    wrong = False
    for stem, faults in complain(contracts, asked.processes, limits=not asked.quick):
        for fault in (fault for fault in faults if fault not in known):
            wrong = True
            print(f"{stem}: the proof of the original complains: {fault}", flush=True)
    if wrong:
        return 1
    chosen = choose(contracts, asked.count or (QUICK if asked.quick else WHOLE), asked.seed)
    verdicts = []
    for verdict in judge(chosen, contracts, known, asked.processes):
        verdicts.append(verdict)
        if asked.json:  # each time, for a run that is ended before its end
            told = [one._asdict() for one in verdicts]
            asked.json.write_text(json.dumps(told, ensure_ascii=False, indent=1), "utf-8")
        if not verdict.fault:
            print(f"survived: {verdict.mutant}: {_reason(verdict, listed['survivors'])}", flush=True)
    return _report(verdicts, listed["survivors"], time.monotonic() - begun)


def read_complaints(listed: dict[str, Any]) -> set[str]:
    """Return what the proofs of the originals are known to miss."""
    return {one["fault"] for complaints in listed["complaints"].values() for one in complaints}


def _reason(verdict: Verdict, survivors: list[dict[str, str]]) -> str:
    """Return why a mutant may survive; a text that says so where no reason is listed."""
    found = (one["reason"] for one in survivors if re.search(one["mutant"], verdict.mutant))
    return next(found, "NO REASON IS LISTED")


def _report(verdicts: list[Verdict], survivors: list[dict[str, str]], seconds: float) -> int:
    killed = [verdict for verdict in verdicts if verdict.fault]
    by_kind = Counter(verdict.kind for verdict in verdicts)
    for kind, count in sorted(by_kind.items()):
        print(f"{kind:<14} {sum(one.kind == kind for one in killed):>4} of {count}")
    runs = Counter(verdict.run for verdict in killed)
    print(
        f"seen at start {runs['start']}, in the changed server {runs['server']}, by the changed proofs {runs['proofs']}"
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time")
    unexplained = [one for one in verdicts if not one.fault and _reason(one, survivors).isupper()]
    print(f"killed {len(killed)} of {len(verdicts)} mutants", flush=True)
    return 1 if unexplained or len(killed) < ENOUGH * len(verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
