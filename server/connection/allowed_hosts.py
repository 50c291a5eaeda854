"""Which names the server answers to, where loopback is all that keeps strangers out.

A page of any site can have its own name point to this machine (DNS rebinding), and is then of the same origin to the
browser. An address, localhost and the public name cannot be another site's.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from server.connection.client_ip import read_address
from server.settings import Settings, is_loopback


def allowed_hosts(settings: Settings) -> Callable[[str], bool]:
    """Return what tells whether a `Host` header is meant for this server; where it stands open, everything is."""
    stands_open = settings.policy != "documented" or settings.trusted_proxies or not is_loopback(settings.host)
    if stands_open and not settings.local_only:
        return lambda host: True
    names = {"localhost", settings.public.host}

    def is_own(host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in names or name.endswith(".localhost") or read_address(name) is not None

    return is_own
