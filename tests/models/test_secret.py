"""Secrets come from the system's source of randomness, and are long enough for what they are."""

import ast
import math

import jwt
import pytest
from starlette.testclient import TestClient

from models.secret import ALPHANUMERIC, LOWERCASE
from tests.clients import open_clients
from tests.conftest import ROOT


@pytest.mark.requirement("ASVS 6.5.3", "ASVS 7.2.3")
def test_what_serves_knows_no_source_of_randomness_but_that_for_secrets() -> None:
    files = [file for room in ("handlers", "models", "server") for file in (ROOT / room).rglob("*.py")]
    imported = {
        name.partition(".")[0]
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        for name in [alias.name for alias in getattr(node, "names", []) if isinstance(node, ast.Import)]
        + ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
    }
    assert "secrets" in imported
    assert not imported & {"random", "numpy", "uuid"}


@pytest.mark.requirement("ASVS 7.2.3")
def test_tokens_differ_and_have_128_bits_but_in_signed_where_the_document_has_them_shorter(client: TestClient) -> None:
    clients = open_clients(client)
    clients["sso"].register("alice", "correct horse")
    sets = {"dbms": ALPHANUMERIC, "signed": LOWERCASE, "annotation": ALPHANUMERIC, "indexy": ALPHANUMERIC}
    bits = {}
    for stem, alphabet in sets.items():
        first, second = (str(clients[stem].enter("alice", "correct horse")).rpartition("-")[2] for _ in range(2))
        assert first != second
        assert set(first) | set(second) <= set(alphabet)
        bits[stem] = len(first) * math.log2(len(alphabet))
    claims = jwt.decode(clients["sso"].enter("alice", "correct horse"), options={"verify_signature": False})
    bits["sso"] = len(claims["jti"]) * math.log2(len(ALPHANUMERIC))
    assert {stem for stem, number in bits.items() if number < 128} == {"signed"}
