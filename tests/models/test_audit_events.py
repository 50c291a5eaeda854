"""Every event of the audit, and each reason of a refusal, was recorded at least once in the suite."""

import itertools
import json
from pathlib import Path

import pytest

from models.audit.events import VALUES, Event, _said


def declared() -> set[tuple[str, ...]]:
    """Return all that can be recorded: each event with each word that its details may say.

    That the chain was broken the sequencer writes by itself: `test_audit_chain.py` reads it there.
    """
    told = set(Event) - {Event.CHAIN_BROKEN}
    return {(event, *words) for event in told for words in itertools.product(*VALUES.get(event, {}).values())}


@pytest.mark.looks_back
def test_everything_that_can_be_recorded_was_recorded(evidence: Path) -> None:
    lines = [line for file in evidence.glob("events.*.jsonl") for line in file.read_text().splitlines()]
    recorded = {tuple(json.loads(line)) for line in lines}
    assert recorded == declared()


@pytest.mark.parametrize(
    ("event", "detail", "wrong"),
    [
        (Event.LOGIN_REFUSED, {"reason": "a guess"}, "reason cannot be"),
        (Event.LOGGED_IN, {"name": "alice"}, "name may not be told"),
    ],
)
def test_nothing_is_recorded_but_what_is_declared(event: Event, detail: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        _said(event, 1, detail)
