"""The key ring: one key of the server, another one for each use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from models import settings as directory_settings
from models.account import Account
from models.db.database import transaction
from models.keys import derive, ring
from models.known_address import KnownAddress
from server.settings import Settings

ROOT = Path(__file__).parents[2]
USES = ("sso token", "device cookie", "recovery code", "known address", "audit seal", "rate limit", "encryption")
NEW = b"another key that is long enough, made later"


def test_each_use_has_a_key_of_its_own() -> None:
    made = {derive(b"k" * 32, use) for use in USES}
    assert len(made) == len(USES)
    assert {len(key) for key in made} == {32}


def test_nothing_but_the_ring_takes_the_keys_of_the_server_themselves() -> None:
    ours = [file for folder in ("handlers", "models", "server") for file in (ROOT / folder).rglob("*.py")]
    takes = {str(file.relative_to(ROOT)) for file in ours if ".secret_keys" in file.read_text()}
    assert takes == {"models/keys.py", "server/cli/key.py", "server/settings.py"}


def test_an_address_stays_known_when_keys_are_rotated_and_is_strange_when_the_old_one_is_retired(
    settings: Settings, register: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = register("alice")
    with transaction():
        KnownAddress.note(alice.id, "192.0.2.1")
    for keys, known in ((NEW + b"," + settings.secret_key, True), (NEW, False)):
        monkeypatch.setattr(directory_settings, "current", replace(settings, secret_key=keys))
        assert len(ring("known address")) == len(keys.split(b","))
        assert bool(KnownAddress.last_seen(alice.id, "192.0.2.1")) is known
