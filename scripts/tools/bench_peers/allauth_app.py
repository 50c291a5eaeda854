"""django-allauth headless as its documentation sets it up: the `app` client with session tokens, sessions in the store.

SQLite has the same pragmas as Rollbook's, passwords are hashed with the same Argon2 parameters. Rate limits are off,
because one client logs in all the time here; of the middlewares only those that allauth asks for are there.
`python -m scripts.bench_peers.allauth_app ACCOUNTS` fills the store in the folder `BENCH_DATA`, with a session for each
account.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

DATA = Path(os.environ["BENCH_DATA"])
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000", "cache_size = -16384")


class Hasher(Argon2PasswordHasher):
    """Django's Argon2 with the parameters of all other servers."""

    time_cost = int(os.environ["ROLLBOOK_ARGON2_TIME_COST"])
    memory_cost = int(os.environ["ROLLBOOK_ARGON2_MEMORY_KIB"])
    parallelism = int(os.environ["ROLLBOOK_ARGON2_PARALLELISM"])


def store() -> dict[str, Any]:
    """Return PostgreSQL where there is one, else SQLite."""
    url = urlsplit(os.environ["BENCH_DATABASE_URL"])
    if url.scheme:
        where = {"HOST": url.hostname, "PORT": url.port, "USER": url.username, "PASSWORD": url.password}
        return {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], **where}
    options = {
        "transaction_mode": "IMMEDIATE",
        "init_command": "; ".join(f"PRAGMA {pragma}" for pragma in PRAGMAS),
    }
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "users.sqlite3", "OPTIONS": options}


settings.configure(
    DEBUG=False,
    SECRET_KEY="a key that signs what never leaves this machine",  # noqa: S106  # of a peer that is measured
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "allauth",
        "allauth.account",
        "allauth.headless",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    PASSWORD_HASHERS=[f"{__name__}.Hasher"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": store() | {"CONN_MAX_AGE": None}},  # connections stay open
    ACCOUNT_LOGIN_METHODS={"username"},
    ACCOUNT_EMAIL_VERIFICATION="none",
    ACCOUNT_RATE_LIMITS=False,
    HEADLESS_ONLY=True,
    HEADLESS_CLIENTS=("app",),
)
django.setup()

# what follows can be imported only now
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

urlpatterns = [path("_allauth/", include("allauth.headless.urls"))]
app = get_wsgi_application()


def fill(count: int) -> list[str]:
    """Fill the store; return the session tokens."""
    call_command("migrate", verbosity=0)
    hashed = make_password("correct horse")
    made = [
        User(username=f"user{number}", email=f"user{number}@example.com", password=hashed)
        for number in range(1, count + 1)
    ]
    User.objects.bulk_create(made, 500)
    sessions, tokens = [], []
    for user in User.objects.order_by("id"):
        store = SessionStore()
        data = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        tokens.append(f"{user.pk:032d}")
        until = timezone.now() + timedelta(days=14)
        sessions.append(Session(session_key=tokens[-1], session_data=store.encode(data), expire_date=until))
    Session.objects.bulk_create(sessions, 500)
    return tokens


if __name__ == "__main__":
    (DATA / "tokens").write_text("\n".join(fill(int(sys.argv[1]))))
