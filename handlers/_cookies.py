"""Cookies that carry a session: out of reach of scripts and of other sites' forms. The server adds Secure under TLS."""

from models import settings


def set_cookie(name: str, value: str, max_age: int) -> dict[str, str]:
    """Return the header that sets a cookie for this many seconds; name and value need no quoting."""
    path = settings.current.public_path or "/"  # a neighbour on the same host is not to see it
    return {"Set-Cookie": f"{name}={value}; Max-Age={max_age}; Path={path}; HttpOnly; SameSite=Lax"}


def clear_cookie(name: str) -> dict[str, str]:
    """Return the header that makes a client forget a cookie."""
    return set_cookie(name, "", 0)
