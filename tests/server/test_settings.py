"""Settings come from the environment, are cast, and fail by name."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from server.__main__ import warn_of_openness
from server.connection.public_url import strip_path
from server.settings import SERVICE_LINK, SettingError, Settings, read, variables


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment that names a data folder and nothing else."""
    return {"ROLLBOOK_DATA": str(tmp_path / "data")}


def test_defaults_serve_on_loopback_from_the_embedded_store(environment: dict[str, str]) -> None:
    settings = read(environment)
    assert settings.bind == "127.0.0.1:8000"
    assert settings.policy == "documented"
    assert settings.database_url == f"sqlite:///{settings.data}/rollbook.sqlite3"
    assert settings.public_url == "http://127.0.0.1:8000"


def test_the_data_folder_and_its_key_are_private_and_the_key_stays(environment: dict[str, str]) -> None:
    first, second = read(environment), read(environment)
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) == 64
    assert first.data.stat().st_mode & 0o777 == 0o700
    assert (first.data / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_key_file_that_is_not_whole_or_not_private_is_refused_by_name_and_stays(environment: dict[str, str]) -> None:
    """tinypilot#917, vault#23073: a power cut left an empty file; certmate#764: a new key in its place loses all."""
    file = read(environment).data / "secret_key"
    for content, mode in ((b"", 0o600), (b"a" * 31, 0o600), (b"a" * 32 + b",", 0o600), (b"a" * 32, 0o640)):
        file.write_bytes(content)
        file.chmod(mode)
        with pytest.raises(SettingError, match="secret_key: ") as refused:
            read(environment)
        assert "aaa" not in str(refused.value)
        assert file.read_bytes() == content
    file.chmod(0o600)
    file.write_bytes(b"a" * 32 + b"\n")
    assert read(environment).secret_key == b"a" * 32


def test_a_key_is_written_whole_or_not_at_all(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", power_cut)
    with pytest.raises(SettingError, match="ROLLBOOK_DATA: Input/output error"):
        read(environment)
    data = Path(environment["ROLLBOOK_DATA"])
    assert list(data.iterdir()) == []


def test_nothing_is_made_for_who_only_reads(environment: dict[str, str]) -> None:
    assert read(environment, creates=False).secret_key == b""
    assert not Path(environment["ROLLBOOK_DATA"]).exists()


def test_a_configured_key_is_used_and_not_kept(environment: dict[str, str]) -> None:
    settings = read({**environment, "ROLLBOOK_SECRET_KEY": "configured" * 4})
    assert settings.secret_key == b"configured" * 4
    assert not (settings.data / "secret_key").exists()


REACHABLE = [
    ("ROLLBOOK_BIND", "0.0.0.0:8000"),
    ("ROLLBOOK_BIND", "192.0.2.1:80"),
    ("ROLLBOOK_BIND", "[::]:8000"),
    ("ROLLBOOK_TRUSTED_PROXIES", "127.0.0.1"),
    ("ROLLBOOK_PUBLIC_URL", "https://accounts.example.com"),
]
"""What lets others than this machine in. On loopback behind nginx, strangers deleted accounts (issue 12)."""
ALONE = [
    ("ROLLBOOK_BIND", "localhost:8000"),
    ("ROLLBOOK_BIND", "127.0.0.2:8000"),
    ("ROLLBOOK_BIND", "[::1]:8000"),
    ("ROLLBOOK_PUBLIC_URL", "http://localhost:3000"),
    ("ROLLBOOK_PUBLIC_URL", "http://[::1]"),
]


@pytest.mark.parametrize(("name", "value"), REACHABLE)
def test_where_others_reach_the_server_the_policy_is_guarded(
    environment: dict[str, str], name: str, value: str
) -> None:
    settings = read({**environment, name: value})
    assert (settings.policy, settings.reachable_by) == ("guarded", name)
    assert not settings.refuses_forwarded


@pytest.mark.parametrize(("name", "value"), ALONE)
def test_where_only_this_machine_can_be_meant_the_policy_is_documented(
    environment: dict[str, str], name: str, value: str
) -> None:
    settings = read({**environment, name: value})
    assert (settings.policy, settings.reachable_by) == ("documented", "")
    assert settings.refuses_forwarded


@pytest.mark.parametrize(("name", "value"), REACHABLE)
def test_the_documented_policy_is_had_by_name_and_the_log_says_so_at_every_level(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    settings = read({**environment, name: value, "ROLLBOOK_POLICY": "documented"})
    assert (settings.policy, settings.refuses_forwarded) == ("documented", False)
    warn_of_openness(settings)
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert name in caplog.text
    assert "ROLLBOOK_POLICY" in caplog.text


@pytest.mark.parametrize("given", [{"ROLLBOOK_BIND": "[::]:8000"}, {}, {"ROLLBOOK_POLICY": "documented"}])
def test_the_log_says_nothing_where_nothing_stands_open(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture, given: dict[str, str]
) -> None:
    warn_of_openness(read(environment | given))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://accounts.example.com", "https://accounts.example.com", ""),
        ("https://Accounts.Example.com:443/", "https://accounts.example.com", ""),
        ("http://localhost:80", "http://localhost", ""),
        ("https://example.com:8443/accounts/", "https://example.com:8443", "/accounts"),
        ("https://example.com/a/b.c_d~e", "https://example.com", "/a/b.c_d~e"),
        ("http://[2001:db8::1]:8000", "http://[2001:db8::1]:8000", ""),
    ],
)
def test_the_public_address_is_taken_apart_as_browsers_do(
    environment: dict[str, str], url: str, origin: str, path: str
) -> None:
    settings = read({**environment, "ROLLBOOK_PUBLIC_URL": url})
    assert (settings.public.origin, settings.public_path) == (origin, path)
    assert settings.origins == [origin]


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:8000", "[::]:8000", "127.0.0.1:8000"], ids=["everywhere", "everywhere_v6", "loopback"]
)
def test_mail_to_people_elsewhere_wants_an_address_that_they_reach(environment: dict[str, str], bind: str) -> None:
    given = {
        **environment,
        "ROLLBOOK_BIND": bind,
        "ROLLBOOK_TRUSTED_PROXIES": "127.0.0.1",
        "ROLLBOOK_SMTP_URL": "smtps://mail.example.com",
    }
    with pytest.raises(SettingError, match=r"^ROLLBOOK_PUBLIC_URL: "):
        read(given)
    read({**given, "ROLLBOOK_PUBLIC_URL": "https://accounts.example.com"})
    read({**given, "ROLLBOOK_SMTP_URL": ""})  # into files, for the operator


