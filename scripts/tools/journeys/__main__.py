"""Walk through the journeys on a scratch server, with our runner and with Redocly's; end with 1 if one stumbles."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.tools.fuzz.server import Server
from scripts.tools.journeys import redocly
from scripts.tools.journeys.arazzo import Stumbled, walk
from scripts.tools.journeys.inputs import Inputs
from scripts.tools.journeys.journeys import Journey, Workflow, load_journeys

Runner = Callable[[Journey, Workflow, dict[str, Any], str], str]


def main() -> int:
    """Walk, with a line for every workflow; return the exit code."""
    journeys = load_journeys()
    parser = argparse.ArgumentParser(prog="journeys", description=__doc__)
    parser.add_argument("stems", nargs="*", metavar="CONTRACT", help=f"{', '.join(journeys)}; default: all")
    stems = parser.parse_args().stems or list(journeys)
    if unknown := set(stems) - journeys.keys():
        parser.error(f"no such contract: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        arrived = [go(journeys[stem], name, server) for stem in stems for name in RUNNERS]
    return 0 if all(arrived) else 1


def go(journey: Journey, name: str, server: Server) -> bool:
    """Go one journey with one runner; tell whether it came to its end."""
    inputs = Inputs(server)
    for workflow in journey.workflows if name == "ours" else journey.shared:
        complaint = RUNNERS[name](journey, workflow, inputs.of(workflow), server.url)
        outcome = complaint or f"{len(workflow['steps'])} steps"
        print(f"{name:7}  {journey.stem} / {workflow['workflowId']}: {outcome}", flush=True)
        if complaint:
            return False
    return True


def _ours(journey: Journey, workflow: Workflow, inputs: dict[str, Any], url: str) -> str:
    try:
        walk(journey, workflow, inputs, url)
    except Stumbled as reason:
        return str(reason)
    return ""


def _redoclys(journey: Journey, workflow: Workflow, inputs: dict[str, Any], url: str) -> str:
    ran = redocly.respect(journey, workflow, inputs, url)
    return ran.stdout if ran.returncode else ""


RUNNERS: dict[str, Runner] = {"ours": _ours, "Redocly": _redoclys}
"""Name of a runner -> what walks, and returns a complaint or nothing."""

sys.exit(main())
