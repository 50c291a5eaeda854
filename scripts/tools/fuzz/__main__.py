"""Fuzz every contract, anonymous and logged in, then walk at random through all five at once.

Reports go into `build/fuzz/`. Ends with 1 if anything is wrong.
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from scripts.tools.fuzz.outcome import Outcome
from scripts.tools.fuzz.report import summarize
from scripts.tools.fuzz.runner import CALLERS, STEMS, Effort, fuzz
from scripts.tools.fuzz.server import ROOT
from scripts.tools.fuzz.walk import POLICIES, walk

REPORTS = ROOT / "build" / "fuzz"


def main() -> None:
    """Read the command line, run, sum up."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, help="how long to fuzz, for all runs together (default: one round)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same (default: 1)")
    parser.add_argument("--examples", type=int, default=100, help="cases per operation and phase (default: 100)")
    parser.add_argument("--contract", nargs="+", choices=STEMS, default=STEMS, metavar="STEM", help=", ".join(STEMS))
    parser.add_argument("--steps", type=int, default=10_000, help="of the walk, beyond the minutes (default: 10000)")
    asked = parser.parse_args()
    count = len(asked.contract) * len(CALLERS)
    at_once = min(os.cpu_count() or 1, count)
    seconds = asked.minutes and max(1, round(asked.minutes * 60 * at_once / count))
    effort = Effort(asked.seed, asked.examples, seconds)
    runs: list[Callable[[], Outcome]] = [
        partial(fuzz, stem, caller, effort, REPORTS) for stem in asked.contract for caller in CALLERS
    ]
    if asked.steps:
        runs += [partial(walk, policy, asked.steps // len(POLICIES), asked.seed, REPORTS) for policy in POLICIES]
    outcomes = []
    with ThreadPoolExecutor(at_once) as pool:
        for outcome in pool.map(lambda run: run(), runs):
            print(f"{outcome.name:<24} {outcome.count:>7} {outcome.unit}  {len(outcome.faults)} faults", flush=True)
            outcomes.append(outcome)
    summary = summarize(outcomes, asked.seed)
    (REPORTS / "summary.txt").write_text(summary)
    faulty = [outcome for outcome in outcomes if outcome.faults]
    for outcome in faulty:
        print(f"\n{outcome.name}\n{outcome.text[outcome.text.find('= FAILURES =') :]}")
    print(f"\n{summary.splitlines()[0]}; see build/fuzz/summary.txt")
    sys.exit(1 if faulty else 0)


if __name__ == "__main__":
    main()
