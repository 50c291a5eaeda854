"""Where a server under test keeps its store: SQLite in a folder, or a database of its own on PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier


@dataclass(frozen=True)
class Place:
    """A folder, and the address of an empty database; no address where the store is SQLite in that folder."""

    folder: Path
    database_url: str = ""


@dataclass(frozen=True)
class Places:
    """Hands out places. postgres: address of a PostgreSQL on which databases may be made; empty for SQLite."""

    folder: Path
    postgres: str = ""

    def make(self, name: str) -> Place:
        """Return a place of this name; what an earlier run left in its database is dropped."""
        if not self.postgres:
            return Place(self.folder / name)
        database = f"bench-{name}"
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(database)))
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(database)))
        return Place(self.folder / f"{name}-postgresql", urlsplit(self.postgres)._replace(path=f"/{database}").geturl())

    def describe(self) -> str:
        """Say what stores, and how durably."""
        if not self.postgres:
            return "SQLite, journal_mode=WAL, synchronous=FULL"
        with psycopg.connect(self.postgres) as connection:
            shown = [
                connection.execute(SQL("SHOW {}").format(Identifier(name))).fetchone() or ("?",)
                for name in ("server_version", "fsync", "synchronous_commit")
            ]
        (version,), (fsync,), (commit,) = shown
        return f"PostgreSQL {version}, fsync={fsync}, synchronous_commit={commit}"
