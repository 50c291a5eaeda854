"""What all systems have in common: a person with an id, names, an address, a number, a password, and times."""

from datetime import UTC, datetime
from typing import Any

Given = dict[str, Any]
"""An account as a line of our own file says it; `username` may be missing, `foreign_id` is the system's own."""

LONGEST_NAME = 64
LONGEST_PHOTO = 2_048
MILLISECONDS = 100_000_000_000
"""A number beyond it is no time in seconds: the year 5138."""


def person(**values: Any) -> Given:
    """Put together what is known of a person: blanks are nothing, a display name is cut to what can be shown."""
    known = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    known = {name: value for name, value in known.items() if value not in (None, "")}
    if "display_name" in known:
        known["display_name"] = "".join(filter(str.isprintable, str(known["display_name"])))[:LONGEST_NAME].strip()
    if len(str(known.get("photo", ""))) > LONGEST_PHOTO:
        del known["photo"]  # a picture itself, as a data URL
    for text in ("foreign_id", "username", "mobile"):
        if text in known:
            known[text] = str(known[text])
    return {name: value for name, value in known.items() if value != ""}


def full_name(first: str | None, last: str | None) -> str:
    """Return a name as its owner writes it: Chinese ones without a blank, the family first."""
    first, last = (first or "").strip(), (last or "").strip()
    if first and last and not (first + last).isascii() and all("\u3400" <= char <= "\u9fff" for char in first + last):
        return last + first
    return f"{first} {last}".strip()


def moment(value: Any) -> str | None:
    """Return a time in RFC 3339: from text with or without an offset (then UTC), seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str) and not value.lstrip("-").isdigit():
            found = datetime.fromisoformat(value.strip())
        elif value is None or isinstance(value, bool):
            return None
        else:
            number = int(value)
            found = datetime.fromtimestamp(number / 1000 if abs(number) > MILLISECONDS else number, UTC)
    except (ValueError, OverflowError, OSError):  # as 0000-00-00 00:00:00
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC).isoformat().replace("+00:00", "Z")


def is_true(value: Any) -> bool:
    """Tell whether a value of a table means yes."""
    return str(value).strip().lower() in ("1", "t", "true", "y", "yes", "是")
