"""Audit the lock file by pip-audit.

A known vulnerability is a failure. A service that does not answer, or knows none of the packages (a mirror without the
registry's JSON), is none: the suite must pass without a network. It is said, so that nobody takes silence for health.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "requirements.lock"
WRONG_USAGE = 2


def main(arguments: list[str]) -> int:
    """Print what was found; return 1 where a package is vulnerable."""
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
        return 0
    return _report(asked)


def _report(asked: list[dict[str, Any]]) -> int:
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
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
