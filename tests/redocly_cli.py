"""Redocly CLI in tests: it is there, or it is said why not."""

import os
from functools import cache

import pytest

from scripts.tools.journeys import redocly


def require() -> None:
    """Skip the test where Redocly CLI cannot be had, such as without a network; on CI that is a failure."""
    ran = _version()
    if ran.returncode:
        told = [line for line in ran.stdout.splitlines() if "error" in line] or ["no reason given"]
        reason = f"scripts/redocly cannot set up Redocly CLI: {told[0]}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@cache
def _version() -> redocly.Ran:
    return redocly.run("--version")
