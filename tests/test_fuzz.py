"""Every contract under fire: a short run of what `scripts/fuzz` does for long, and proof that it sees what is wrong."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.fuzzing.runner import CALLERS, STEMS, Effort, fuzz
from server.specs import load_contracts

SHORT = Effort(seed=1, examples=10)


@pytest.mark.parametrize("stem", STEMS)
def test_the_contract_holds_under_fire(stem: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(CALLERS)) as pool:
        outcomes = list(pool.map(lambda caller: fuzz(stem, caller, SHORT, tmp_path), CALLERS))
    for outcome in outcomes:
        assert not outcome.faults, outcome.text
        assert outcome.cases > 100


def test_a_server_that_breaks_its_contract_is_found_out(tmp_path: Path) -> None:
    document = next(contract.document for contract in load_contracts() if contract.stem == "dbms")
    promised = json.loads(json.dumps(document))
    del promised["paths"]["/logout"]["get"]["responses"]["401"]
    answer = promised["components"]["schemas"]["LoggedIn"]
    answer["required"].append("name")
    answer["properties"]["name"] = {"type": "string", "maxLength": 64}
    file = tmp_path / "promised.json"
    file.write_text(json.dumps(promised))
    outcome = fuzz("dbms", "logged-in", SHORT, tmp_path, document=file)
    assert any("Undocumented status code" in fault and "GET /logout" in fault for fault in outcome.faults)
    assert any("Response violates schema" in fault and "GET /login" in fault for fault in outcome.faults)
