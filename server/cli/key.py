"""Access keys: who may sign requests of the signed contract."""

from typing import Annotated, Any

import typer

from models.access_key import AccessKey
from server.cli import listing, output
from server.cli.output import AsJson
from server.cli.store import directory
from server.cli.values import read_stdin

Accessid = Annotated[str, typer.Argument(metavar="ACCESSID", help="1 to 64 of A-Z a-z 0-9 _ . -")]

app = typer.Typer(help="Make, list and revoke access keys.", rich_markup_mode=None)


@app.command()
def create(
    accessid: Accessid,
    accesskey_stdin: Annotated[
        bool, typer.Option("--accesskey-stdin", help="Take over the accesskey on stdin, without its last newline.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an access key, and print its accesskey this once.

    Clients sign with the accesskey. It is derived from the server's secret key, and so changes with that. The one of an
    earlier server can be taken over, so that its clients need not be changed; it is stored as it is.

    \b
    Examples:
      rollbook key create openapiuser --json
      rollbook key create openapiuser --accesskey-stdin < accesskey.txt
    """
    given = read_stdin() if accesskey_stdin else None
    with directory():
        key = AccessKey.create(accessid, given)
        record = {"accessid": key.accessid, "accesskey": key.accesskey}
    output.say(record, as_json)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the access keys, without what signs."""
    with directory():
        output.say_all(map(_record, listing.access_keys()), as_json, ("accessid", "created"))


@app.command()
def revoke(accessid: Accessid, as_json: AsJson = False) -> None:
    """Take an access key back: what it signs is refused from now on."""
    with directory():
        AccessKey.find(accessid).revoke()
    output.say({"accessid": accessid, "revoked": True}, as_json, f"{accessid} is revoked")


def _record(key: AccessKey) -> dict[str, Any]:
    return {"accessid": key.accessid, "created": output.time(key.created)}
