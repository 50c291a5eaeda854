"""Settings: read once from the environment, cast, and loud by name when they are wrong."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from models.identifiers import REGIONS
from models.messages import LANGUAGES
from models.settings import DirectorySettings
from server import secret_key
from server.connection.client_ip import Network, read_address, read_networks
from server.connection.public_url import PublicURL
from server.contract.csrf import is_origin
from server.jobs.delivery import smtp, webhook
from server.jobs.delivery.mail import check_sender

PREFIX = "ROLLBOOK_"
KEY_FILE = "secret_key"
SERVICE_LINK = re.compile(
    PREFIX + r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes, and Docker's links before it, tell every container of a service that is called `rollbook…`."""
LINKED_PORT = re.compile("(tcp|udp|sctp)://")
"""Value of the one that is called `…_PORT`."""
AT_LEAST_ONE = (
    *("workers", "hash_concurrency", "argon2_time_cost", "argon2_parallelism", "password_min_length"),
    *("database_pool_size", "database_timeout_seconds", "delivery_max_attempts", "request_seconds", "max_connections"),
    *("max_url_bytes", "max_headers", "max_header_bytes", "max_json_depth"),
    *("max_sessions", "max_friends", "max_applications", "max_invitations", "max_page_size"),
    *("max_claim_messages", "max_change_messages"),
)


class SettingError(Exception):
    """Raised when a variable of the environment cannot be used; the text starts with its name."""


@dataclass(frozen=True, kw_only=True)
class Settings(DirectorySettings):
    """The directory's rules and the server's own settings; each field is read from `ROLLBOOK_<FIELD>`."""

    bind: str = "127.0.0.1:8000"
    trusted_proxies: str = ""
    cors_origins: str = ""
    contracts: str = ""
    """Folders of contracts besides those of the house, parted as `PATH` is."""
    serve: str = ""
    """Stems of the only contracts that are served, parted by commas."""
    data: Path = Path("data")
    database_url: str = ""
    workers: int = 1
    log_level: str = "info"
    rate_limits: bool = True
    rate_limit_url: str = ""
    request_log: bool = True
    metrics_bind: str = ""
    otlp_endpoint: str = ""
    max_url_bytes: int = 32_768
    """The longest values that a URL may carry, percent-encoded, take 20,000."""
    max_headers: int = 100
    max_header_bytes: int = 32_768
    max_body_bytes: int = 1_048_576
    max_json_depth: int = 32
    max_connections: int = 1_000
    request_seconds: int = 30
    shutdown_seconds: int = 30
    keepalive_seconds: int = 5
    database_pool_size: int = 4
    hash_queue: int = 64
    hash_deadline_seconds: int = 5
    retry_after_seconds: int = 1
    validate_responses: bool = True
    mail_from: str = "rollbook@localhost"
    smtp_url: str = field(default="", repr=False)
    sms_webhook_url: str = field(default="", repr=False)
    sms_webhook_secret: str = field(default="", repr=False)
    event_webhook_url: str = field(default="", repr=False)
    event_webhook_secret: str = field(default="", repr=False)
    named: frozenset[str] = field(default=frozenset(), repr=False, metadata={"is_variable": False})
    """The fields that the environment set."""
    sandbox: bool = field(default=False, metadata={"is_variable": False})
    """The store is thrown away, and whoever comes may do all with it."""
    local_only: bool = field(default=False, metadata={"is_variable": False})
    """Nobody but this machine may come, whatever the policy."""

    @property
    def key_file(self) -> Path | None:
        """Return the file of the server's keys; None where a variable has them."""
        return None if "secret_key" in self.named else self.data / KEY_FILE

    @property
    def host(self) -> str:
        """Return the address to listen on."""
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def reachable_by(self) -> str:
        """Return the variable by which others than this machine reach the server; empty where none does."""
        if not is_loopback(self.host):
            return "ROLLBOOK_BIND"
        if self.trusted_proxies:
            return "ROLLBOOK_TRUSTED_PROXIES"
        return "" if is_loopback(self.public.host) else "ROLLBOOK_PUBLIC_URL"

    @property
    def contract_folders(self) -> list[Path]:
        """Return the folders of contracts besides those of the house."""
        return [Path(folder).resolve() for folder in self.contracts.split(os.pathsep) if folder]

    @property
    def served(self) -> list[str]:
        """Return the stems of the only contracts that are served; none where all are."""
        return sorted({stem.strip() for stem in self.serve.split(",") if stem.strip()})

    @property
    def refuses_forwarded(self) -> bool:
        """Tell whether what a proxy passed on is refused: nobody said that others than this machine are meant."""
        unasked = self.policy == "documented" and not self.reachable_by and "policy" not in self.named
        return self.local_only or unasked

    @cached_property
    def public(self) -> PublicURL:
        """Return the address under which people reach the server, taken apart."""
        return PublicURL.read(self.public_url)

    @cached_property
    def named_origins(self) -> list[str]:
        """Return the other sites whose pages may call."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def origins(self) -> list[str]:
        """Return the sites whose pages may call, the server's own as people reach it among them."""
        return [*self.named_origins, self.public.origin]

    @cached_property
    def trusted_networks(self) -> tuple[Network, ...]:
        """Return where the proxies stand whose word on the client is taken."""
        return read_networks(self.trusted_proxies)

    @property
    def embedded(self) -> bool:
        """Tell whether the store lives in this process."""
        return self.database_url.startswith("sqlite:")


