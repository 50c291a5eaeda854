"""The independent runner and rule set: Redocly CLI, as `package-lock.json` beside this module pins it."""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.tools.journeys.journeys import Journey, Workflow

ROOT = Path(__file__).parents[3]
CONFIG = Path(__file__).with_name("redocly.yaml")
EXCEPTIONS = CONFIG.with_name(".redocly.lint-ignore.yaml")

Ran = subprocess.CompletedProcess[str]


def run(*arguments: str) -> Ran:
    """Run Redocly CLI; what it prints is all in `stdout`."""
    return subprocess.run(  # noqa: S603  # a script of this repository
        [ROOT / "scripts" / "redocly", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def lint(*files: Path) -> Ran:
    """Hold specs and journeys against the rule set."""
    return run("lint", "--config", str(CONFIG), "--lint-config", "error", *map(str, files))


def respect(journey: Journey, workflow: Workflow, inputs: dict[str, Any], url: str) -> Ran:
    """Walk through a workflow of a journey on a server; the spec is the self-contained one, wherever the files lie."""
    with TemporaryDirectory() as folder:
        return _respect(_bundle(journey, Path(folder)), journey, workflow, inputs, url)


def _bundle(journey: Journey, folder: Path) -> Path:
    """Write a journey beside its specs without references to other files; return where."""
    for contract in (journey.contract, *journey.beside):
        (folder / f"{contract.stem}.spec.json").write_text(json.dumps(contract.document), "utf-8")
    sources = [{**source, "url": f"{source['name']}.spec.json"} for source in journey.document["sourceDescriptions"]]
    file = folder / f"{journey.stem}.json"
    file.write_text(json.dumps({**journey.document, "sourceDescriptions": sources}), "utf-8")
    return file


def _respect(file: Path, journey: Journey, workflow: Workflow, inputs: dict[str, Any], url: str) -> Ran:
    return run(
        *("respect", str(file)),
        *("--workflow", workflow["workflowId"]),
        *("--server", ",".join(f"{one.stem}={url}{one.base_path}" for one in (journey.contract, *journey.beside))),
        *("--input", json.dumps(inputs)),
        *(("--severity", workflow["x-respect-severity"]) if "x-respect-severity" in workflow else ()),
    )
