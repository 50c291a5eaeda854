"""One directory behind five clients is as its small reference says, whatever is done in whatever order."""

from collections.abc import Callable
from typing import Any

import pytest

from models import secret
from models.account import Account
from models.errors import InvalidSession
from models.passwords import hashing
from models.session import Session
from tests.state_machine.driver import World
from tests.state_machine.five_clients import FiveClients


@pytest.mark.parametrize("policy", ["documented", "guarded"])
@pytest.mark.usefixtures("settings")
def test_five_contracts_and_the_reference_agree_at_every_step(
    app: Any,
    policy: str,
    renew_store: Callable[[], str],
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    steps = pytestconfig.getoption("steps")
    world = World(policy, app, renew_store)
    try:
        world.explore(FiveClients, steps, pytestconfig.getoption("seed"), shrink=pytestconfig.getoption("shrink"))
    finally:
        record_property("steps", world.steps)


def _accept_everywhere(contract: str, secret_of_another: str, with_account: bool = False) -> Session:
    """Find a session whatever its contract is."""
    found = Session.get_or_none(Session.secret_digest == secret.digest(secret_of_another))
    if found is None:
        raise InvalidSession
    return found


BREAKS: dict[str, tuple[Any, str, Any]] = {
    "logging out ends nothing": (Session, "end", lambda self: None),
    "a new password ends nothing": (Session, "end_all", lambda account, keep=None: None),
    "a token of one contract is good for another": (Session, "find", _accept_everywhere),
    "a disabled account is none": (Account, "disable", lambda self: None),
    "any password is right": (hashing, "verify", lambda hashed, password: True),
}


@pytest.mark.breaks_contract
@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("wrong", BREAKS)
def test_a_directory_that_goes_wrong_is_found_out(
    app: Any, renew_store: Callable[[], str], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(*BREAKS[wrong])
    with pytest.raises(AssertionError, match=r"expected|assert"):
        World("documented", app, renew_store).explore(FiveClients, 250, seed=1)
