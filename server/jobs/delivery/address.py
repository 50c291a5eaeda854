"""The address of a server, which may hold a password."""

from urllib.parse import SplitResult, urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def split(url: str, expected: str) -> SplitResult:
    """Return the parts of an address with a host. Raises ValueError, which says what is expected.

    The library's own errors quote what they stumble over: of an address without its host, that is the password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # read for the first time
    except ValueError:
        raise ValueError(expected) from None
    if not parts.hostname:
        raise ValueError(expected)
    return parts
