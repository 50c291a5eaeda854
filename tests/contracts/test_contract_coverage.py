"""The contract contract_coverage: every declared answer was given in the suite, and none that is not declared."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from scripts.tools.contract_coverage import digest
from tests.clients import open_clients
from tests.conftest import ROOT
from tests.contract_coverage import (
    Declared,
    Example,
    compare,
    compare_headers,
    declared_headers,
    read_answers,
    read_specs,
    write,
)

HOARSE = {"ret": -1, "msg": "hoarse"}
SPEC = {"demo": {"act": Declared(3, {(200, "application/json"): 7, (204, None): 9}, {"sing": 20, "": 21})}}


def _lines(*answers: tuple[str | None, str | None, int, str | None, str | None]) -> list[str]:
    names = ("operation", "action", "status", "media_type", "breach")
    entries = [{"test": "tests/test_demo.py::test_it", "breaks_contract": False}]
    common = {"contract": "demo", "body": None, "headers": []}
    entries += [common | dict(zip(names, answer, strict=True)) for answer in answers]
    return [json.dumps(entry) for entry in entries]


SUNG = ("act", "sing", 200, "application/json", None)
SILENT = ("act", "", 200, "application/json", None)
GONE = ("act", "sing", 204, None, None)


def test_every_answer_is_noted_with_its_operation_and_without_what_was_sent(
    client: TestClient, contract_coverage: Path
) -> None:
    before = len(contract_coverage.read_text().splitlines())
    clients = open_clients(client)
    clients["annotation"].register("zhangsan", "correct horse")
    clients["annotation"].log_out(clients["annotation"].enter("zhangsan", "correct horse"))
    clients["signed"].log_in("zhangsan", "correct horse")
    client.get("/user/1", params={"token": "1-OLaWfBisMY"})
    client.delete("/user/1")
    client.get("/v1/nothing")
    client.get("/healthz")
    entries = [json.loads(line) for line in contract_coverage.read_text().splitlines()[before:]]
    noted = [tuple(entry[name] for name in ("contract", "operation", "action", "status")) for entry in entries]
    assert noted == [
        ("annotation", "register", "", 200),
        ("annotation", "log_in", "", 200),
        ("annotation", "act", "logout", 200),
        ("signed", "act", "login", 200),
        ("dbms", "find", None, 401),
        ("dbms", None, None, 405),
        ("sso", None, None, 404),
    ]
    assert {entry["media_type"] for entry in entries} == {"application/json", "application/problem+json"}
    assert not any(entry["breach"] for entry in entries)
    assert not {"zhangsan", "correct horse", "OLaWfBisMY"} & set(json.dumps(entries).split('"'))


def test_a_complete_ledger_has_a_row_for_every_declared_answer_and_no_fault() -> None:
    rows, faults = compare(SPEC, read_answers(_lines(SUNG, SUNG, SILENT, GONE)))
    assert faults == []
    assert [(row["action"], row["status"], row["count"], row["line"]) for row in rows] == [
        (None, 200, 3, 7),
        (None, 204, 1, 9),
        ("sing", 200, 2, 20),
        ("", 200, 1, 21),
    ]
    assert {row["example"] for row in rows} == {"tests/test_demo.py::test_it"}


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ([SUNG, SILENT], "specs/demo.yaml:9: act: 204 without a body is declared and was never answered"),
        ([SUNG, GONE], "specs/demo.yaml:21: act (no action): 200 application/json is declared and was never answered"),
        (
            [SUNG, SILENT, GONE, ("act", None, 418, "text/html", None)],
            "specs/demo.yaml:3: act: 418 text/html was answered and is not declared (tests/test_demo.py::test_it)",
        ),
        (
            [SUNG, SILENT, GONE, ("act", None, 200, "application/json", "status 418 is not declared")],
            "specs/demo.yaml:3: act would have broken the spec: status 418 is not declared "
            "(tests/test_demo.py::test_it)",
        ),
        (
            [SUNG, SILENT, GONE, (None, None, 500, "application/json", None)],
            "specs/demo.yaml:1: 500 for no operation (tests/test_demo.py::test_it)",
        ),
    ],
    ids=["never", "action", "undeclared", "breach", "astray"],
)
def test_what_is_missing_and_what_is_too_much_is_a_fault_with_its_line(answers: list[tuple], fault: str) -> None:  # type: ignore[type-arg]
    assert compare(SPEC, read_answers(_lines(*answers)))[1] == [fault]


def test_what_is_too_long_to_be_routed_counts_for_all_operations() -> None:
    spec = {"demo": {name: Declared(3, {(414, "application/json"): 7}, {}) for name in ("act", "rest")}}
    rows, faults = compare(spec, read_answers(_lines((None, None, 414, "application/json", None))))
    assert faults == []
    assert [row["count"] for row in rows] == [1, 1]


@pytest.mark.parametrize(
    ("status", "told"),
    [(200, HOARSE), (200, {**HOARSE, "msg": "Hoarse"}), (500, HOARSE), (200, None)],
    ids=["to the word", "other words", "another status", "streamed"],
)
def test_an_example_of_a_failure_that_nobody_received_to_the_word_is_a_fault(status: int, told: Any) -> None:
    example = Example("hoarse", 200, "application/json", 8, {"msg": "hoarse", "ret": -1})
    spec = {"demo": {"act": Declared(3, {(200, "application/json"): 7, (500, "application/json"): 9}, {}, (example,))}}
    lines = _lines(*(("act", None, one, "application/json", None) for one in (200, 500)))
    given = json.loads(_lines(("act", None, status, "application/json", None))[1])
    faults = compare(spec, read_answers([*lines, json.dumps(given | {"body": told and digest(told)})]))[1]
    fault = "specs/demo.yaml:8: act: 200 as in the example hoarse was never answered to the word"
    assert faults == ([] if (status, told) == (200, HOARSE) else [fault])


@pytest.mark.parametrize(("header", "is_declared"), [("x-mood", True), ("vary", True), ("x-other", False)])
def test_a_header_that_is_sent_and_not_declared_is_a_fault(header: str, is_declared: bool) -> None:
    given = json.loads(_lines(SUNG)[1]) | {"headers": ["content-type", header]}
    seen = read_answers([_lines()[0], json.dumps(given)])
    fault = (
        "specs/demo.yaml: act: 200 came with the header x-other, which is not declared (tests/test_demo.py::test_it)"
    )
    assert compare_headers({("demo", "act"): {200: {"x-mood"}}}, seen) == ([] if is_declared else [fault])


def test_examples_of_failures_are_read_from_the_specs_with_their_lines() -> None:
    found = {
        (stem, name, example.name): example
        for stem, operations in read_specs().items()
        for name, declared in operations.items()
        for example in declared.failures
    }
    dead = found["sso", "find", "dead_token"]
    assert (dead.status, dead.value["message"]) == (200, "token已失效")
    assert found["dbms", "log_in", "wrong_password"].status == 401
    assert ("sso", "find", "documented") not in found, "a success is none"
    for (stem, _, name), example in found.items():
        lines = (ROOT / "specs" / f"{stem}.yaml").read_text("utf-8").splitlines()
        assert lines[example.line - 1].strip().partition(":")[0] == name


def test_a_contract_that_is_broken_on_purpose_is_no_fault() -> None:
    lines = _lines(SUNG, SILENT, GONE)
    lines.append(json.dumps({"test": "tests/test_demo.py::test_worst", "breaks_contract": True}))
    lines += _lines(("act", None, 418, "text/html", "status 418 is not declared"))[1:]
    assert compare(SPEC, read_answers(lines))[1] == []


def test_the_lines_are_those_of_the_files() -> None:
    for stem, operations in read_specs().items():
        lines = (ROOT / "specs" / f"{stem}.yaml").read_text("utf-8").splitlines()
        for declared in operations.values():
            for (status, media_type), line in declared.answers.items():
                assert lines[line - 1].strip() in (f"'{status}':", f"{media_type}:")
            for action, line in declared.actions.items():
                assert lines[line - 1].strip().startswith(f"{action}:" if action else "without:")


@pytest.mark.looks_back
def test_every_declared_answer_was_given_and_no_other(evidence: Path, engine: str) -> None:
    seen = read_answers(line for file in evidence.glob("answers.*") for line in file.read_text("utf-8").splitlines())
    rows, faults = compare(read_specs(), seen)
    faults += compare_headers(declared_headers(), seen)
    if engine == "sqlite":  # the second pass has the same rows, and fewer answers
        write(rows, ROOT / "build" / "contract_coverage.json")
    assert not faults, "\n".join(["", *faults])
