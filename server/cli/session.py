"""Sessions: who is logged in, through which contract; ended from outside."""

from typing import Annotated, Any

import typer

from models.account_search import named
from models.errors import InvalidSession
from models.session import Session
from server.cli import listing, output
from server.cli.failure import Refused
from server.cli.listing import After, Limit, Part, Search
from server.cli.output import AsJson
from server.cli.store import directory, snapshot
from server.cli.values import NamedOption

COLUMNS = ("id", "account", "username", "contract", "created", "expires")

app = typer.Typer(help="See who is logged in, end sessions.", rich_markup_mode=None)


@app.command("list")
def list_sessions(
    *,
    account: NamedOption = None,
    contract: Annotated[str | None, typer.Option(metavar="STEM", help="Only those of this contract.")] = None,
    search: Search = None,
    after: After = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the live sessions of all contracts in order of id; a search looks into the names of their accounts.

    \b
    Example:
      rollbook session list --account zhangsan
    """
    with snapshot():
        owner = named(account) if account else None
        found = listing.sessions(Part(after, limit, search), owner, contract)
        output.say_all(map(_record, found), as_json, COLUMNS)


@app.command()
def end(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", min=1, help="Numbers of sessions.")] = None,
    account: NamedOption = None,
    as_json: AsJson = False,
) -> None:
    """End sessions, by their numbers or all of an account: their tokens and cookies are worth nothing from now on.

    \b
    Examples:
      rollbook session end 17 18
      rollbook session end --account zhangsan
    """
    if bool(ids) == bool(account):
        raise typer.BadParameter("name sessions by ID, or an account by --account")
    with directory():
        if account:
            ended = Session.end_all(named(account))
        else:
            found = [_find(id) for id in dict.fromkeys(ids or ())]
            ended = len(found)
            for session in found:
                session.end()
    output.say({"ended": ended}, as_json, f"{ended} ended")


def _find(id: int) -> Session:
    """Find a live session. Raises Refused."""
    try:
        return Session.by_id(id)
    except InvalidSession:
        raise Refused(f"session {id}: not live") from None


def _record(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "account": session.account.id,
        "username": session.account.username,
        "contract": session.contract,
        "created": output.time(session.created),
        "expires": output.time(session.expires),
    }