def test_an_address_that_people_reach_is_taken_for_the_public_one(environment: dict[str, str]) -> None:
    smtp = {"ROLLBOOK_SMTP_URL": "smtps://mail.example.com"}
    assert read({**environment, **smtp, "ROLLBOOK_BIND": "192.0.2.1:80"}).public_url == "http://192.0.2.1:80"
    assert read({**environment, "ROLLBOOK_BIND": "0.0.0.0:8000"}).public_url == "http://127.0.0.1:8000"


LINKS = {
    "ROLLBOOK_SERVICE_HOST": "10.96.0.12",
    "ROLLBOOK_SERVICE_PORT": "8000",
    "ROLLBOOK_SERVICE_PORT_HTTP": "8000",
    "ROLLBOOK_PORT": "tcp://10.96.0.12:8000",
    "ROLLBOOK_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    "ROLLBOOK_PORT_8000_TCP_PROTO": "tcp",
    "ROLLBOOK_PORT_8000_TCP_PORT": "8000",
    "ROLLBOOK_PORT_8000_TCP_ADDR": "10.96.0.12",
    "ROLLBOOK_METRICS_SERVICE_HOST": "10.96.0.13",
    "ROLLBOOK_METRICS_SERVICE_PORT_WEB_1": "9000",
    "ROLLBOOK_METRICS_PORT": "tcp://[fd00::13]:9000",
    "ROLLBOOK_METRICS_PORT_9000_UDP_ADDR": "fd00::13",
}
"""As the kubelet names them for the Services `rollbook` and `rollbook-metrics` (kubernetes#60099, #121787)."""


def test_what_kubernetes_tells_of_a_service_with_our_name_is_no_setting(environment: dict[str, str]) -> None:
    assert read(environment | LINKS) == read(environment)


@pytest.mark.parametrize("name", LINKS)
def test_no_setting_has_a_name_that_kubernetes_may_give(name: str) -> None:
    patterns = [SERVICE_LINK, re.compile(r"ROLLBOOK_(\w+_)?PORT")]
    assert not [known for known in variables() if any(pattern.fullmatch(known) for pattern in patterns)]
    assert any(pattern.fullmatch(name) for pattern in patterns)