def is_loopback(host: str) -> bool:
    """Tell whether this name or address can only mean this machine."""
    address = read_address(host)
    return f".{host}".endswith(".localhost") if address is None else address.is_loopback


def variables() -> dict[str, Field[Any]]:
    """Return the variables of the environment that are settings, each with its field."""
    return {PREFIX + field.name.upper(): field for field in fields(Settings) if field.metadata.get("is_variable", True)}


def _is_service_link(name: str, value: str) -> bool:
    return bool(SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and LINKED_PORT.match(value)))


def read(environment: Mapping[str, str] = os.environ, creates: bool = True) -> Settings:
    """Read the settings; make the data folder and the secret key on the first start.

    creates: else nothing is made, and the key is empty where there is none.
    Raises SettingError for a value that cannot be used and for a name that is not known.
    """
    known = variables()
    ours = {
        name for name, value in environment.items() if name.startswith(PREFIX) and not _is_service_link(name, value)
    }
    unknown = ours - known.keys()
    if unknown:
        raise SettingError(f"{min(unknown)}: no such setting")
    given = {
        field.name: _cast(name, environment[name], field.default)
        for name, field in known.items()
        if environment.get(name, "") != ""
    }
    settings = Settings(**given, named=frozenset(given))
    _check(settings, given)
    return _complete(settings, given, creates)


def _cast(name: str, text: str, default: Any) -> Any:
    """Cast to the type of the default; numbers are not negative."""
    if isinstance(default, bool):
        if text not in ("0", "1"):
            raise SettingError(f"{name}: 0 or 1 is expected")
        return text == "1"
    if isinstance(default, bytes):
        return text.encode()
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise SettingError(f"{name}: a whole number is expected")
        return int(text)
    return type(default)(text)


def _check(settings: Settings, given: Any) -> None:
    """Check what has few values."""
    for name, address in (("bind", settings.bind), ("metrics_bind", settings.metrics_bind or settings.bind)):
        host, _, port = address.rpartition(":")
        if not host.strip("[]") or not port.isdigit() or not 0 < int(port) < 65_536:
            raise SettingError(f"{PREFIX}{name.upper()}: host:port is expected")
    if settings.otlp_endpoint and not settings.otlp_endpoint.startswith(("http://", "https://")):
        raise SettingError("ROLLBOOK_OTLP_ENDPOINT: http://... or https://... is expected")
    try:
        read_networks(settings.trusted_proxies)
    except ValueError:
        raise SettingError("ROLLBOOK_TRUSTED_PROXIES: addresses or networks, parted by commas, are expected") from None
    if not all(map(is_origin, settings.named_origins)):
        raise SettingError("ROLLBOOK_CORS_ORIGINS: origins such as https://example.com, parted by commas, are expected")
    if settings.rate_limit_url and not settings.rate_limit_url.startswith(("redis://", "rediss://", "redis+unix://")):
        raise SettingError("ROLLBOOK_RATE_LIMIT_URL: redis://, rediss:// or redis+unix:// is expected")
    _check_delivery(settings)
    _check_directory(settings)
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingError("ROLLBOOK_LOG_LEVEL: debug, info, warning or error is expected")
    if "secret_key" in given and min(map(len, settings.secret_keys)) < secret_key.SHORTEST_KEY:
        raise SettingError(f"ROLLBOOK_SECRET_KEY: at least {secret_key.SHORTEST_KEY} bytes are expected")
    for name in AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            raise SettingError(f"{PREFIX}{name.upper()}: at least 1 is expected")


