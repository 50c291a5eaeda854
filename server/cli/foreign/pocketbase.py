"""PocketBase: pb_data/data.db, or its table `users` as JSON or CSV with the hashes."""

from collections.abc import Iterator

from server.cli.foreign.options import Options
from server.cli.foreign.person import Given, is_true, moment, person
from server.cli.foreign.source import Source

WHAT = "PocketBase: pb_data/data.db, or its users as JSON or CSV"


def fits(source: Source) -> bool:
    """Tell whether the file looks like it."""
    return "_collections" in source.tables or bool({"tokenKey", "tokenkey", "collectionName"} & source.keys)


def read(source: Source, options: Options) -> Iterator[Given]:
    """Yield the records of the collection `users` as accounts."""
    for given in source.rows("users"):
        user = {name.lower(): value for name, value in given.items()}
        proved = is_true(user.get("verified")) or None
        yield person(
            foreign_id=user.get("id"),
            username=user.get("username"),
            password=user.get("password") or user.get("passwordhash"),  # before version 0.23
            display_name=user.get("name"),
            email=user.get("email"),
            email_proved=proved if user.get("email") else None,
            created=moment(user.get("created")),
            updated=moment(user.get("updated")),
        )
