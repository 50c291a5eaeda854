"""What can be wrong with a request or with the server before the directory is asked.

ProtocolError
├── Malformed             400
├── Unauthenticated       401
│   └── Unreadable        401
├── Forbidden             403
├── PathNotFound          404
├── MethodNotAllowed      405
├── TooLarge              413
├── UriTooLong            414
├── UnsupportedMediaType  415
├── Throttled             429
├── HeadersTooLarge       431
├── Bug                   500
└── Unavailable           503
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from models import settings

LONGEST_DETAIL = 500

Words = TypeVar("Words")


class ProtocolError(Exception):
    """Base of all failures of the protocol.

    title: the status in HTTP's own words.
    detail: what is wrong with this request, in at most 500 characters.
    final: no other credential of the request is looked at after this failure.
    """

    status: int
    title: str
    usual: str
    final = False

    def __init__(self, detail: str = "") -> None:
        self.detail = (detail or self.usual)[:LONGEST_DETAIL]
        super().__init__(self.detail)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the answer must carry."""
        return {}


class Malformed(ProtocolError):
    """Raised when parameters or body do not fit the contract."""

    status, title = 400, "Bad Request"
    usual = "The request does not fit the contract."


class Unauthenticated(ProtocolError):
    """Raised when a credential is missing, or none of those given is accepted."""

    status, title = 401, "Unauthorized"
    usual = "The credential is missing."


class Unreadable(Unauthenticated):
    """Raised when a credential is there but is none that this server wrote."""

    usual = "The credential cannot be read."


class Forbidden(ProtocolError):
    """Raised when the policy gives the operation to somebody else."""

    status, title = 403, "Forbidden"
    usual = "This is not the caller's business."


class PathNotFound(ProtocolError):
    """Raised when no contract has the path."""

    status, title = 404, "Not Found"
    usual = "There is nothing at this path."


class MethodNotAllowed(ProtocolError):
    """Raised when the path is known, but not with this method."""

    status, title = 405, "Method Not Allowed"
    usual = "The path does not know this method."

    def __init__(self, allow: Iterable[str], detail: str = "") -> None:
        super().__init__(detail)
        self.allow = tuple(allow)

    @property
    def headers(self) -> dict[str, str]:
        """Return the methods that the path knows."""
        return {"Allow": ", ".join(self.allow)}


class TooLarge(ProtocolError):
    """Raised when the body is larger than the server reads."""

    status, title = 413, "Content Too Large"
    usual = "The body is too large."


class UriTooLong(ProtocolError):
    """Raised when path and query are longer than the server reads."""

    status, title = 414, "URI Too Long"
    usual = "The URL is too long."


class HeadersTooLarge(ProtocolError):
    """Raised when there are more headers, or larger ones, than the server reads."""

    status, title = 431, "Request Header Fields Too Large"
    usual = "The headers are too many or too large."


class UnsupportedMediaType(ProtocolError):
    """Raised when the body has a media type that the operation does not read."""

    status, title = 415, "Unsupported Media Type"
    usual = "The operation does not read this media type."


class _Later(ProtocolError):
    """Base of the failures that pass by themselves. retry_after: seconds."""

    def __init__(self, retry_after: int = 1, detail: str = "") -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Return when to come again."""
        return {"Retry-After": str(self.retry_after)}


class Throttled(_Later):
    """Raised when a caller tries more often than the contract lets it.

    limit: the name of what was exceeded; quota: how often it allows; window: in how many seconds.
    """

    status, title = 429, "Too Many Requests"
    usual = "There were too many requests; try again later."

    def __init__(self, retry_after: int, limit: str, quota: int, window: int) -> None:
        super().__init__(retry_after)
        self.limit, self.quota, self.window = limit, quota, window

    @property
    def headers(self) -> dict[str, str]:
        """Return when to come again, and what was exceeded, as draft-ietf-httpapi-ratelimit-headers-11 has it."""
        return super().headers | {
            "RateLimit-Policy": f'"{self.limit}";q={self.quota};w={self.window}',
            "RateLimit": f'"{self.limit}";r=0;t={self.retry_after}',
        }


class Bug(ProtocolError):
    """Raised when the server failed in a way that nobody foresaw."""

    status, title = 500, "Internal Server Error"
    usual = "The server failed."


class Unavailable(_Later):
    """Raised when the server is overloaded or its store is away."""

    status, title = 503, "Service Unavailable"
    usual = "The server cannot answer now; try again later."


def check_page_size(size: int) -> None:
    """Hold the size of a page against the operator's limit. Raises Malformed."""
    most = settings.current.max_page_size
    if size > most:
        raise Malformed(f"query parameter 'size': {size} is greater than the maximum of {most}")


def nearest(words: Mapping[type[Exception], Words], error: Exception) -> Words:
    """Return the words for an error: those of its class, else of the nearest base that has some.

    Raises Bug for an error that the contract has no words for.
    """
    for kind in type(error).__mro__:
        if kind in words:
            return words[kind]
    raise Bug(f"no words for {type(error).__name__}")
