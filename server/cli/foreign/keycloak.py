"""Keycloak: users of a realm as `kc.sh export` writes them, with the realm or in files of their own."""

import json
from collections.abc import Iterator
from typing import Any

from server.cli.foreign.options import Options
from server.cli.foreign.person import Given, full_name, moment, person
from server.cli.foreign.source import Source

WHAT = "Keycloak: a realm or its users, as kc.sh export writes them"


def fits(source: Source) -> bool:
    """Tell whether the file looks like it."""
    if not source.is_json:
        return False
    marks = {"createdTimestamp", "requiredActions", "disableableCredentialTypes"}
    has_realm = isinstance(source.document, dict) and "realm" in source.document
    return has_realm or any(marks & record.keys() for record in source.records[:1])


def read(source: Source, options: Options) -> Iterator[Given]:
    """Yield the users as accounts, but for those that stand for a client."""
    for user in source.records:
        if user.get("serviceAccountClientId") or "username" not in user:
            continue
        attributes = user.get("attributes") or {}
        verified = user.get("emailVerified") or None
        yield person(
            foreign_id=user.get("id"),
            username=user["username"],
            password=_password(user.get("credentials") or ()),
            display_name=full_name(user.get("firstName"), user.get("lastName")),
            email=user.get("email"),
            email_proved=verified if user.get("email") else None,
            mobile=_attribute(attributes, "phoneNumber", "phone_number", "mobile", "phone"),
            photo=_attribute(attributes, "picture"),
            disabled=user.get("enabled") is False or None,
            created=moment(user.get("createdTimestamp")),
        )


def _attribute(attributes: dict[str, Any], *names: str) -> Any:
    values = next((attributes[name] for name in names if attributes.get(name)), None)
    return values[0] if isinstance(values, list) else values


def _password(credentials: Any) -> str | None:
    """Return the hash of the password, spelled as passlib and Kratos do; what is no known way is left as it is."""
    found = next((credential for credential in credentials if credential.get("type") == "password"), None)
    if found is None:
        return None
    if "secretData" in found:
        secret, data = json.loads(found["secretData"]), json.loads(found["credentialData"])
    else:  # before version 8
        secret = {"value": found.get("hashedSaltedValue"), "salt": found.get("salt")}
        data = {"hashIterations": found.get("hashIterations"), "algorithm": found.get("algorithm")}
    value, salt, rounds = secret.get("value") or "", secret.get("salt") or "", data.get("hashIterations")
    algorithm = data.get("algorithm") or ""
    if algorithm.startswith("pbkdf2"):
        digest = algorithm.partition("-")[2] or "sha1"
        return f"$pbkdf2-{digest}$i={rounds},l={len(value) * 3 // 4}${salt}${value}"
    if algorithm == "argon2":
        more = {name: values[0] for name, values in (data.get("additionalParameters") or {}).items() if values}
        version = {"1.0": "16", "1.3": "19"}.get(more.get("version", "1.3"), "0")
        cost = f"m={more.get('memory')},t={rounds},p={more.get('parallelism')}"
        return f"$argon2{more.get('type', 'id')}$v={version}${cost}${salt.rstrip('=')}${value.rstrip('=')}"
    return value if algorithm == "bcrypt" else f"{algorithm}:{value}"
