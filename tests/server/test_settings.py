"""Settings come from the environment, are cast, and fail by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from server.__main__ import warn_of_openness
from server.settings import SettingError, Settings, read


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


def test_a_configured_key_is_used_and_not_kept(environment: dict[str, str]) -> None:
    settings = read({**environment, "ROLLBOOK_SECRET_KEY": "configured" * 4})
    assert settings.secret_key == b"configured" * 4
    assert not (settings.data / "secret_key").exists()


@pytest.mark.parametrize("bind", ["0.0.0.0:8000", "192.0.2.1:80", "[::]:8000"])
def test_beyond_loopback_the_policy_is_guarded(environment: dict[str, str], bind: str) -> None:
    assert read({**environment, "ROLLBOOK_BIND": bind}).policy == "guarded"


def test_beyond_loopback_the_documented_policy_is_had_by_name(environment: dict[str, str]) -> None:
    beyond = {**environment, "ROLLBOOK_BIND": "[::]:8000", "ROLLBOOK_POLICY": "documented"}
    assert read(beyond).policy == "documented"


@pytest.mark.parametrize(
    ("bind", "policy", "warned"),
    [("[::]:8000", "documented", True), ("[::]:8000", "guarded", False), ("127.0.0.1:8000", "documented", False)],
)
def test_the_log_tells_of_the_documented_policy_beyond_loopback(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture, bind: str, policy: str, warned: bool
) -> None:
    warn_of_openness(read({**environment, "ROLLBOOK_BIND": bind, "ROLLBOOK_POLICY": policy}))
    assert [record.levelname for record in caplog.records] == (["WARNING"] if warned else [])
    assert bind in caplog.text or not warned


def test_numbers_are_cast(environment: dict[str, str]) -> None:
    settings = read({**environment, "ROLLBOOK_MAX_BODY_BYTES": "2048", "ROLLBOOK_SSO_SESSION_SECONDS": "60"})
    assert (settings.max_body_bytes, settings.session_seconds("sso")) == (2048, 60)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROLLBOOK_BIND", "8000"),
        ("ROLLBOOK_BIND", "127.0.0.1:0"),
        ("ROLLBOOK_BIND", "127.0.0.1:http"),
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
        ("ROLLBOOK_SSO_SESSION_SECONDS", "4h"),
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
