"""Fuzz every contract, anonymous and logged in; reports go into `build/fuzz/`. Ends with 1 if anything is wrong."""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from scripts.fuzzing.report import summarize
from scripts.fuzzing.runner import CALLERS, STEMS, Effort, fuzz
from scripts.fuzzing.server import ROOT

REPORTS = ROOT / "build" / "fuzz"


def main() -> None:
    """Read the command line, run, sum up."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, help="how long to go on, for all runs together (default: one round)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same (default: 1)")
    parser.add_argument("--examples", type=int, default=100, help="cases per operation and phase (default: 100)")
    parser.add_argument("--contract", nargs="+", choices=STEMS, default=STEMS, metavar="STEM", help=", ".join(STEMS))
    asked = parser.parse_args()
    runs = [(stem, caller) for stem in asked.contract for caller in CALLERS]
    at_once = min(os.cpu_count() or 1, len(runs))
    seconds = asked.minutes and max(1, round(asked.minutes * 60 * at_once / len(runs)))
    effort = Effort(asked.seed, asked.examples, seconds)
    outcomes = []
    with ThreadPoolExecutor(at_once) as pool:
        for outcome in pool.map(lambda run: fuzz(run[0], run[1], effort, REPORTS), runs):
            print(f"{outcome.name:<24} {outcome.cases:>7} cases  {len(outcome.faults)} faults", flush=True)
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
