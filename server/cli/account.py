"""Accounts: made, looked at, shut, deleted."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from models.account import Account
from models.account_search import named
from models.audit.events import Event, note
from models.db.database import database, transaction
from models.departure import delete_account
from models.migrations import migrate
from server.cli import account_file, foreign, listing, output
from server.cli.failure import Refused
from server.cli.foreign import exports
from server.cli.foreign.options import Options
from server.cli.listing import After, Limit, Part, Search
from server.cli.output import AsJson
from server.cli.progress import progress
from server.cli.store import connected, directory, snapshot
from server.cli.streams import is_stream, read_file, write_file
from server.cli.values import HERE, Named, PasswordStdin, Username, confirm, read_password, valid

PROFILE = ("display_name", "email", "mobile", "domain", "property", "photo", "job", "school", "introduct", "foreign_id")
COLUMNS = ("id", "username", "display_name", "email", "mobile", "admin", "disabled", "created")


class SaltOrder(StrEnum):
    """How a table put salt and password together."""

    FIRST = "salt+password"
    LAST = "password+salt"


app = typer.Typer(help="Make, list, shut, delete, export and import accounts.", rich_markup_mode=None)


@app.command()
def create(
    username: Username,
    *,
    admin: Annotated[bool, typer.Option("--admin", help="May act on all accounts.")] = False,
    email: Annotated[str | None, typer.Option(metavar="EMAIL", callback=valid("Email"), help="E-mail address.")] = None,
    mobile: Annotated[
        str | None, typer.Option(metavar="MOBILE", callback=valid("Mobile"), help="Mobile number.")
    ] = None,
    display_name: Annotated[
        str | None, typer.Option(metavar="NAME", callback=valid("DisplayName"), help="Name to be shown.")
    ] = None,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make an account; it can log in through every contract.

    The password is asked for twice without showing it, or read from stdin. Usernames, e-mail addresses and mobile
    numbers are unique in the directory.

    \b
    Examples:
      rollbook account create zhangsan --email zhangsan@example.com
      rollbook account create root --admin --password-stdin --json < password.txt
    """
    with directory():
        password = read_password(password_stdin)
        account = Account.register(
            username, password, admin=admin, email=email, mobile=mobile, display_name=display_name
        )
    output.say(_record(account), as_json)


@app.command("list")
def list_accounts(
    *,
    search: Search = None,
    admin: Annotated[bool | None, typer.Option("--admin/--no-admin", help="Only who may act on all, or not.")] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disabled/--enabled", help="Only who may not log in, or may.")
    ] = None,
    after: After = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List accounts in order of id.

    A search looks into usernames, display names, e-mail addresses, mobile numbers and foreign ids, whatever their case.

    \b
    Examples:
      rollbook account list --search example.com --limit 20
      rollbook account list --after 20 --limit 20
      rollbook account list --admin --json | jq -r '.[].username'
    """
    with snapshot():
        found = listing.accounts(Part(after, limit, search), admin=admin, disabled=disabled)
        output.say_all(map(_record, found), as_json, COLUMNS)


@app.command()
def show(account: Named, as_json: AsJson = False) -> None:
    """Show all that is known of an account, but for its password."""
    with snapshot():
        found = named(account)
    output.say(_record(found), as_json)


@app.command()
def disable(account: Named, as_json: AsJson = False) -> None:
    """Keep an account from logging in, and end its sessions in all contracts."""
    with directory():
        found = named(account)
        found.disable()
    output.say(_record(found), as_json, f"{found.username} is disabled")


@app.command()
def enable(account: Named, as_json: AsJson = False) -> None:
    """Let a disabled account log in again."""
    with directory():
        found = named(account)
        found.enable()
    output.say(_record(found), as_json, f"{found.username} is enabled")


@app.command()
def delete(
    account: Named,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete an account for good, after asking.

    Each project that it owns goes to its longest-standing other member, and is deleted where there is none.

    \b
    Example:
      rollbook account delete zhangsan --yes
    """
    with directory():
        found = named(account)
        if not yes:
            confirm(f"Delete {output.printable(found.username)} (id {found.id})?")
        delete_account(found)
    record = {"id": found.id, "username": found.username, "deleted": True}
    output.say(record, as_json, f"{found.username} is deleted")


@app.command()
def set_password(account: Named, password_stdin: PasswordStdin = False, as_json: AsJson = False) -> None:
    """Give an account a new password, and end its sessions in all contracts.

    \b
    Examples:
      rollbook account set-password zhangsan
      rollbook account set-password zhangsan --password-stdin < password.txt
    """
    with directory():
        found = named(account)
        found.set_password(read_password(password_stdin))
    output.say(_record(found), as_json, f"{found.username} has a new password")


