"""Random walks through all five contracts at once (tests/state_machine), as a run beside those of Schemathesis."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from scripts.tools.fuzz.outcome import Outcome
from scripts.tools.fuzz.server import ROOT

POLICIES = ("documented", "guarded")


def walk(policy: str, steps: int, seed: int, reports: Path) -> Outcome:
    """Take so many steps under a policy. reports: folder that gets JUnit XML and text."""
    outcome = Outcome("five-doors", policy, unit="steps")
    reports.mkdir(parents=True, exist_ok=True)
    junit = reports / f"{outcome.name}.xml"
    junit.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/process/test_state_machine.py",
        "-k",
        f"agree and {policy}",
        "--shrink",
    ]
    command += ["--steps", str(steps), "--seed", str(seed), "-o", "junit_family=xunit1", "--junit-xml", str(junit)]
    ended = subprocess.run(  # noqa: S603  # the command is this function's own
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    outcome.text = ended.stdout
    (reports / f"{outcome.name}.txt").write_text(outcome.text)
    if junit.exists():
        test = ElementTree.parse(junit).getroot().find(".//testcase")  # noqa: S314  # pytest wrote it
        taken = test.find(".//property[@name='steps']") if test is not None else None
        if test is not None and taken is not None:
            outcome.count, outcome.seconds = int(taken.attrib["value"]), float(test.attrib["time"])
    if ended.returncode:
        outcome.faults.append(f"pytest ended with {ended.returncode}: {ended.stdout[-2000:]}")
    return outcome
