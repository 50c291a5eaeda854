"""What is changed in a contract is seen by its proofs: twelve of the thousands of mutants of `scripts/mutate`."""

import re

import pytest
import yaml

from scripts.tools.mutate.__main__ import LISTED, WHOLE, read_complaints
from scripts.tools.mutate.mutants import choose, mutants
from scripts.tools.mutate.run import complain, judge
from server.specs import Contract, load_contracts

pytestmark = pytest.mark.once("each mutant runs in a process and over a store of its own")

CHANGES = {
    "annotation swap /paths/~1user~1signin/post/responses: 413 and 503 (of answers alone)": "413 has no Retry-After",
    "annotation required /components/schemas/CredentialsForm: user_id is not required": "cannot be served",
    "annotation nullable /components/schemas/Sum: False is flipped (of answers alone)": "null was never seen",
    "dbms limit /paths/~1login/get/x-rate-limit/2: login limit wider: 10 becomes 11": "login does not hold",
    "dbms security /paths/~1user~1{id_or_username}/get: token is gone": "without a credential is not refused",
    "dbms x-guarded /paths/~1user~1{id_or_username}/put: x-guarded is gone": "somebody-else is not refused",
    "indexy response /paths/~1users~1{id}/get: 404 is gone": "is answered 500",
    "indexy security /paths/~1users~1login/post: indexy_session is gone": "makes no difference",
    "signed rename /paths/~1user/get/parameters/9: signature becomes signatureX": "signatureX was never sent",
    "signed required /paths/~1user/get: token is not required by update": "cannot be served",
    "sso pattern /components/schemas/Username: wider: there is none": "username past pattern with 0 is not malformed",
    "sso rename /components/schemas/Credentials: username becomes usernameX": "cannot be served",
}
"""Mutant -> what is said of it."""


def test_the_originals_have_the_complaints_that_are_listed_and_no_others() -> None:
    listed = yaml.safe_load(LISTED.read_text("utf-8"))["complaints"]
    without_limits = {
        stem: sorted(one["fault"] for one in complaints if " x-rate-limit " not in one["fault"])
        for stem, complaints in listed.items()
    }
    found = {stem: sorted(faults) for stem, faults in complain(load_contracts(), processes=2, limits=False)}
    assert found == without_limits


def test_every_reason_is_that_of_a_mutant() -> None:
    known = [str(mutant) for contract in load_contracts() for mutant in mutants(contract)]
    reasons = yaml.safe_load(LISTED.read_text("utf-8"))["survivors"]
    assert [one["mutant"] for one in reasons if not any(re.search(one["mutant"], mutant) for mutant in known)] == []
    assert all(one["reason"] for one in reasons)


def test_these_mutants_are_seen_for_what_they_are() -> None:
    contracts = load_contracts()
    chosen = [mutant for contract in contracts for mutant in mutants(contract) if str(mutant) in CHANGES]
    known = read_complaints(yaml.safe_load(LISTED.read_text("utf-8")))
    verdicts = {verdict.mutant: verdict.fault for verdict in judge(chosen, contracts, known, processes=2)}
    assert verdicts.keys() == CHANGES.keys()
    assert {mutant: fault for mutant, fault in verdicts.items() if CHANGES[mutant] not in fault} == {}


def test_the_same_seed_makes_the_same_mutants() -> None:
    contracts = load_contracts()
    first, second = ([str(one) for one in choose(contracts, WHOLE, seed)] for seed in (1, 1))
    assert first == second
    assert len(set(first)) == WHOLE >= 300
    assert first != [str(one) for one in choose(contracts, WHOLE, 2)]


@pytest.mark.parametrize("contract", load_contracts(), ids=lambda contract: contract.stem)
def test_a_mutant_is_another_document_and_leaves_the_original_alone(contract: Contract) -> None:
    before = repr(contract.document)
    assert all(one.document(contract.document) != contract.document for one in list(mutants(contract))[::20])
    assert repr(contract.document) == before
