"""Django: `manage.py dumpdata`, with the addresses of allauth; or the table `auth_user` itself."""

from collections.abc import Iterator
from typing import Any

from server.cli.foreign.options import Options
from server.cli.foreign.person import Given, full_name, is_true, moment, person
from server.cli.foreign.source import Source

WHAT = "Django: dumpdata (with allauth's addresses), or its database"

USERS, ADDRESSES = "auth_user", "account_emailaddress"


def fits(source: Source) -> bool:
    """Tell whether the file looks like it."""
    return (
        USERS in source.tables or {"model", "fields"} <= source.keys or {"is_superuser", "date_joined"} <= source.keys
    )


def read(source: Source, options: Options) -> Iterator[Given]:
    """Yield the users as accounts."""
    users, addresses = _dumped(source) if "model" in source.keys else _stored(source)
    emails: dict[Any, dict[str, Any]] = {}
    for address in addresses:
        owner = address.get("user") or address.get("user_id")
        owner = owner[0] if isinstance(owner, list) else owner  # by a natural key
        if owner not in emails or is_true(address.get("primary")):
            emails[owner] = address
    for user in users:
        named = (user.get("id"), user.get("username"), user.get("email"))
        address = next((emails[name] for name in named if name in emails), {})
        email = user.get("email") or address.get("email")
        is_same = (address.get("email") or "").casefold() == (email or "").casefold()
        password = user.get("password") or ""
        yield person(
            foreign_id=user.get("id"),
            username=user.get("username"),
            password=None if password.startswith("!") else password,  # Django's sign for none
            display_name=user.get("name") or full_name(user.get("first_name"), user.get("last_name")),
            email=email,
            email_proved=True if email and is_same and is_true(address.get("verified")) else None,
            mobile=user.get("phone") or user.get("mobile") or user.get("phone_number"),
            admin=is_true(user.get("is_superuser")) or None,
            disabled=True if user.get("is_active") is not None and not is_true(user["is_active"]) else None,
            created=moment(user.get("date_joined")),
        )


def _dumped(source: Source) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return users and addresses of a dump; a project's own model of a user has a name of its own."""
    users, addresses = [], []
    for record in source.records:
        fields = record.get("fields") or {}
        if record.get("model") == "account.emailaddress":
            addresses.append(fields)
        elif "password" in fields and "last_login" in fields:
            users.append({"id": record.get("pk"), **fields})
    return users, addresses


def _stored(source: Source) -> tuple[Iterator[dict[str, Any]], Iterator[dict[str, Any]]]:
    addresses = source.rows(ADDRESSES) if ADDRESSES in source.tables else iter(())
    return source.rows(USERS), addresses
