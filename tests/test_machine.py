"""One directory behind five doors is as its small reference says, whatever is done in whatever order."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.machine.driver import World
from tests.machine.five_doors import FiveDoors


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
        world.explore(FiveDoors, steps, pytestconfig.getoption("seed"))
    finally:
        record_property("steps", world.steps)
    assert world.steps >= steps
