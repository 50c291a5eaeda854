"""fastapi-users as its documentation sets it up: SQLAlchemy with aiosqlite or asyncpg, the database strategy, bearer
tokens.

SQLite has the same pragmas as Rollbook's, passwords are hashed with the same Argon2 parameters.
`python -m scripts.bench_peers.fastapi_users_app ACCOUNTS` fills the store in the folder `BENCH_DATA`, with a token for
each account.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport
from fastapi_users.authentication.strategy.db import AccessTokenDatabase, DatabaseStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy.access_token import SQLAlchemyAccessTokenDatabase, SQLAlchemyBaseAccessTokenTableUUID
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event, insert, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

DATA = Path(os.environ["BENCH_DATA"])
HASHER = Argon2Hasher(
    time_cost=int(os.environ["ROLLBOOK_ARGON2_TIME_COST"]),
    memory_cost=int(os.environ["ROLLBOOK_ARGON2_MEMORY_KIB"]),
    parallelism=int(os.environ["ROLLBOOK_ARGON2_PARALLELISM"]),
)
PASSWORDS = PasswordHelper(PasswordHash((HASHER,)))
SECRET = "a secret that signs the links of mails which are never sent here"  # noqa: S105  # of a peer that is measured
LIFETIME = 30 * 86_400


class Base(DeclarativeBase):
    """Base of the tables."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """An account."""


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    """A token."""


class UserRead(schemas.BaseUser[uuid.UUID]):
    """An account as it is shown."""


def connect() -> AsyncEngine:
    """Connect to PostgreSQL where there is one, else to SQLite."""
    url = os.environ["BENCH_DATABASE_URL"]
    if url:
        return create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    # each connection is a thread; of 1, 2, 5 and 15 connections, two did most
    engine = create_async_engine(f"sqlite+aiosqlite:///{DATA}/users.sqlite3", pool_size=2, max_overflow=0)
    event.listen(engine.sync_engine, "connect", set_pragmas)
    return engine


def set_pragmas(connection: Any, record: Any) -> None:
    """Make every connection as durable as Rollbook's."""
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = 1", "busy_timeout = 5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.execute("PRAGMA cache_size = -16384")
    cursor.close()


engine = connect()
open_session = async_sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncIterator[AsyncSession]:
    """Lend a session of the store."""
    async with open_session() as session:
        yield session


Lent = Annotated[AsyncSession, Depends(get_session)]


async def get_users(session: Lent) -> AsyncIterator[SQLAlchemyUserDatabase[User, uuid.UUID]]:
    """Lend the accounts."""
    yield SQLAlchemyUserDatabase(session, User)


async def get_tokens(session: Lent) -> AsyncIterator[SQLAlchemyAccessTokenDatabase[AccessToken]]:
    """Lend the tokens."""
    yield SQLAlchemyAccessTokenDatabase(session, AccessToken)


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """What may be done with accounts."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def get_user_manager(
    users: Annotated[SQLAlchemyUserDatabase[User, uuid.UUID], Depends(get_users)],
) -> AsyncIterator[UserManager]:
    """Lend the manager."""
    yield UserManager(users, PASSWORDS)


def get_strategy(
    tokens: Annotated[AccessTokenDatabase[AccessToken], Depends(get_tokens)],
) -> DatabaseStrategy[User, uuid.UUID, AccessToken]:
    """Keep tokens in the store."""
    return DatabaseStrategy(tokens, lifetime_seconds=LIFETIME)


backend = AuthenticationBackend(name="token", transport=BearerTransport(tokenUrl="login"), get_strategy=get_strategy)
users = FastAPIUsers[User, uuid.UUID](get_user_manager, [backend])
current_user = users.current_user(active=True)

app = FastAPI(openapi_url=None)
app.include_router(users.get_auth_router(backend), prefix="/auth")


@app.get("/auth/me", response_model=UserRead)
async def check_login(user: Annotated[User, Depends(current_user)]) -> User:
    """Tell who is logged in, as the library's own `/users/me` does."""
    return user


async def fill(count: int) -> list[str]:
    """Fill the store; return the tokens."""
    async with engine.begin() as store:
        await store.run_sync(Base.metadata.create_all)
    flags = {"is_active": True, "is_superuser": False, "is_verified": True}
    columns = {"hashed_password": PASSWORDS.hash("correct horse"), **flags}
    ids = [uuid.uuid5(uuid.NAMESPACE_OID, str(number)) for number in range(1, count + 1)]
    tokens = [f"{number:043d}" for number in range(1, count + 1)]
    async with open_session() as session:
        made = [{"id": id, "email": f"user{number}@example.com", **columns} for number, id in enumerate(ids, 1)]
        await session.execute(insert(User), made)
        given = [{"token": token, "user_id": id} for token, id in zip(tokens, ids, strict=True)]
        await session.execute(insert(AccessToken), given)
        await session.commit()
    await engine.dispose()
    return tokens


if __name__ == "__main__":
    (DATA / "tokens").write_text("\n".join(asyncio.run(fill(int(sys.argv[1])))))
