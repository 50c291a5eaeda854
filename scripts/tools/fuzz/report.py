"""The summary of all runs, for people."""

from collections import Counter
from collections.abc import Iterable
from textwrap import indent

from scripts.tools.fuzz.outcome import Outcome
from scripts.tools.fuzz.suppressions import SUPPRESSIONS


def summarize(outcomes: list[Outcome], seed: int) -> str:
    """Say what was tried, what was answered, what was suppressed, what is wrong."""
    tried: Counter[str] = Counter()
    for outcome in outcomes:
        tried[outcome.unit] += outcome.count
    effort = ", ".join(f"{count} {unit}" for unit, count in tried.items())
    seconds = sum(outcome.seconds for outcome in outcomes)
    faulty = [outcome for outcome in outcomes if outcome.faults]
    verdict = f"{len(faulty)} of {len(outcomes)} runs found faults" if faulty else "no fault"
    parts = [f"{effort} in {seconds:.0f} s, seed {seed}: {verdict}", *map(_run, outcomes)]
    parts.append("Suppressed, and why (scripts/tools/fuzz/suppressions.py)\n" + "\n".join(_suppressed(outcomes)))
    parts += [f"FAULTS {outcome.name}\n" + indent("\n".join(outcome.faults), "  ") for outcome in faulty]
    return "\n\n".join(parts) + "\n"


def _run(outcome: Outcome) -> str:
    """Say how often an operation answered with which status."""
    verdict = f"{len(outcome.faults)} faults" if outcome.faults else "ok"
    lines = [f"{outcome.name}: {verdict}, {outcome.count} {outcome.unit} in {outcome.seconds:.0f} s"]
    for operation, statuses in outcome.seen.items():
        counts = "  ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        lines.append(f"  {operation:<22} {counts}")
    return "\n".join(lines)


def _suppressed(outcomes: Iterable[Outcome]) -> Iterable[str]:
    used: Counter[int] = Counter()
    for outcome in outcomes:
        used.update(outcome.suppressed)
    for number, suppression in enumerate(SUPPRESSIONS):
        yield f"  {used[number]:>5} x {suppression.stem} {suppression.failure.__name__}: {suppression.reason}"
