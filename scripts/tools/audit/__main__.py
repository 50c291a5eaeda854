"""Audit the lock file by pip-audit.

A known vulnerability is a failure. A service that does not answer, or knows none of the packages (a mirror without the
registry's JSON), is none: the suite must pass without a network. It is said, so that nobody takes silence for health;
`--must-answer` makes it a failure as well, for where there is a network.

What is known is what the service knows: advisories of the Python Packaging Authority, by way of the registry's JSON, or
of OSV (`--vulnerability-service=osv`). Of libraries that are compiled into a package it knows little.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[3] / "requirements.lock"
MUST_ANSWER = "--must-answer"
WRONG_USAGE, NO_ANSWER = 2, 3


def main(arguments: list[str]) -> int:
    """Print what was found; return 1 where a package is vulnerable, 3 where one had to be asked for and was not."""
    no_answer = NO_ANSWER if MUST_ANSWER in arguments else 0
    arguments = [argument for argument in arguments if argument != MUST_ANSWER]
    command = [sys.executable, "-m", "pip_audit", f"--requirement={LOCK}", "--no-deps", "--disable-pip"]
    options = ["--progress-spinner=off", "--format=json", "--timeout=10"]
    ran = subprocess.run([*command, *options, *arguments], capture_output=True, text=True, check=False)
    if ran.returncode == WRONG_USAGE:
        print(ran.stderr, file=sys.stderr)
        return WRONG_USAGE
    try:
        asked: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except ValueError:
        told = ran.stderr.strip().splitlines() or ["no answer"]
        print(f"NOT AUDITED for vulnerabilities: the service cannot be asked: {told[-1][:300]}", file=sys.stderr)
        return no_answer
    return _report(asked, no_answer)


def _report(asked: list[dict[str, Any]], no_answer: int) -> int:
    skipped = [package["name"] for package in asked if "skip_reason" in package]
    vulnerable = [package for package in asked if package.get("vulns")]
    if skipped:
        names = "none of the packages" if len(skipped) == len(asked) else "not: " + ", ".join(skipped)
        print(f"NOT AUDITED for vulnerabilities: the service knows {names}", file=sys.stderr)
    for package in vulnerable:
        for found in package["vulns"]:
            better = ", ".join(found["fix_versions"]) or "none"
            print(f"{package['name']} {package['version']}: {found['id']}, repaired in: {better}", file=sys.stderr)
    if len(skipped) < len(asked):
        print(f"{len(asked) - len(skipped)} packages audited, {len(vulnerable)} vulnerable")
    if vulnerable:
        return 1
    return no_answer if skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
