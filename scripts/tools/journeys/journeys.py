"""The journeys as files: one Arazzo description per contract."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from server.contract.spec_error import SpecError
from server.specs import FOLDER as SPECS
from server.specs import Contract, load_contracts

FOLDER = SPECS / "journeys"

Workflow = dict[str, Any]


@dataclass(frozen=True)
class Journey:
    """What somebody does with one contract, from registration to the end."""

    contract: Contract
    document: dict[str, Any]
    beside: tuple[Contract, ...] = ()
    """Other contracts that its steps name."""

    @property
    def stem(self) -> str:
        """Return the stem of its contract."""
        return self.contract.stem

    @property
    def file(self) -> Path:
        """Return where it is written."""
        return self.contract.source.journey

    @property
    def workflows(self) -> list[Workflow]:
        """Return its parts, in the order in which they follow one another."""
        workflows: list[Workflow] = self.document["workflows"]
        return workflows

    @property
    def shared(self) -> list[Workflow]:
        """Return those that both runners can walk; of the others `x-one-runner` says why not."""
        return [workflow for workflow in self.workflows if "x-one-runner" not in workflow]


def load_journeys() -> dict[str, Journey]:
    """Load the journey of every contract, by stem."""
    return {contract.stem: load_journey(contract) for contract in load_contracts()}


def load_journey(contract: Contract) -> Journey:
    """Load the journey of a contract. Raises SpecError where there is none, or it is no list of workflows."""
    file = contract.source.journey
    if not file.is_file():
        raise SpecError(contract.stem, str(file), "missing: what a client does with the contract, step by step")
    document = yaml.safe_load(file.read_text("utf-8"))
    if not isinstance(document, dict) or not document.get("workflows"):
        raise SpecError(contract.stem, file.name, "workflows are missing")
    named = {source["name"] for source in document["sourceDescriptions"]} - {contract.stem}
    return Journey(contract, document, tuple(one for one in load_contracts() if one.stem in named) if named else ())
