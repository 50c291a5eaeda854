"""What is published beside a contract: its journey in Arazzo, and the journey as a Postman collection."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from starlette.testclient import TestClient

from scripts.tools.collections.collection import write
from scripts.tools.journeys import redocly
from scripts.tools.journeys.journeys import load_journeys

JOURNEYS = {stem: journey for stem, journey in load_journeys().items() if journey.contract.source.collection.is_file()}

pytestmark = pytest.mark.once("no store is asked")


def get(client: TestClient, path: str) -> httpx2.Response:
    """Return the answer to a GET that must succeed."""
    answer: Any = client.get(path)
    assert answer.status_code == 200, path
    found: httpx2.Response = answer
    return found


def test_each_of_the_five_contracts_has_a_collection() -> None:
    assert {"annotation", "dbms", "indexy", "signed", "sso"} <= JOURNEYS.keys()


@pytest.mark.parametrize("stem", JOURNEYS)
def test_a_collection_is_that_of_the_journey(stem: str) -> None:
    """`scripts/collections` writes it anew."""
    written = json.loads(JOURNEYS[stem].contract.source.collection.read_bytes())
    assert written == json.loads(json.dumps(write(JOURNEYS[stem])))


@pytest.mark.parametrize("stem", JOURNEYS)
def test_a_published_collection_begins_where_the_published_contract_does(client: TestClient, stem: str) -> None:
    collection = get(client, f"/specs/{stem}.postman_collection.json").json()
    (base,) = (one["value"] for one in collection["variable"] if one["key"] == "baseUrl")
    assert base == get(client, f"/specs/{stem}.json").json()["servers"][0]["url"]
    steps = sum(len(workflow["steps"]) for workflow in JOURNEYS[stem].workflows)
    assert sum(len(folder["item"]) for folder in collection["item"]) == steps


def test_published_journeys_lie_beside_their_contracts_and_pass_an_independent_rule_set(
    client: TestClient, tmp_path: Path
) -> None:
    files = []
    for stem, journey in JOURNEYS.items():
        (tmp_path / f"{stem}.yaml").write_bytes(get(client, f"/specs/{stem}.yaml").content)
        files.append(tmp_path / f"{stem}.arazzo.yaml")
        files[-1].write_bytes(get(client, f"/specs/{stem}.arazzo.yaml").content)
        document = yaml.safe_load(files[-1].read_bytes())
        assert document["sourceDescriptions"][0]["url"] == f"{stem}.yaml"
        assert document["workflows"] == journey.workflows
    ran = redocly.lint(*files)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("path", ["/specs/nobody.arazzo.yaml", "/specs/nobody.postman_collection.json"])
def test_what_no_contract_has_is_not_there(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
