"""Contracts: made from a pattern, looked at without a server."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli import output
from server.cli.contract_check import mistakes
from server.cli.failure import Refused
from server.cli.output import AsJson
from server.cli.values import HERE
from server.specs import FOLDER, JOURNEY, STEM, Source

PATTERNS = Path(__file__).with_name("new_contract")
HOUSE = FOLDER.parent

app = typer.Typer(help="Make a contract of one's own, and find its mistakes.", rich_markup_mode=None)


@app.command()
def new(
    stem: Annotated[str, typer.Argument(metavar="STEM", help="Name: letters (a-z), digits and _, at most 16.")],
    folder: Annotated[
        Path, typer.Option(metavar="PATH", help="Where to write it; is made where it is missing.")
    ] = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write the three files of a contract that can be served at once, and print where they are.

    It has five operations: register, log in, log out, read oneself, change the password. Change it into yours, with
    `rollbook contract check` after each step.

    \b
    Example:
      rollbook contract new shop --folder contracts/
      ROLLBOOK_CONTRACTS=contracts scripts/serve
    """
    if not STEM.fullmatch(stem) or stem == "common":
        raise Refused(f"{stem}: a name of up to 16 letters (a-z), digits and _ is expected")
    place = HERE / folder
    source = _source(place / f"{stem}.yaml")
    for file in source:
        if file.exists():
            raise Refused(f"{file}: is there already")
    if (HOUSE / f"handlers/{stem}.py").exists():
        raise Refused(f"{stem}: the name is taken by handlers/{stem}.py")
    place.mkdir(parents=True, exist_ok=True)
    for file, kind in zip(source, (".yaml", ".py", JOURNEY), strict=True):
        file.write_text((PATTERNS / f"contract{kind}.txt").read_text("utf-8").replace("STEM", stem), "utf-8")
    written = [str(file) for file in source]
    output.say({"contract": stem, "files": written}, as_json, *written)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The contract's YAML file; the others lie beside it.")],
    as_json: AsJson = False,
) -> None:
    """Tell every mistake that can be seen without a server, with file, line and what was expected.

    \b
    Example:
      rollbook contract check contracts/shop.yaml
    """
    source = _source(HERE / file)
    if not source.spec.is_file():
        raise Refused(f"{file}: no such file")
    found = [mistake._asdict() | {"file": str(mistake.file)} for mistake in mistakes(source)]
    words = [f"{one['file']}:{one['line']}: {one['words']}" for one in found] or [f"{file}: no mistake to be seen"]
    output.say({"mistakes": found}, as_json, *words)
    if found:
        raise typer.Exit(1)


def _source(spec: Path) -> Source:
    """Return the three files of a contract of the house, or of any other folder."""
    if spec.resolve().parent == FOLDER:
        return Source(spec, HOUSE / f"handlers/{spec.stem}.py", FOLDER / f"journeys/{spec.name}")
    return Source(spec, spec.with_suffix(".py"), spec.with_suffix(JOURNEY))