@app.command("export")
def export_accounts(
    file: Annotated[Path, typer.Argument(metavar="FILE", allow_dash=True, help="JSON Lines; - is stdout.")],
    system: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="SYSTEM",
            callback=foreign.one_of(exports.SYSTEMS),
            autocompletion=lambda: list(exports.SYSTEMS),
            help=f"Write what {' or '.join(exports.SYSTEMS)} takes.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write all accounts into a file, with their password hashes: JSON Lines, in order of id.

    Sessions, friends, projects and access keys are not in it: `db backup` and `db copy` keep those. The file is as
    secret as the store.

    \b
    Examples:
      rollbook account export accounts.jsonl
      rollbook account export fixture.json --to django
    """
    with connected(), progress("Exporting") as report:
        migrate()
        with write_file(file, force) as lines, database.snapshot():
            if system:
                number, lost = exports.save(lines, listing.accounts(), system, report)
            else:
                number, lost = account_file.save(lines, report), 0
        with transaction():
            note(Event.EXPORTED, what="accounts", rows=number)
    if is_stream(file):
        return
    words = f"{number} accounts are in {HERE / file}"
    if lost:
        words += f", {lost} of them without their password, which {system} cannot check"
    record = {"file": str(HERE / file), "accounts": number, "without_password": lost}
    output.say(record, as_json, words)


@app.command("import")
def import_accounts(
    file: Annotated[Path, typer.Argument(metavar="FILE", allow_dash=True, help="JSON Lines, or as --from says.")],
    system: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SYSTEM",
            callback=foreign.one_of(foreign.SYSTEMS),
            autocompletion=lambda: list(foreign.SYSTEMS),
            help=f"One of {', '.join(foreign.SYSTEMS)}.",
        ),
    ] = None,
    hash_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Firebase: the password hash parameters of the console.")
    ] = None,
    salt_order: Annotated[
        SaltOrder, typer.Option(help="Tables with a column for the salt: in which order both were hashed.")
    ] = SaltOrder.FIRST,
    keep_ids: Annotated[
        bool, typer.Option("--keep-ids", help="The numbers of the old accounts are those of the new ones.")
    ] = False,
    refused: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write which lines are refused, and why.")
    ] = None,
    skip_refused: Annotated[
        Path | None, typer.Option(metavar="FILE", help="As --refused, and take over all the others.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take over the accounts of a file, all or none; doing it again changes nothing.

    A line is an object: username, and whatever there is of id, password (a hash), display_name, email, mobile, domain,
    property, photo, job, school, introduct, admin, disabled, created and updated (RFC 3339), fields (what contracts
    keep, by contract and name: their `x-account-fields`), and email_proved and mobile_proved (true), which are one
    account's; what is not proved several may show. Without an id the account gets the next one, without a password it
    waits for one to be set. A line whose account is there already is skipped, so what was interrupted is simply started
    again.

    A password is a hash: Argon2, bcrypt, PBKDF2, scrypt, phpass, SSHA or a salted SHA, in the spellings that the
    operator guide lists; Argon2id takes its place at the first login.

    \b
    Examples:
      rollbook account import accounts.jsonl --refused refused.txt
      rollbook account import realm.json --from keycloak --skip-refused left-out.txt
      rollbook account import users.json --from firebase --hash-config parameters.txt
    """
    options = Options(HERE / hash_config if hash_config else None, salt_order, keep_ids)
    with connected(), read_file(file) as source, progress("Importing") as report:
        migrate()
        entries = foreign.entries(source, system, options) if system else account_file.lines(source)
        admitted, refusals = account_file.bring_in(entries, report, skips=skip_refused is not None)
    noted = skip_refused or refused
    if noted:
        (HERE / noted).write_text("".join(f"line {line}: {reason}\n" for line, reason in refusals), "utf-8")
    if admitted is None:
        first = f"{file}: line {refusals[0].line}: {refusals[0].reason}"
        raise Refused(f"{first} (and {len(refusals) - 1} more)" if refusals[1:] else first)
    words = f"{admitted.added} accounts were added, {admitted.known} were there already"
    if refusals:
        words += f", {len(refusals)} were left out: {noted}"
    record = {"added": admitted.added, "there": admitted.known, "left_out": len(refusals)}
    output.say(record, as_json, words)


def _record(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.username,
        **{field: getattr(account, field) for field in PROFILE},
        "admin": bool(account.admin),  # a prepared look-up leaves it as SQLite keeps it
        "disabled": bool(account.disabled),
        "created": output.time(account.created),
        "updated": output.time(account.updated),
    }
