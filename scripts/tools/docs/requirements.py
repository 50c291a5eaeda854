"""What standards ask for, and the tests that show it.

`requirements.yaml` lists what is asked. Tests say by `@pytest.mark.requirement(...)` what they show. A requirement is
met if a test says so, and that test passed in the last run, of which the page says when and at which commit it was.
"""

import ast
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.tools.docs import last_run
from scripts.tools.docs.markdown import table

LIST = Path(__file__).with_suffix(".yaml")
TESTS = Path(__file__).parents[3] / "tests"
RESULTS = Path(__file__).parents[3] / "build/requirements.json"
STATES = ("met", "not met", "not run here", "not applicable")
MARKER = "requirement"
KNOWN = {"level", "asks", "not_met", "not_applicable", "note"}


@dataclass(frozen=True)
class Requirement:
    """One thing that a standard asks for, in our own words; why it is not met or not applicable, if that is known."""

    id: str
    section: str
    level: str
    asks: str
    not_met: str = ""
    not_applicable: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A requirement with what became of it, one of STATES, and why."""

    requirement: Requirement
    status: str
    why: str
    tests: tuple[str, ...]


def read(file: Path = LIST) -> dict[str, Requirement]:
    """Read the list: `ASVS 6.1.1` -> requirement. Raises ValueError where an entry cannot be understood."""
    found: dict[str, Requirement] = {}
    for standard, sections in yaml.safe_load(file.read_text("utf-8")).items():
        for section, entries in sections.items():
            for number, entry in entries.items():
                id = f"{standard} {number}"
                excuses = {"not_met", "not_applicable"} & entry.keys()
                if not entry.keys() <= KNOWN or "asks" not in entry or len(excuses) > 1 or id in found:
                    raise ValueError(f"{id} cannot be understood")
                found[id] = Requirement(id, section, str(entry.pop("level", "")), **entry)
    return found


def marked(folder: Path = TESTS) -> dict[str, tuple[str, ...]]:
    """Return what each test says that it shows: `test_x.py::test_name` -> requirements."""
    return {
        f"{file.name}::{test.name}": claims
        for file in sorted(folder.rglob("test_*.py"))
        if f"mark.{MARKER}(" in (text := file.read_text("utf-8"))
        for test in ast.parse(text).body
        if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and (claims := tuple(_claims(test)))
    }


def _claims(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{MARKER}":
            yield from map(ast.literal_eval, mark.args)


def faults(asked: dict[str, Requirement], tests: dict[str, tuple[str, ...]]) -> list[str]:
    """Return what does not fit together: a test that shows what nobody asks for, or what is said not to apply."""
    found = []
    for test, claims in tests.items():
        for claim in claims:
            if claim not in asked:
                found.append(f"{test}: {claim} is no requirement")
            elif asked[claim].not_applicable:
                found.append(f"{test}: {claim} is said not to be applicable")
    return found


def judge(
    asked: dict[str, Requirement], tests: dict[str, tuple[str, ...]], outcomes: dict[str, str] | None = None
) -> list[Row]:
    """Say of each requirement what became of it. outcomes: test -> `passed` or `failed`, of those that ran."""
    shown: dict[str, list[str]] = {}
    for test, claims in tests.items():
        for claim in claims:
            shown.setdefault(claim, []).append(test)
    return [_judge(one, tuple(shown.get(one.id, ())), outcomes or {}) for one in asked.values()]


def _judge(one: Requirement, tests: tuple[str, ...], outcomes: dict[str, str]) -> Row:
    if one.not_applicable:
        return Row(one, "not applicable", one.not_applicable, ())
    if one.not_met:
        return Row(one, "not met", one.not_met, tests)
    if not tests:
        return Row(one, "not met", "No test shows it.", ())
    failed = [test for test in tests if outcomes.get(test, "passed") != "passed"]
    if failed:
        return Row(one, "not met", f"Failed in that run: {', '.join(map(_say, failed))}.", tests)
    if not any(test in outcomes for test in tests):
        return Row(one, "not run here", "No test that shows it ran.", tests)
    return Row(one, "met", one.note, tests)


def write(standard: str) -> str:
    """Return the tables of a standard, a section each, below how many of its requirements are met."""
    run = last_run.read("requirements")
    outcomes = run.value if run else {}
    rows = [row for row in judge(read(), marked(), outcomes) if row.requirement.id.startswith(f"{standard} ")]
    counts = {status: sum(row.status == status for row in rows) for status in STATES}
    shown = {test for row in rows for test in row.tests}
    ran = Counter(outcomes[test] for test in shown if test in outcomes)
    parts = [
        f"{len(rows)} requirements: {', '.join(f'{number} {status}' for status, number in counts.items())}. "
        f"Of {len(shown)} tests that show them, {ran['passed']} passed and {ran['failed']} failed when last run. "
        f"{run.words if run else ''}".strip()
    ]
    for section in dict.fromkeys(row.requirement.section for row in rows):
        own = [_cells(row) for row in rows if row.requirement.section == section]
        parts += [f"### {section}", table(["Number", "Level", "What it asks for", "", "Why, or what shows it"], own)]
    return "\n\n".join(parts)


def _cells(row: Row) -> list[str]:
    tests = "; ".join(map(_say, row.tests))
    why = " ".join(part for part in (row.why, f"Shown in part: {tests}." if row.why and tests else tests) if part)
    if row.status == "met":
        why = f"{tests}. {row.why}".strip()
    return [row.requirement.id.partition(" ")[2], row.requirement.level, row.requirement.asks, f"**{row.status}**", why]


def _say(test: str) -> str:
    """Return a test as the sentence that it is."""
    file, _, name = test.partition("::")
    return f"{name.removeprefix('test_').replace('_', ' ')} (`{file}`)"


def note(outcomes: dict[str, Any], file: Path = RESULTS) -> None:
    """Write down how tests came out, beside those that did not run this time."""
    before = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(before | outcomes, indent=1, sort_keys=True) + "\n", "utf-8")
