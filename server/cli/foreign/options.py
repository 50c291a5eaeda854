"""What the operator says of a file beside its system."""

from pathlib import Path
from typing import NamedTuple


class Options(NamedTuple):
    """hash_config: Firebase's parameters. salt_order: how a table hashed. keeps_ids: its numbers go on."""

    hash_config: Path | None = None
    salt_order: str = "salt+password"
    keeps_ids: bool = False
