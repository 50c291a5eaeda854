"""What can be wrong with a request or with the server before the directory is asked.

ProtocolError
├── BadRequest             400
├── Unauthorized       401
│   └── InvalidToken        401
├── Forbidden             403
├── NotFound          404
├── MethodNotAllowed      405
├── ContentTooLarge              413
├── UriTooLong            414
├── UnsupportedMediaType  415
├── TooManyRequests             429
├── HeadersTooLarge       431
├── InternalServerError                   500
└── ServiceUnavailable           503
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from models import settings

LONGEST_DETAIL = 500

Words = TypeVar("Words")


FAULTS = {
    "missing": "{field} is missing",
    "type": "{field} is not of type {bound}",
    "format": "{field} is not of the form that is expected",
    "unknown": "{field} is none of the values that are known",
    "too-short": "{field} has fewer than {bound} characters",
    "too-long": "{field} has more than {bound} characters",
    "too-small": "{field} is less than {bound}",
    "too-large": "{field} is greater than {bound}",
    "too-few": "{field} has fewer than {bound} entries",
    "too-many": "{field} has more than {bound} entries",
    "repeated": "{field} is given more than once",
    "undeclared": "{field} is not declared",
    "encoding": "{field} is not UTF-8",
    "file": "{field} is a file",
    "nothing": "there is nothing to change",
    "no-body": "the body is missing",
    "no-json": "the body is not JSON",
    "no-object": "the body is no object",
    "no-form": "the body is not a form",
    "not-utf-8": "the request is not UTF-8",
    "too-deep": "the body is nested too deep",
    "many-fields": "there are more than {bound} fields",
    "cut-short": "the body was cut short",
}
"""Kind of fault -> what is said of it in English; the others say it in `handlers/_chinese.py`."""


class Fault(NamedTuple):
    """What is wrong with a request.

    field: the member's name as the client sent it, empty where it is the request as a whole. kind: one of `FAULTS`.
    bound: the limit that was exceeded, or the type that was expected.
    """

    field: str
    kind: str
    bound: int | str = ""

    def __str__(self) -> str:
        return FAULTS[self.kind].format(field=self.field or "the value", bound=self.bound)


class ProtocolError(Exception):
    """Base of all failures of the protocol.

    title: the status in HTTP's own words.
    detail: what is wrong with this request, in at most 500 characters.
    """

    status: int
    title: str
    default_detail: str

    def __init__(self, detail: str = "") -> None:
        self.detail = (detail or self.default_detail)[:LONGEST_DETAIL]
        super().__init__(self.detail)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the answer must carry."""
        return {}


class BadRequest(ProtocolError):
    """Raised when parameters or body do not fit the contract. fault: in what."""

    status, title = 400, "Bad Request"
    default_detail = "The request does not fit the contract."

    def __init__(self, fault: Fault | None = None) -> None:
        text = str(fault or "")
        if fault and not fault.field:  # no name of a field, which is as the client sent it
            text = text[0].upper() + text[1:]
        super().__init__(text and f"{text}.")
        self.fault = fault


class Unauthorized(ProtocolError):
    """Raised when a credential is missing, or none of those given is accepted."""

    status, title = 401, "Unauthorized"
    default_detail = "The credential is missing."


class InvalidToken(Unauthorized):
    """Raised when a credential is there but is none that this server wrote."""

    default_detail = "The credential cannot be read."


class Forbidden(ProtocolError):
    """Raised when the policy gives the operation to somebody else."""

    status, title = 403, "Forbidden"
    default_detail = "This is not the caller's business."


class NotFound(ProtocolError):
    """Raised when no contract has the path."""

    status, title = 404, "Not Found"
    default_detail = "There is nothing at this path."


class MethodNotAllowed(ProtocolError):
    """Raised when the path is known, but not with this method."""

    status, title = 405, "Method Not Allowed"
    default_detail = "The path does not know this method."

    def __init__(self, allow: Iterable[str], detail: str = "") -> None:
        super().__init__(detail)
        self.allow = tuple(allow)

    @property
    def headers(self) -> dict[str, str]:
        """Return the methods that the path knows."""
        return {"Allow": ", ".join(self.allow)}


class ContentTooLarge(ProtocolError):
    """Raised when the body is larger than the server reads."""

    status, title = 413, "Content Too Large"
    default_detail = "The body is too large."


class UriTooLong(ProtocolError):
    """Raised when path and query are longer than the server reads."""

    status, title = 414, "URI Too Long"
    default_detail = "The URL is too long."


class HeadersTooLarge(ProtocolError):
    """Raised when there are more headers, or larger ones, than the server reads."""

    status, title = 431, "Request Header Fields Too Large"
    default_detail = "The headers are too many or too large."


class UnsupportedMediaType(ProtocolError):
    """Raised when the body has a media type that the operation does not read."""

    status, title = 415, "Unsupported Media Type"
    default_detail = "The operation does not read this media type."


class _Later(ProtocolError):
    """Base of the failures that pass by themselves. retry_after: seconds."""

    def __init__(self, retry_after: int = 1, detail: str = "") -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Return when to come again."""
        return {"Retry-After": str(self.retry_after)}


class TooManyRequests(_Later):
    """Raised when a caller tries more often than the contract lets it.

    limit: the name of what was exceeded; quota: how often it allows; window: in how many seconds.
    """

    status, title = 429, "Too Many Requests"
    default_detail = "There were too many requests; try again later."

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


class InternalServerError(ProtocolError):
    """Raised when the server failed in a way that nobody foresaw."""

    status, title = 500, "Internal Server Error"
    default_detail = "The server failed."


class ServiceUnavailable(_Later):
    """Raised when the server is overloaded or its store is away."""

    status, title = 503, "Service Unavailable"
    default_detail = "The server cannot answer now; try again later."


def check_page_size(size: int) -> None:
    """Hold the size of a page against the operator's limit. Raises BadRequest."""
    most = settings.current.max_page_size
    if size > most:
        raise BadRequest(Fault("size", "too-large", most))


def lookup_by_mro(words: Mapping[type[Exception], Words], error: Exception) -> Words:
    """Return the words for an error: those of its class, else of the lookup_by_mro base that has some.

    Raises InternalServerError for an error that the contract has no words for.
    """
    for kind in type(error).__mro__:
        if kind in words:
            return words[kind]
    raise InternalServerError(f"no words for {type(error).__name__}")
