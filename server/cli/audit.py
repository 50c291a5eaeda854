"""The audit: what happened that concerns security, and whether its chain is whole."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import orjson
import typer

from models.account_search import BY_ID, named
from models.audit import verification
from models.audit.chain import AuditEvent, AuditHead
from models.audit.events import Event, note
from models.audit.lanes import PendingEvent, SealedEvent
from models.audit.verification import Finding, Point, Tail
from models.errors import AccountNotFound
from server.cli import output
from server.cli.failure import Refused
from server.cli.listing import After, Limit, Search
from server.cli.output import AsJson
from server.cli.store import directory, snapshot
from server.cli.streams import is_stream, read_file, write_file
from server.cli.values import HERE, NamedOption

COLUMNS = ("id", "created", "event", "count", "account", "actor", "contract", "address", "detail")

app = typer.Typer(help="See what happened, and whether the record is whole.", rich_markup_mode=None)


def _point(text: str | None) -> str | None:
    """Refuse what is not ID:CHAIN."""
    id, _, chain = (text or "0:").partition(":")
    if not (id.isascii() and id.isdigit()) or len(chain) not in (0, 64):
        raise typer.BadParameter("ID:CHAIN is expected, as `audit verify` prints it")
    return text


File = Annotated[
    Path, typer.Argument(metavar="FILE", allow_dash=True, help="Gets one JSON object a line; - is stdout.")
]


@app.command("list")
def list_events(
    *,
    account: NamedOption = None,
    event: Annotated[Event | None, typer.Option(help="Only events of this kind.")] = None,
    search: Search = None,
    last: Annotated[int, typer.Option(metavar="N", min=1, help="So many of the newest.")] = 100,
    after: After = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the newest events, the oldest of them first; or those that follow an id, so many as --limit says.

    A search looks into address, contract and detail.

    Accounts are told by id: that of a deleted account is never given again. An event that is not in the chain yet has
    no id; one that counts refusals of a minute says how many.

    \b
    Examples:
      rollbook audit list --account zhangsan
      rollbook audit list --event login_refused --last 1000 --json
    """
    with snapshot():
        about = _id(account) if account else None
        wanted = {"account": about, "event": event, "search": search}
        found = verification.newest(last, **wanted) if after is None else verification.following(after, **wanted)
        output.say_all(map(_record, islice(found, limit)), as_json, COLUMNS)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Check an export instead of the store.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="ID:CHAIN", callback=_point, help="Check what follows an end that was noted.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no event was altered, removed or put in; name the first one that was.

    Prints the end of the chain. Noted elsewhere, and given as --since later, it shows also whether the whole store was
    replaced by an older copy. Tells as well how much is not in the chain yet: of that, the newest events could be cut
    off unseen.

    \b
    Example:
      rollbook audit verify --since 1204:9f2c...
    """
    noted = None
    if since:
        id, _, chain = since.partition(":")
        noted = Point(int(id), chain)
    with snapshot(), read_file(file or Path()) as given:
        if file:
            found = verification.verify(*_read(given), noted)
            tail = Tail(found.pending, 0)
        else:
            entries = verification.events(noted.id) if noted else verification.events()
            found = verification.verify(entries, verification.pending(), AuditHead.find(), noted)
            tail = verification.tail()
            for fault in () if found.fault else verification.head_faults():
                raise Refused(f"audit: {fault}")
    if found.fault:
        raise Refused(f"audit: event {found.row}: {found.fault}" if found.row is not None else f"audit: {found.fault}")
    _say(found, tail, as_json)


@app.command()
def export(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write all events to a file, one JSON object a line: the chain, what is not in it yet, its head.

    The file can be checked like the store itself: `rollbook audit verify --file FILE`.
    """
    with snapshot(), write_file(file, force) as opened:
        written = _write(opened)
    with directory():
        note(Event.EXPORTED, what="audit", rows=written)
    if not is_stream(file):
        output.say({"file": str(HERE / file), "events": written}, as_json, str(HERE / file))


def _id(account: str) -> int:
    """Return the id of an account, which need not be there any more."""
    digits = account.removeprefix(BY_ID)
    try:
        return int(named(account).id)
    except AccountNotFound:
        if not (digits.isascii() and digits.isdigit()):
            raise
        return int(digits)


def _say(found: Finding, tail: Tail, as_json: bool) -> None:
    end = f"{found.end.id}:{found.end.chain}"
    record = {"events": found.checked, "end": end, "vouched": found.vouched, "tail": tail._asdict()}
    lines = [f"{found.checked} events, whole; the end is {end}"]
    if tail.events:
        lines.append(f"{tail.events} events are not in the chain yet, an act since {tail.seconds:.1f} s")
    if found.vouched:
        lines.append(
            f"{found.vouched} are sealed by a key that the server no longer has; those after them vouch for them"
        )
    output.say(record, as_json, *lines)


def _write(lines: BinaryIO) -> int:
    """Write all events; return how many."""
    written = 0
    for entry in verification.events():
        lines.write(orjson.dumps(entry.__data__) + b"\n")
        written += 1
    for waiting in verification.pending():
        lines.write(orjson.dumps({"pending": waiting.__data__}) + b"\n")
        written += 1
    if head := AuditHead.find():
        lines.write(orjson.dumps({"head": head.__data__}) + b"\n")
    return written


def _read(file: Path) -> tuple[Iterator[AuditEvent], Iterator[PendingEvent], AuditHead | None]:
    """Return the events of an export, read as they are asked for, and its head."""
    with file.open("rb") as lines:
        last = b""
        for line in lines:
            last = line
    head = _parse(last).get("head") if last else None

    def rows() -> Iterator[dict[str, Any]]:
        with file.open("rb") as lines:
            yield from map(_parse, lines)

    entries = (AuditEvent(**row) for row in rows() if "head" not in row and "pending" not in row)
    waiting = (PendingEvent(**row["pending"]) for row in rows() if "pending" in row)
    return entries, waiting, AuditHead(**head) if head else None


def _parse(line: bytes) -> dict[str, Any]:
    try:
        row: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Refused("audit: a line of the file is not JSON") from None
    return row


def _record(entry: SealedEvent) -> dict[str, Any]:
    columns = {name: getattr(entry, name) for name in COLUMNS}
    if isinstance(entry, PendingEvent):
        columns["id"] = None
    return columns | {"created": output.time(entry.created), "detail": orjson.loads(entry.detail)}