def _check_directory(settings: Settings) -> None:
    """Check what the directory lives by."""
    try:
        settings.chosen_lifetimes  # noqa: B018  # read for the first time
    except ValueError:
        raise SettingError("ROLLBOOK_SESSION_SECONDS: lifetimes such as <contract>=3600 are expected") from None
    if settings.policy not in ("documented", "guarded"):
        raise SettingError("ROLLBOOK_POLICY: documented or guarded is expected")
    if settings.language not in LANGUAGES:
        raise SettingError(f"ROLLBOOK_LANGUAGE: {' or '.join(LANGUAGES)} is expected")
    if settings.phone_region not in REGIONS:
        raise SettingError("ROLLBOOK_PHONE_REGION: a region in two capital letters, such as CN, is expected")


def _check_delivery(settings: Settings) -> None:
    """Check where messages are to go and lead to; what is wrong is told without the value, which may hold a secret."""
    checks: dict[str, Callable[[], object]] = {
        "public_url": lambda: settings.public,
        "mail_from": lambda: check_sender(settings.mail_from),
        "smtp_url": lambda: settings.smtp_url and smtp.read_url(settings.smtp_url),
        "sms_webhook_url": lambda: settings.sms_webhook_url and webhook.read_url(settings.sms_webhook_url),
        "sms_webhook_secret": lambda: settings.sms_webhook_url and webhook.read_secret(settings.sms_webhook_secret),
        "event_webhook_url": lambda: settings.event_webhook_url and webhook.read_url(settings.event_webhook_url),
        "event_webhook_secret": (
            lambda: settings.event_webhook_url and webhook.read_secret(settings.event_webhook_secret)
        ),
    }
    for name, check in checks.items():
        try:
            check()
        except ValueError as error:
            raise SettingError(f"{PREFIX}{name.upper()}: {error}") from None


def _complete(settings: Settings, given: Any, creates: bool) -> Settings:
    """Fill in what depends on other settings."""
    data = settings.data.resolve()
    computed: dict[str, Any] = {"data": data}
    if "public_url" not in given:
        computed["public_url"] = _own_url(settings)
    if "policy" not in given and settings.reachable_by:
        computed["policy"] = "guarded"
    if "database_url" not in given:
        computed["database_url"] = f"sqlite:///{data}/rollbook.sqlite3"
    elif not settings.database_url.startswith(("sqlite:///", "postgresql://")):
        raise SettingError("ROLLBOOK_DATABASE_URL: sqlite:///file or postgresql://... is expected")
    kept = data / KEY_FILE
    try:
        if creates:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if "secret_key" not in given:
            if creates:
                secret_key.make(kept)
            computed["secret_key"] = secret_key.read(kept) if creates or kept.exists() else b""
    except OSError as error:
        raise SettingError(f"ROLLBOOK_DATA: {error.strerror}: {error.filename or data}") from None
    except ValueError as error:
        raise SettingError(f"ROLLBOOK_DATA: {error}") from None
    return replace(settings, **computed)


def _own_url(settings: Settings) -> str:
    """Return the address of the server for people, where none was named."""
    host, _, port = settings.bind.rpartition(":")
    address = read_address(settings.host)
    is_anywhere = address is not None and address.is_unspecified
    leads_nowhere = is_anywhere or is_loopback(settings.host)
    if settings.smtp_url and settings.reachable_by and leads_nowhere:
        raise SettingError("ROLLBOOK_PUBLIC_URL: the address that people use is expected: mailed links start with it")
    return f"http://{'127.0.0.1' if is_anywhere else host}:{port}"
