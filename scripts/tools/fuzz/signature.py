"""Signing what is about to be sent, as the signed contract asks for: in the URL and in headers by turns."""

import base64
import hashlib
import hmac
import itertools
import time
from email.utils import formatdate
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlsplit, urlunsplit

import requests
from requests.auth import AuthBase

ACCESSID = "fuzz"
IN_URL = ("accessid", "expires", "signature")


class Signature(AuthBase):
    """Signs requests; what was generated in the place of a signature is replaced.

    url_only: keep to the URL, and so leave headers as they are.
    """

    def __init__(self, accesskey: str) -> None:
        self.accesskey = accesskey
        self.turns = itertools.cycle((True, False))
        self.url_only = False

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request (requests' hook)."""
        query = urlsplit(str(request.url)).query
        kept = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in IN_URL]
        if self.url_only or next(self.turns):
            expires = str(int(time.time()) + 3600)
            signed = (ACCESSID, expires, self._sign(request, f"\n\n{expires}"))
            kept += [f"{name}={quote_plus(value)}" for name, value in zip(IN_URL, signed, strict=True)]
            request.headers.pop("Authorization", None)
        else:
            request.headers["Date"] = date = formatdate(usegmt=True)
            digest, media_type = (_text(request.headers.get(name, "")) for name in ("Content-MD5", "Content-Type"))
            signature = self._sign(request, f"{digest}\n{media_type}\n{date}")
            request.headers["Authorization"] = f"{ACCESSID}:{signature}"
        request.url = urlunsplit(urlsplit(str(request.url))._replace(query="&".join(kept)))
        return request

    def _sign(self, request: requests.PreparedRequest, middle: str) -> str:
        """Return base64(HMAC-SHA1(accesskey, message)); the first `action` counts."""
        parts = urlsplit(str(request.url))
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        action = next((value for name, value in pairs if name == "action"), "")
        message = f"{request.method}\n{middle}\n{parts.path}{action}"
        digest = hmac.digest(self.accesskey.encode(), message.encode(), hashlib.sha1)
        return base64.b64encode(digest).decode()


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
