"""Access keys: who may sign requests of the signed contract."""

from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer

from models.access_key import AccessKey
from models.audit.chain import sequence
from models.audit.events import Event, note
from models.audit.lanes import waits_under_an_older_key
from models.db.database import database
from models.outbox import OutboxMessage
from server import secret_key
from server.cli import listing, output
from server.cli.failure import Refused
from server.cli.listing import Limit, Part, Search
from server.cli.output import AsJson
from server.cli.store import current, directory, snapshot
from server.cli.values import read_stdin
from server.settings import read

Accessid = Annotated[str, typer.Argument(metavar="ACCESSID", help="1 to 64 of A-Z a-z 0-9 _ . -")]

app = typer.Typer(help="Make, list and revoke access keys; rotate the server's own.", rich_markup_mode=None)


@app.command()
def create(
    accessid: Accessid,
    accesskey_stdin: Annotated[
        bool, typer.Option("--accesskey-stdin", help="Take over the accesskey on stdin, without its last newline.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an access key, and print its accesskey this once.

    Clients sign with the accesskey; it is stored encrypted. The one of an earlier server can be taken over, so that its
    clients need not be changed.

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
def list_keys(
    search: Search = None,
    after: Annotated[str | None, typer.Option(metavar="ACCESSID", help="Only what comes after this one.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the access keys in order of accessid, without what signs."""
    with snapshot():
        found = listing.access_keys(Part(after, limit, search))
        output.say_all(map(_record, found), as_json, ("accessid", "created"))


@app.command()
def revoke(accessid: Accessid, as_json: AsJson = False) -> None:
    """Take an access key back: what it signs is refused from now on."""
    with directory():
        AccessKey.find(accessid).revoke()
    output.say({"accessid": accessid, "revoked": True}, as_json, f"{accessid} is revoked")


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Put a new secret key of the server before the old one, and encrypt by it what is stored; servers may go on.

    It takes seconds: running servers first learn to verify by the new key, and then sign and encrypt by it. The old one
    goes on verifying, so tokens, cookies, codes and links on their way, and the audit's seals stay good. What is
    counted against limits begins anew.
    """
    file, keys = _key_file()
    new = secret_key.new_key()
    secret_key.replace(file, [*keys, new])
    sleep(secret_key.NOTICED_SECONDS)
    secret_key.replace(file, [new, *keys])
    _renew(Event.SERVER_KEY_ROTATED)
    output.say({"keys": len(keys) + 1}, as_json, "rotated: rollbook key retire ends the old key later")


@app.command()
def retire(as_json: AsJson = False) -> None:
    """Take all secret keys of the server away but the newest; servers may go on.

    What is stored encrypted is encrypted by the newest one before. What was only signed by another is worth nothing any
    more: tokens of sso log in anew, devices and addresses are strangers until their next login, and codes that were
    sent are dead. The audit vouches for older events by those that followed.
    """
    file, keys = _key_file()
    with current():
        if waits_under_an_older_key():
            raise Refused("events that wait for the audit are sealed by an older key: try again in two minutes")
    _renew(Event.SERVER_KEY_RETIRED)
    secret_key.replace(file, keys[:1])
    output.say({"retired": len(keys) - 1}, as_json, f"{len(keys) - 1} retired")


def _key_file() -> tuple[Path, tuple[bytes, ...]]:
    """Return the file of the server's keys, and the keys. Raises Refused where there is none."""
    found = read(creates=False)
    file = found.key_file
    if file is None:
        raise Refused("ROLLBOOK_SECRET_KEY has the keys: put a new one before the others there, parted by a comma")
    if not found.secret_key:
        raise Refused(f"no key at {file}")
    return file, found.secret_keys


def _renew(event: Event) -> None:
    """Encrypt by the first key what is stored, and seal the end of the audit by it."""
    with directory():
        database.begin_immediate()
        AccessKey.renew()
        OutboxMessage.renew()
        note(event)
    with current():
        sequence()  # or a server that runs does: under the first key, too


def _record(key: AccessKey) -> dict[str, Any]:
    return {"accessid": key.accessid, "created": output.time(key.created)}
