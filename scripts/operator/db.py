"""The store itself: what it is built of."""

from typing import Any

import typer

from models import migrations
from scripts.operator import output
from scripts.operator.output import AsJson
from scripts.operator.store import connected

app = typer.Typer(help="Bring the store up to date, see whether it is.", rich_markup_mode=None)


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Apply the migrations that the store lacks, and print their names.

    The server does so at start, and so does every other command but `db status`.
    """
    with connected():
        applied = migrations.migrate()
    output.say({"applied": applied}, as_json, *(applied or ["the store is up to date"]))


@app.command()
def status(as_json: AsJson = False) -> None:
    """List all migrations, and whether the store has them; apply none."""
    with connected():
        steps: list[dict[str, Any]] = [{"name": name, "applied": applied} for name, applied in migrations.status()]
    output.say_all(steps, as_json, ("name", "applied"))
