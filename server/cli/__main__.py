"""Put the nouns together: `rollbook account|session|key|project|outbox|audit|db|contract ...`."""

from typing import Annotated

import typer

from server import __version__
from server.cli import account, audit, contract, db, key, outbox, project, session
from server.cli.failure import OneLine

HELP = """
Look after the accounts, access keys and projects of a Rollbook server, beside the server or without it.

The settings are the server's own, from the environment (ROLLBOOK_DATA, ROLLBOOK_DATABASE_URL, ...). Every command
brings the store up to date first, takes --json, and changes everything it says or nothing. What it answers goes to
stdout. A failure is one line on stderr and an exit code other than 0: 2 for a wrong command line, 1 for the rest.

Examples:

\b
  rollbook account create zhangsan --admin
  rollbook key create openapiuser --json
  rollbook project import 三国 --owner zhangsan --entities e.json --triads t.json
  rollbook project export 1 backup/
"""

app = typer.Typer(
    cls=OneLine,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def tell_version(asked: bool) -> None:
    """Print the version and end, where it is asked for."""
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", is_eager=True, callback=tell_version)
    ] = False,
) -> None:
    """Take the options that stand before a noun."""


for noun in (account, session, key, project, outbox, audit, db, contract):
    app.add_typer(noun.app, name=noun.__name__.rpartition(".")[2])

if __name__ == "__main__":
    app()
