"""The signature of the signed contract: in the URL, or in the headers Authorization and Date."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from handlers.exceptions import Unauthorized
from models import clock, settings
from models.access_key import AccessKey
from models.errors import KeyNotFound

UNKNOWN_KEY = "accessid不存在"
INCOMPLETE = "缺少accessid、expires或signature"
URL_CREDENTIALS = ("accessid", "expires", "signature")
UNIX_SECONDS = re.compile(r"[0-9]{1,19}")


def in_url(value: str, request: Any) -> dict[str, Any]:
    """Check a signature in the URL. Raises Unauthorized."""
    query = _first_values(request)
    accessid, expires, signature = (query.get(name) for name in URL_CREDENTIALS)
    if not (accessid and signature and expires and UNIX_SECONDS.fullmatch(expires)):
        raise Unauthorized(INCOMPLETE)
    if int(expires) < clock.now():
        raise Unauthorized("签名已过期")
    if int(expires) > clock.now() + settings.current.signature_max_ahead_seconds:
        raise Unauthorized("expires超出允许范围")
    return _check_signature(request, accessid, signature, f"\n\n{expires}")


def in_headers(value: str, request: Any) -> dict[str, Any]:
    """Check a signature in the headers Authorization and Date. Raises Unauthorized."""
    if not _first_values(request).keys().isdisjoint(URL_CREDENTIALS):
        return in_url("", request)  # where both are there, the URL counts
    accessid, signature = (part.strip() for part in value.partition(":")[::2])
    date = request.headers.get("date", "")
    signed_at = _unix_seconds(date)
    if not (accessid and signature and signed_at is not None):
        raise Unauthorized("缺少Authorization（accessid:signature）或Date")
    skew = settings.current.signature_date_skew_seconds
    if signed_at < clock.now() - skew:
        raise Unauthorized("签名已过期")
    if signed_at > clock.now() + skew:
        raise Unauthorized("Date超出允许范围")
    digest, media_type = (request.headers.get(name, "") for name in ("content-md5", "content-type"))
    return _check_signature(request, accessid, signature, f"{digest}\n{media_type}\n{date}")


def _check_signature(request: Any, accessid: str, signature: str, middle: str) -> dict[str, Any]:
    """Check who signed and what was signed. middle: the lines between verb and path."""
    action = _first_values(request).get("action", "")
    path = request.scope["path"].rstrip("/")
    # the path is the same with a slash at its end; and behind a proxy that has the server below a path, some sign the
    # document's path, others that of their URL
    places = [f"{base}{path}{slash}" for base in {"", settings.current.public_path} for slash in ("", "/")]
    messages = [f"{request.method}\n{middle}\n{place}{action}" for place in places]
    try:
        key = AccessKey.find(accessid)
    except KeyNotFound:
        raise Unauthorized(UNKNOWN_KEY) from None
    if not any(key.has_signed(message, signature) for message in messages):
        raise Unauthorized("signature不正确")
    return {"client": key}


def _first_values(request: Any) -> dict[str, str]:
    """Return the query; of a repeated parameter the first value."""
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return dict(reversed(pairs))


def _unix_seconds(date: str) -> int | None:
    """Read an HTTP date."""
    try:
        moment = parsedate_to_datetime(date)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
