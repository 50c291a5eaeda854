"""Supabase: the table auth.users, as CSV or JSON from the dashboard or `\\copy`, or in a dump."""

from collections.abc import Iterator
from typing import Any

import orjson

from server.cli.foreign.options import Options
from server.cli.foreign.person import Given, is_true, moment, person
from server.cli.foreign.source import Source

WHAT = "Supabase: the table auth.users as CSV or JSON, or in a dump"


def fits(source: Source) -> bool:
    """Tell whether the file looks like it."""
    return bool({"encrypted_password", "raw_user_meta_data"} & source.keys) or {"users", "identities"} <= source.tables


def read(source: Source, options: Options) -> Iterator[Given]:
    """Yield the users as accounts, but for those that were deleted."""
    for user in source.rows("users"):
        if user.get("deleted_at"):
            continue
        more = _metadata(user.get("raw_user_meta_data"))
        phone = user.get("phone")
        yield person(
            foreign_id=user.get("id"),
            username=more.get("username") or more.get("user_name") or more.get("preferred_username"),
            password=user.get("encrypted_password"),
            display_name=more.get("full_name") or more.get("name"),
            email=user.get("email"),
            email_proved=bool(user.get("email") and (user.get("email_confirmed_at") or user.get("confirmed_at")))
            or None,
            mobile=f"+{phone}" if phone and not str(phone).startswith("+") else phone,  # stored without its plus
            mobile_proved=bool(phone and user.get("phone_confirmed_at")) or None,
            photo=more.get("avatar_url") or more.get("picture"),
            admin=is_true(user.get("is_super_admin")) or None,
            disabled=bool(user.get("banned_until")) or None,
            created=moment(user.get("created_at")),
            updated=moment(user.get("updated_at")),
        )


def _metadata(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError:
            return {}
    return {name: value for name, value in given.items() if isinstance(value, str)} if isinstance(given, dict) else {}
