"""Ory Kratos: identities as `kratos identities list --format json` or the import's own file has them."""

from collections.abc import Iterator
from typing import Any

from server.cli.foreign.options import Options
from server.cli.foreign.person import Given, full_name, moment, person
from server.cli.foreign.source import Source

WHAT = "Ory Kratos: identities as JSON, with their credentials"


def fits(source: Source) -> bool:
    """Tell whether the file looks like it."""
    return source.is_json and any("traits" in _identity(record) for record in source.records[:1])


def read(source: Source, options: Options) -> Iterator[Given]:
    """Yield the identities as accounts."""
    for record in source.records:
        identity = _identity(record)
        traits = identity.get("traits") or {}
        email, phone = _trait(traits, "email"), _trait(traits, "phone", "phone_number", "mobile")
        name = traits.get("name")
        parts = name if isinstance(name, dict) else traits
        first = parts.get("first") or parts.get("first_name") or parts.get("given_name")
        last = parts.get("last") or parts.get("last_name") or parts.get("family_name")
        verified = {
            address.get("value") for address in identity.get("verifiable_addresses") or () if address.get("verified")
        }
        password = (identity.get("credentials") or {}).get("password") or {}
        yield person(
            foreign_id=identity.get("id"),
            username=_trait(traits, "username", "user_name"),
            password=(password.get("config") or {}).get("hashed_password"),
            display_name=name if isinstance(name, str) else full_name(first, last),
            email=email,
            email_proved=email in verified or None,
            mobile=phone,
            mobile_proved=phone in verified or None,
            photo=_trait(traits, "picture", "avatar"),
            disabled=identity.get("state") == "inactive" or None,
            created=moment(identity.get("created_at")),
            updated=moment(identity.get("updated_at")),
        )


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    """Return an identity, which a batch of patches has under `create`."""
    inner = record.get("create")
    return inner if isinstance(inner, dict) else record


def _trait(traits: dict[str, Any], *names: str) -> Any:
    """Return the first of the traits that is a text; schemas name them as they like, and some list them."""
    for name in names:
        for value in (traits.get(name), *(traits.get(f"{name}s") or ())):
            if isinstance(value, str) and value:
                return value
    return None
