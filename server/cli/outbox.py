"""The outbox: messages that wait, went, or were given up; never what they say."""

from typing import Annotated, Any

import typer

from models.outbox import OutboxMessage
from server.cli import listing, output
from server.cli.failure import Refused
from server.cli.listing import After, Limit, Part, Search
from server.cli.output import AsJson
from server.cli.store import directory, snapshot

COLUMNS = ("id", "kind", "recipient", "state", "attempts", "created", "due", "error")

app = typer.Typer(help="See messages that wait or were given up, have them tried again.", rich_markup_mode=None)


@app.command("list")
def list_messages(
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only messages that were given up.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only messages that are still to go.")] = False,
    search: Search = None,
    after: After = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the messages of the outbox in order of id: waiting, delivered or failed.

    A search looks into the recipient and the reason of a failure.

    Delivered ones are forgotten after a week, and so are failed ones.

    \b
    Example:
      rollbook outbox list --failed
    """
    state = "failed" if failed else "waiting" if waiting else None
    with snapshot():
        output.say_all(map(_record, listing.messages(Part(after, limit, search), state)), as_json, COLUMNS)


@app.command()
def retry(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", min=1, help="Numbers of messages.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have messages tried again that were given up; the server delivers them within seconds.

    \b
    Examples:
      rollbook outbox retry 17 18
      rollbook outbox retry --all
    """
    if bool(ids) == everything:
        raise typer.BadParameter("name messages by ID, or --all")
    wanted = set(ids or ())
    with directory():
        again = OutboxMessage.retry(None if everything else wanted)
        if not everything and again != len(wanted):
            raise Refused("not all of these were given up; nothing was changed")
    output.say({"due": again}, as_json, f"{again} due again")


def _record(message: OutboxMessage) -> dict[str, Any]:
    state = "delivered" if message.delivered else "failed" if message.failed else "waiting"
    return {
        "id": message.id,
        "kind": message.kind,
        "recipient": message.recipient,
        "state": state,
        "attempts": message.attempts,
        "created": output.time(message.created),
        "due": output.time(message.due) if state == "waiting" else None,
        "error": message.error,
    }
