"""Firebase: `firebase auth:export users.json`, with the project's hash parameters."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.cli.failure import Refused
from server.cli.foreign.options import Options
from server.cli.foreign.person import Given, moment, person
from server.cli.foreign.source import Source

WHAT = "Firebase: auth:export as JSON, with --hash-config"

PARAMETER = re.compile(r'"?(\w+)"?\s*:\s*"?([\w+/=-]+)"?')


def fits(source: Source) -> bool:
    """Tell whether the file looks like it."""
    return source.is_json and any("localId" in record for record in source.records[:1])


def read(source: Source, options: Options) -> Iterator[Given]:
    """Yield the users as accounts. Raises Refused where there are hashes, and nothing that says how they were made."""
    config = _parameters(options.hash_config) if options.hash_config else None
    for user in source.records:
        hashed = user.get("passwordHash")
        if hashed and config is None:
            raise Refused(
                "firebase: --hash-config FILE is needed: the password hash parameters of the project's console"
            )
        verified = user.get("emailVerified") or None
        yield person(
            foreign_id=user.get("localId"),
            password=_password(hashed, user.get("salt") or "", config) if hashed and config else None,
            display_name=user.get("displayName"),
            email=user.get("email"),
            email_proved=verified if user.get("email") else None,
            mobile=user.get("phoneNumber"),
            mobile_proved=True if user.get("phoneNumber") else None,  # Firebase takes none that was not
            photo=user.get("photoUrl"),
            disabled=user.get("disabled") or None,
            created=moment(user.get("createdAt")),
        )


def _parameters(file: Path) -> dict[str, str]:
    """Read the parameters as the console shows them, or as JSON. Raises Refused."""
    found = dict(PARAMETER.findall(file.read_text("utf-8-sig")))
    for name in ("base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"):
        if name not in found:
            raise Refused(f"{file}: {name} is missing")
    return found


def _password(hashed: str, salt: str, config: dict[str, Any]) -> str:
    cost = f"ln={config['mem_cost']},r={config['rounds']},p=1"
    keys = f"{config['base64_salt_separator']}${config['base64_signer_key']}"
    return f"$firescrypt${cost}${salt}${hashed}${keys}"
