"""The journeys as files: one Arazzo description per contract, in `specs/journeys/`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from server.specs import FOLDER as SPECS
from server.specs import Contract, load_contracts

FOLDER = SPECS / "journeys"

Workflow = dict[str, Any]


@dataclass(frozen=True)
class Journey:
    """What somebody does with one contract, from registration to the end."""

    contract: Contract
    document: dict[str, Any]

    @property
    def stem(self) -> str:
        """Return the stem of its contract."""
        return self.contract.stem

    @property
    def file(self) -> Path:
        """Return where it is written."""
        return FOLDER / f"{self.stem}.yaml"

    @property
    def workflows(self) -> list[Workflow]:
        """Return its parts, in the order in which they follow one another."""
        workflows: list[Workflow] = self.document["workflows"]
        return workflows


def load_journeys() -> dict[str, Journey]:
    """Load the journey of every contract, by stem."""
    return {
        contract.stem: Journey(contract, yaml.safe_load((FOLDER / f"{contract.stem}.yaml").read_text("utf-8")))
        for contract in load_contracts()
    }
