"""What standards ask for is held against the tests by their markers, and the documentation says what they ask it to."""

import re
from collections import Counter
from pathlib import Path

import pytest

from models.settings import DirectorySettings
from scripts.tools.docs import limit_table, requirements
from scripts.tools.docs.contract_page import duration
from scripts.tools.docs.contracts import readers
from scripts.tools.docs.requirements import Requirement, faults, judge, marked, read
from server.specs import load_contracts
from tests.conftest import ROOT
from tests.contracts.test_specs import operations
from tests.limited import declared

PAGES = ROOT / "scripts/tools/docs/pages"
CHAPTERS = {
    **{"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4},
    **{"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2},
}
"""Section of ASVS 5.0.0 -> number of its requirements."""

ASKED = {
    "S 1": Requirement("S 1", "One", "1", "Doors are closed."),
    "S 2": Requirement("S 2", "One", "1", "Windows are closed.", not_applicable="There are none."),
    "S 3": Requirement("S 3", "Two", "1", "Walls are dry.", not_met="They are not."),
}
TESTS = """\
@pytest.mark.parametrize("door", [1, 2])
@pytest.mark.requirement("S 1")
def test_doors_are_closed(door): ...

@pytest.mark.requirement("S 3")
def test_one_wall_is_dry(): ...
"""


def statuses(text: str, folder: Path, outcomes: dict[str, str] | None = None) -> dict[str, str]:
    """Return what becomes of the requirements where these are the tests."""
    (folder / "test_house.py").write_text(text, "utf-8")
    return {row.requirement.id: row.status for row in judge(ASKED, marked(folder), outcomes)}


# --- what stands in the list ---------------------------------------------------------------------------------------


def test_every_requirement_of_both_chapters_is_listed() -> None:
    numbers = [id.partition(" ")[2] for id in read() if id.startswith("ASVS ")]
    assert Counter(number.rpartition(".")[0] for number in numbers) == CHAPTERS
    assert numbers == [f"{chapter}.{number}" for chapter, most in CHAPTERS.items() for number in range(1, most + 1)]


def test_every_marker_names_a_requirement_that_applies() -> None:
    assert faults(read(), marked()) == []


def test_what_is_met_is_shown_and_what_is_not_says_why() -> None:
    rows = judge(read(), marked())
    unexplained = [row.requirement.id for row in rows if row.status == "not met" and not row.requirement.not_met]
    assert unexplained == []


# --- how it is judged ----------------------------------------------------------------------------------------------


def test_a_requirement_is_met_as_long_as_a_test_says_so(tmp_path: Path) -> None:
    passed = {"test_house.py::test_doors_are_closed": "passed"}
    assert statuses(TESTS, tmp_path, passed) == {"S 1": "met", "S 2": "not applicable", "S 3": "not met"}
    without = TESTS.replace('@pytest.mark.requirement("S 1")\n', "")
    assert statuses(without, tmp_path, passed) == {"S 1": "not met", "S 2": "not applicable", "S 3": "not met"}


def test_a_requirement_whose_test_failed_is_not_met(tmp_path: Path) -> None:
    name = "test_house.py::test_doors_are_closed"
    assert statuses(TESTS, tmp_path, {name: "failed"})["S 1"] == "not met"
    assert statuses(TESTS, tmp_path, {name: "passed"})["S 1"] == "met"


def test_a_requirement_whose_test_did_not_run_is_not_said_to_be_met(tmp_path: Path) -> None:
    others = {"test_house.py::test_one_wall_is_dry": "passed"}
    assert statuses(TESTS, tmp_path, others) == {"S 1": "not run here", "S 2": "not applicable", "S 3": "not met"}


def test_removing_any_marker_of_a_row_that_one_test_shows_flips_it() -> None:
    asked, tests = read(), marked()
    ran = dict.fromkeys(tests, "passed")
    for row in judge(asked, tests, ran):
        if row.status == "met":
            kept = {test: claims for test, claims in tests.items() if test not in row.tests}
            flipped = {one.requirement.id: one.status for one in judge(asked, kept, ran)}
            assert flipped[row.requirement.id] == "not met"


def test_a_marker_of_what_nobody_asks_or_what_does_not_apply_is_a_fault(tmp_path: Path) -> None:
    wrong = TESTS.replace('"S 1"', '"S 9"').replace('"S 3"', '"S 2"')
    (tmp_path / "test_house.py").write_text(wrong, "utf-8")
    assert faults(ASKED, marked(tmp_path)) == [
        "test_house.py::test_doors_are_closed: S 9 is no requirement",
        "test_house.py::test_one_wall_is_dry: S 2 is said not to be applicable",
    ]


@pytest.mark.parametrize(
    "entry", ["{level: 1}", "{asks: x, not_met: y, not_applicable: z}", "{asks: x, met: because}", "{asks: x, level: }"]
)
def test_an_entry_that_says_too_little_or_too_much_is_refused(tmp_path: Path, entry: str) -> None:
    file = tmp_path / "list.yaml"
    file.write_text(f"S:\n  One:\n    '1': {entry}\n", "utf-8")
    if entry.endswith("level: }"):
        assert read(file)["S 1"].asks == "x"
    else:
        with pytest.raises(ValueError, match="S 1 cannot be understood"):
            read(file)


def test_outcomes_are_kept_of_tests_that_did_not_run_again(tmp_path: Path) -> None:
    file = tmp_path / "build/requirements.json"
    requirements.note({"a": "passed", "b": "failed"}, file)
    requirements.note({"b": "passed"}, file)
    assert file.read_text("utf-8").split() == ["{", '"a":', '"passed",', '"b":', '"passed"', "}"]


def test_the_page_counts_what_is_met() -> None:
    page = requirements.write("ASVS")
    counts = Counter(re.findall(r"\*\*(met|not met|not run here|not applicable)\*\*", page))
    told = ", ".join(f"{counts[state]} {state}" for state in requirements.STATES)
    assert page.startswith(f"{sum(counts.values())} requirements: {told}. ")
    assert sum(counts.values()) == sum(CHAPTERS.values())


# --- what the documentation is asked to say ------------------------------------------------------------------------


def section(heading: str) -> str:
    """Return a section of the page about security."""
    text = (PAGES / "security.md").read_text("utf-8")
    return " ".join(text.partition(f"## {heading}\n")[2].partition("\n## ")[0].split())


@pytest.mark.requirement("ASVS 6.1.1")
def test_the_documentation_says_how_guessing_is_limited_and_nobody_is_locked_out() -> None:
    told = section("Guessing")
    for words in ("<!-- limits -->", "`x-rate-limit`", "`ROLLBOOK_RATE_LIMITS=0`", "`ROLLBOOK_KNOWN_DEVICE_SECONDS`"):
        assert words in told
    assert "nobody is locked out by what others try" in told
    table = limit_table.write(readers())
    for limit in declared():
        line = next(line for line in table.splitlines() if line.startswith(f"| `{limit.name}` |"))
        assert f"| {limit.limit} " in line
        assert f"| {duration(limit.seconds)} |" in line
        assert f"[{limit.stem}.{limit.operation}]" in line


@pytest.mark.requirement("ASVS 6.1.2")
def test_the_documentation_lists_the_words_that_are_no_passwords() -> None:
    assert "`rollbook` and the words of `ROLLBOOK_PASSWORD_WORDS`" in section("Passwords that are guessed first")


@pytest.mark.requirement("ASVS 6.1.3")
def test_the_documentation_lists_every_way_in() -> None:
    told = section("Ways in")
    for contract in load_contracts():
        for path, _, operation in operations(contract.document):
            name = operation["operationId"]
            if name == "log_in" or (contract.stem, name) in (("dbms", "check_login"), ("signed", "act")):
                assert f"{contract.base_path}{path}" in told
    for path in ("/user/register/", "A code to a mobile", "a mailed link", "action=login"):
        assert path in told


@pytest.mark.requirement("ASVS 7.1.1")
def test_the_documentation_says_how_long_sessions_last_and_why() -> None:
    told = section("Sessions and tokens")
    for contract in load_contracts():
        lasts = duration(contract.document["x-session"]["seconds"])
        assert re.search(rf"\| `{contract.stem}` \| {lasts}[^|]*\|[^|]+\| \w[^|]+ \|", told)
    assert "NIST SP 800-63B-4 advises 30 days at most" in told


@pytest.mark.requirement("ASVS 7.1.2")
def test_the_documentation_says_how_many_sessions_an_account_may_have() -> None:
    told = "at most {} live sessions in each contract (`ROLLBOOK_MAX_SESSIONS`); one more ends the oldest"
    assert told.format(DirectorySettings().max_sessions) in section("Sessions and tokens")
