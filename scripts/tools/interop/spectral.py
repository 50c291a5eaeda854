"""Spectral's own rules and OWASP's."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from scripts.tools.harness.npm import BIN
from scripts.tools.interop.place import Fault, Place, npm_tool, run

RULES = Path(__file__).with_name("spectral.yaml")


def lint(place: Place) -> str:
    """Hold the contract against the rules; errors are faults, warnings are counted."""
    shutil.copy(RULES, place.folder / ".spectral.yaml")
    (place.folder / "node_modules").symlink_to(npm_tool("spectral").parents[1])
    seen = place.folder / "seen.json"
    words = ("lint", "-r", ".spectral.yaml", "-f", "json", "-o", seen.name, place.document.name)
    try:
        run(BIN / "node", npm_tool("spectral"), *words, cwd=place.folder)
    except Fault:  # it ends so for a finding, too
        if not seen.exists():
            raise
    found: list[dict[str, Any]] = json.loads(seen.read_bytes())
    if errors := [f"{one['code']}: {'/'.join(map(str, one['path']))}" for one in found if one["severity"] == 0]:
        raise Fault("\n".join(errors))
    warnings = Counter(one["code"] for one in found)
    return f"no errors, {warnings.total()} warnings of {len(warnings)} rules"
