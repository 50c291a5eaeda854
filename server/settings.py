"""Settings: read once from the environment, cast, and loud by name when they are wrong."""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from models.messages import LANGUAGES
from models.settings import DirectorySettings
from server.connection.client_ip import Network, read_networks
from server.contract.csrf import is_origin
from server.jobs.delivery import smtp, webhook
from server.jobs.delivery.mail import check_sender

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PREFIX = "ROLLBOOK_"
AT_LEAST_ONE = (
    *("workers", "hash_concurrency", "argon2_time_cost", "argon2_parallelism", "password_min_length"),
    *("database_pool_size", "database_timeout_seconds", "delivery_max_attempts", "request_seconds", "max_connections"),
    *("max_url_bytes", "max_headers", "max_header_bytes", "max_json_depth"),
    *("max_sessions", "max_friends", "max_applications", "max_invitations", "max_page_size"),
)
SHORTEST_KEY = 32
"""Bytes; HMAC-SHA256 is no stronger than its key."""


class SettingError(Exception):
    """Raised when a variable of the environment cannot be used; the text starts with its name."""


@dataclass(frozen=True, kw_only=True)
class Settings(DirectorySettings):
    """The directory's rules and the server's own settings; each field is read from `ROLLBOOK_<FIELD>`."""

    bind: str = "127.0.0.1:8000"
    trusted_proxies: str = ""
    cors_origins: str = ""
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
    contract_coverage: str = ""
    mail_from: str = "rollbook@localhost"
    smtp_url: str = field(default="", repr=False)
    sms_webhook_url: str = field(default="", repr=False)
    sms_webhook_secret: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """Return the address to listen on."""
        return self.bind.rpartition(":")[0].strip("[]")

    @cached_property
    def named_origins(self) -> list[str]:
        """Return the other sites whose pages may call."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def origins(self) -> list[str]:
        """Return the sites whose pages may call, the server's own as people reach it among them."""
        return [*self.named_origins, "{0.scheme}://{0.netloc}".format(urlsplit(self.public_url))]

    @cached_property
    def trusted_networks(self) -> tuple[Network, ...]:
        """Return where the proxies stand whose word on the client is taken."""
        return read_networks(self.trusted_proxies)

    @property
    def embedded(self) -> bool:
        """Tell whether the store lives in this process."""
        return self.database_url.startswith("sqlite:")


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; make the data folder and the secret key on the first start.

    Raises SettingError for a value that cannot be used and for a name that is not known.
    """
    known = {PREFIX + field.name.upper(): field for field in fields(Settings)}
    unknown = {name for name in environment if name.startswith(PREFIX)} - known.keys()
    if unknown:
        raise SettingError(f"{min(unknown)}: no such setting")
    given = {
        field.name: _cast(name, environment[name], field.default)
        for name, field in known.items()
        if environment.get(name, "") != ""
    }
    settings = Settings(**given)
    _check(settings, given)
    return _complete(settings, given)


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
    if settings.policy not in ("documented", "guarded"):
        raise SettingError("ROLLBOOK_POLICY: documented or guarded is expected")
    if settings.language not in LANGUAGES:
        raise SettingError(f"ROLLBOOK_LANGUAGE: {' or '.join(LANGUAGES)} is expected")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingError("ROLLBOOK_LOG_LEVEL: debug, info, warning or error is expected")
    if "secret_key" in given and min(map(len, settings.secret_keys)) < SHORTEST_KEY:
        raise SettingError(f"ROLLBOOK_SECRET_KEY: at least {SHORTEST_KEY} bytes are expected")
    for name in AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            raise SettingError(f"{PREFIX}{name.upper()}: at least 1 is expected")


def _check_delivery(settings: Settings) -> None:
    """Check where messages are to go; what is wrong is told without the value, which may hold a secret."""
    checks: dict[str, Callable[[], object]] = {
        "mail_from": lambda: check_sender(settings.mail_from),
        "smtp_url": lambda: settings.smtp_url and smtp.read_url(settings.smtp_url),
        "sms_webhook_url": lambda: settings.sms_webhook_url and webhook.read_url(settings.sms_webhook_url),
        "sms_webhook_secret": lambda: settings.sms_webhook_url and webhook.read_secret(settings.sms_webhook_secret),
    }
    for name, check in checks.items():
        try:
            check()
        except ValueError as error:
            raise SettingError(f"{PREFIX}{name.upper()}: {error}") from None


def _complete(settings: Settings, given: Any) -> Settings:
    """Fill in what depends on other settings."""
    data = settings.data.resolve()
    computed: dict[str, Any] = {"data": data}
    if "policy" not in given and settings.host not in LOOPBACK:
        computed["policy"] = "guarded"
    if "public_url" not in given:
        computed["public_url"] = f"http://{settings.bind}"
    if "database_url" not in given:
        computed["database_url"] = f"sqlite:///{data}/rollbook.sqlite3"
    elif not settings.database_url.startswith(("sqlite:///", "postgresql://")):
        raise SettingError("ROLLBOOK_DATABASE_URL: sqlite:///file or postgresql://... is expected")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if "secret_key" not in given:
            computed["secret_key"] = _kept_key(data / "secret_key")
    except OSError as error:
        raise SettingError(f"ROLLBOOK_DATA: {error.strerror}: {data}") from None
    return replace(settings, **computed)


def _kept_key(file: Path) -> bytes:
    """Read the key from its file; make it on the first start."""
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return file.read_bytes()
