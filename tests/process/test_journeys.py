"""The journeys: every operation occurs, every step says what it expects, and two runners get to the end."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import httpx2
import pytest

from scripts.tools.docs import journey_page
from scripts.tools.journeys import redocly
from scripts.tools.journeys.arazzo import ABSENT, Declared, Stumbled, Walk, walk
from scripts.tools.journeys.inputs import SOURCES, Inputs
from scripts.tools.journeys.journeys import FOLDER, Journey, load_journeys
from tests.conftest import CHEAP, ROOT, Served
from tests.redocly_cli import require

JOURNEYS = load_journeys()
STEPS = [
    pytest.param(journey, step, id=f"{journey.stem}-{workflow['workflowId']}-{step['stepId']}")
    for journey in JOURNEYS.values()
    for workflow in journey.workflows
    for step in workflow["steps"]
]
every_journey = pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)


class Operated(Served):
    """A server with its operator."""

    def operate(self, *command: str) -> str:
        """Run the operator command; return what it prints."""
        return subprocess.run(
            [sys.executable, "-m", "server.cli", *command],
            cwd=ROOT,
            env=os.environ | CHEAP | {"ROLLBOOK_DATA": str(self.data), "ROLLBOOK_DATABASE_URL": self.store},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[], dict[str, str]]) -> Iterator[Operated]:
    """One server for all journeys."""
    server = Operated(tmp_path_factory.mktemp("journeys") / "data", new_store())
    yield server
    server.end()


# --- the files -----------------------------------------------------------------------------------


def test_every_contract_has_its_journey_and_every_journey_its_contract() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(JOURNEYS)


@every_journey
def test_every_operation_occurs_in_a_step_and_every_step_names_an_operation(journey: Journey) -> None:
    named = {step["operationId"] for workflow in journey.workflows for step in workflow["steps"]}
    assert named == set(Declared(journey.contract).operations)


@every_journey
def test_every_action_occurs_in_a_step(journey: Journey) -> None:
    schemas = journey.contract.document["components"]["schemas"].values()
    actions = {value for schema in schemas for value in _action(schema)}
    tried = {value for workflow in journey.workflows for step in workflow["steps"] for value in _tried(step)}
    assert actions <= tried


def _action(schema: dict[str, Any]) -> list[str]:
    return schema.get("properties", {}).get("action", {}).get("enum", [])


def _tried(step: dict[str, Any]) -> Iterator[str]:
    yield from (parameter["value"] for parameter in step.get("parameters", []) if parameter["name"] == "action")
    payload = step.get("requestBody", {}).get("payload")
    if isinstance(payload, dict) and "action" in payload:
        yield payload["action"]


@pytest.mark.parametrize(("journey", "step"), STEPS)
def test_every_step_has_words_and_expects_a_status_and_an_answer(journey: Journey, step: dict[str, Any]) -> None:
    assert step["description"].endswith((".", "。"))
    conditions = [criterion["condition"] for criterion in step["successCriteria"]]
    status = re.fullmatch(r"\$statusCode == (\d+)", conditions[0])
    assert status
    assert len(conditions) > 1 or status[1] in ("201", "204")


@every_journey
def test_the_file_is_arazzo_and_points_to_its_spec(journey: Journey) -> None:
    document = journey.document
    assert document["arazzo"] == "1.0.1"
    assert document["info"].keys() == {"title", "summary", "version", "description"}
    assert document["sourceDescriptions"] == [
        {"name": journey.stem, "url": f"../{journey.stem}.yaml", "type": "openapi"}
    ]
    for workflow in journey.workflows:
        names = [step["stepId"] for step in workflow["steps"]]
        assert len(names) == len(set(names))
        assert workflow["summary"]
        assert len(workflow.get("x-one-runner", "a reason")) > 3
        assert workflow["description"]


def test_every_source_has_its_words_on_the_page() -> None:
    assert journey_page.SOURCES.keys() == SOURCES.keys()


@every_journey
def test_every_input_is_used_and_has_a_source_or_a_default(journey: Journey) -> None:
    for workflow in journey.workflows:
        inputs, sources = workflow["inputs"], workflow.get("x-inputs", {})
        assert sorted(inputs["required"]) == sorted(inputs["properties"])
        assert sources.keys() <= inputs["properties"].keys()
        assert {next(iter(source)) for source in sources.values()} <= SOURCES.keys()
        used = set(re.findall(r"\$inputs\.(\w+)", json.dumps(workflow)))
        used |= {word for source in sources.values() for word in source.values() if isinstance(word, str)}
        for name, schema in inputs["properties"].items():
            assert name in sources or "default" in schema, name
            assert name in used, name
        assert set(re.findall(r"\$inputs\.(\w+)", json.dumps(workflow))) <= inputs["properties"].keys()


# --- the runners ---------------------------------------------------------------------------------


@every_journey
def test_the_journey_comes_to_its_end(journey: Journey, server: Operated) -> None:
    inputs = Inputs(server)
    for workflow in journey.workflows:
        assert walk(journey, workflow, inputs.of(workflow), server.url) == len(workflow["steps"])


@pytest.mark.once("the other runner sees no store")
@every_journey
def test_an_independent_runner_comes_to_the_same_end(journey: Journey, server: Operated) -> None:
    require()
    inputs = Inputs(server)
    for workflow in journey.shared:
        ran = redocly.respect(journey, workflow, inputs.of(workflow), server.url)
        assert ran.returncode == 0, ran.stdout
        warnings = r"( \d+ warnings,)?" if "x-respect-severity" in workflow else ""
        steps = len(workflow["steps"])
        assert re.search(rf"Steps: {steps} passed,{warnings} {steps} total", ran.stdout), ran.stdout


def test_a_runner_stumbles_over_an_answer_that_is_not_as_expected(server: Operated) -> None:
    journey = deepcopy(JOURNEYS["dbms"])
    workflow = journey.workflows[0]
    workflow["steps"][0]["successCriteria"][0]["condition"] = "$statusCode == 200"
    with pytest.raises(Stumbled, match=r"dbms / live_with_a_token / register: does not hold: .*\nlast answer: 201"):
        walk(journey, workflow, Inputs(server).of(workflow), server.url)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda declared: declared.pop("201"), "status 201 is not declared"),
        (lambda declared: declared["201"].update(content={"text/plain": {}}), "media type 'application/json'"),
        (lambda declared: declared["201"].pop("content"), "a body is not declared"),
        (lambda declared: _schema(declared).update(required=["name"]), "body: .*'name' is a required property"),
        (lambda declared: _schema(declared)["properties"].clear(), "body: .*Additional properties are not allowed"),
        (lambda declared: _schema(declared)["properties"].update(id={"type": "string"}), "is not of type 'string'"),
    ],
    ids=["status", "media_type", "body", "missing", "unknown", "type"],
)
def test_a_runner_stumbles_over_an_answer_that_is_not_declared(server: Operated, change: Any, complaint: str) -> None:
    journey = deepcopy(JOURNEYS["dbms"])
    workflow = journey.workflows[0]
    document = journey.contract.document
    declared = document["paths"]["/user"]["post"]["responses"]
    declared["201"]["content"]["application/json"]["schema"] = document["components"]["schemas"]["UserId"]
    change(declared)
    with pytest.raises(Stumbled, match=complaint):
        walk(journey, workflow, Inputs(server).of(workflow), server.url)


def _schema(declared: dict[str, Any]) -> Any:
    return declared["201"]["content"]["application/json"]["schema"]


# --- the language --------------------------------------------------------------------------------


@pytest.fixture
def progress() -> Walk:
    """A walk that has come to an answer."""
    body = {"ret": -1, "ok": True, "one": 1, "none": None, "it's": "it's", "a/b": [{"c": "x"}]}
    answer = httpx2.Response(200, json=body, headers={"Set-Cookie": "a=b; Path=/"})
    return Walk({"name": "alice"}, {"log_in": {"token": "secret"}}, answer)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("$statusCode == 200", True),
        ("$statusCode != 200", False),
        ("$response.body#/ret < 0", True),
        ("$response.body#/ok == true", True),
        ("$response.body#/ok == 1", False),
        ("$response.body#/one == true", False),
        ("$response.body#/none == null", True),
        ("$response.body#/it's == 'it''s'", True),
        ("$response.body#/a~1b/0/c == 'x'", True),
        ("$response.body#/a~1b/1/c == 'x'", False),
        ("$response.body#/missing == null", False),
        ("$inputs.name == 'alice'", True),
        ("$steps.log_in.outputs.token == 'secret'", True),
        ("$response.header.set-cookie == 'a=b; Path=/'", True),
    ],
)
def test_a_condition_is_told_as_it_stands(progress: Walk, condition: str, holds: bool) -> None:
    assert progress.holds({"condition": condition}) is holds


def test_a_regular_expression_is_searched_in_what_is_there(progress: Walk) -> None:
    assert progress.holds({"context": "$response.body#/ret", "condition": "^-1$", "type": "regex"})
    assert not progress.holds({"context": "$response.body#/missing", "condition": "", "type": "regex"})


@pytest.mark.parametrize("criterion", [{"condition": "$url == 'x'"}, {"condition": "$[?(@.a)]", "type": "jsonpath"}])
def test_what_the_runner_does_not_know_is_refused(progress: Walk, criterion: dict[str, str]) -> None:
    with pytest.raises(Stumbled, match="this runner knows"):
        progress.holds(criterion)


def test_nothing_is_found_in_a_body_that_is_no_json(progress: Walk) -> None:
    progress.response = httpx2.Response(204)
    assert progress.find("$response.body#/ret") is ABSENT
    assert progress.find("$response.body") == ""


def test_values_are_found_wherever_they_stand(progress: Walk) -> None:
    assert progress.evaluate({"a": ["$inputs.name", 1], "b": "plain"}) == {"a": ["alice", 1], "b": "plain"}
    assert progress.evaluate("$inputs.nothing") is ABSENT