@pytest.mark.parametrize("name", ["ROLLBOOK_PORT", "ROLLBOOK_REPORT", "ROLLBOOK_SERVICE"])
def test_what_only_looks_like_it_is_refused_by_its_name(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: no such setting"):
        read({**environment, name: "8000"})


def test_numbers_are_cast(environment: dict[str, str]) -> None:
    settings = read({**environment, "ROLLBOOK_MAX_BODY_BYTES": "2048", "ROLLBOOK_SESSION_SECONDS": "sso=60"})
    assert (settings.max_body_bytes, settings.session_lifetime("sso")) == (2048, 60)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROLLBOOK_BIND", "8000"),
        ("ROLLBOOK_BIND", "127.0.0.1:0"),
        ("ROLLBOOK_BIND", "127.0.0.1:http"),
        ("ROLLBOOK_PUBLIC_URL", "accounts.example.com"),
        ("ROLLBOOK_PUBLIC_URL", "ftp://accounts.example.com"),
        ("ROLLBOOK_PUBLIC_URL", "https://"),
        ("ROLLBOOK_PUBLIC_URL", "https://:8443"),
        ("ROLLBOOK_PUBLIC_URL", "http://0.0.0.0:8000"),
        ("ROLLBOOK_PUBLIC_URL", "http://[::]:8000"),
        ("ROLLBOOK_PUBLIC_URL", "http://[::1"),
        ("ROLLBOOK_PUBLIC_URL", "http://example.com:port"),
        ("ROLLBOOK_PUBLIC_URL", "https://user:secret@example.com"),
        ("ROLLBOOK_PUBLIC_URL", "https://例子.example"),
        ("ROLLBOOK_PUBLIC_URL", "https://example.com/?page=1"),
        ("ROLLBOOK_PUBLIC_URL", "https://example.com/#top"),
        ("ROLLBOOK_PUBLIC_URL", "https://example.com/a//b"),
        ("ROLLBOOK_PUBLIC_URL", "https://example.com/../a"),
        ("ROLLBOOK_PUBLIC_URL", "https://example.com/a%20b"),
        ("ROLLBOOK_PUBLIC_URL", "https://example.com/a;b"),
        ("ROLLBOOK_TRUSTED_PROXIES", "proxy.example.com"),
        ("ROLLBOOK_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ROLLBOOK_WORKERS", "many"),
        ("ROLLBOOK_WORKERS", "0"),
        ("ROLLBOOK_WORKERS", "-1"),
        ("ROLLBOOK_SECRET_KEY", "too short"),
        ("ROLLBOOK_POLICY", "open"),
        ("ROLLBOOK_PASSWORD_MIN_LENGTH", "0"),
        ("ROLLBOOK_LOG_LEVEL", "loud"),
        ("ROLLBOOK_DATABASE_URL", "mysql://host/name"),
        ("ROLLBOOK_SESSION_SECONDS", "sso=4h"),
        ("ROLLBOOK_SESSION_SECONDS", "sso=0"),
        ("ROLLBOOK_NO_SUCH_THING", "1"),
        ("ROLLBOOK_DATA", "/proc/nowhere"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(environment: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: "):
        read({**environment, name: value})


def test_an_empty_value_means_the_default(environment: dict[str, str]) -> None:
    assert read({**environment, "ROLLBOOK_WORKERS": ""}).workers == 1


def test_settings_cannot_change_once_read(environment: dict[str, str]) -> None:
    settings: Settings = read(environment)
    with pytest.raises(AttributeError):
        settings.workers = 2  # type: ignore[misc]  # that is what must fail
    assert replace(settings, workers=2).workers == 2


@pytest.mark.parametrize(
    ("raw", "path", "expected"),
    [
        (b"/accounts/user/li", "/accounts/user/li", (b"/user/li", "/user/li")),
        (b"/accounts/user/%6Ci", "/accounts/user/li", (b"/user/%6Ci", "/user/li")),
        (b"/accounts/", "/accounts/", (b"/", "/")),
        (b"/accounts", "/accounts", (b"/", "/")),
        (b"/accounts?page=1", "/accounts", (b"/", "/")),
        (b"/user/li", "/user/li", (b"/user/li", "/user/li")),
        (b"/accountsuser", "/accountsuser", (b"/accountsuser", "/accountsuser")),
        (b"/accounts%2Fuser", "/accounts/user", (b"/accounts%2Fuser", "/accounts/user")),
    ],
)
def test_the_path_of_the_public_address_is_taken_off_once(raw: bytes, path: str, expected: tuple[bytes, str]) -> None:
    scope = {"raw_path": raw, "path": path}
    strip_path(scope, "/accounts")
    assert (scope["raw_path"], scope["path"]) == expected
