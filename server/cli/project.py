"""Projects: brought in from files, taken out into files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from models.account_search import named
from models.audit.events import Event, note
from models.db.database import transaction
from models.project import Project
from server.cli import graph, listing, output
from server.cli.listing import After, Limit, Part, Search
from server.cli.output import AsJson
from server.cli.progress import progress
from server.cli.store import current, directory, snapshot
from server.cli.streams import read_file
from server.cli.values import HERE, NamedOption, printable_name, valid

COLUMNS = ("id", "name", "owner", "members", "entities", "relations", "created")

Id = Annotated[int, typer.Argument(metavar="ID", callback=valid("ProjectId"), help="Number of the project.")]
Name = Annotated[str, typer.Argument(metavar="NAME", callback=valid("ProjectName"), help="Name of the project.")]
Owner = Annotated[str, typer.Option(metavar="ACCOUNT", callback=printable_name, help="Owner of the project.")]

app = typer.Typer(help="Bring projects in, take them out, list them.", rich_markup_mode=None)


@app.command("import")
def import_project(
    name: Name,
    owner: Owner,
    entities: Annotated[Path, typer.Option(metavar="FILE", help="Array of {id, name}.")],
    triads: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Array of {id, name, source_id, source_name, target_id, target_name}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a project from JSON files in the shape of the exports, and print its id.

    The ids in the files only tie the triads to the entities; the project gets its own. If any row is wrong it is
    named, and nothing is imported. Other writers wait until the import is done.

    \b
    Example:
      rollbook project import 三国 --owner zhangsan \\
          --entities 三国_entities.json --triads 三国_triads.json
    """
    with read_file(entities) as file:
        nodes = graph.read(file)
    edges = []
    if triads:
        with read_file(triads) as file:
            edges = graph.read(file)
    with directory(), progress("Importing", len(nodes) + len(edges)) as report:
        project = Project.import_graph(name, named(owner), nodes, edges, report)
    record = {"id": project.id, "name": name, "owner": owner, "entities": len(nodes), "relations": len(edges)}
    output.say(record, as_json, str(project.id))


@app.command()
def export(
    id: Id,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Is made where it is missing.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a project as NAME_entities.json, NAME_relations.json and NAME_triads.json, and print where they are.

    The files are those that the annotation contract exports. Entities and triads can be imported again.

    \b
    Example:
      rollbook project export 1 backup/
    """
    with current(), transaction(), progress("Exporting") as report:
        project = Project.by_id(id)
        files = graph.write(project, HERE / folder, force, report)
        note(Event.EXPORTED, what="project", id=id)
    written = [str(file) for file in files]
    output.say({"id": id, "name": project.name, "files": written}, as_json, *written)


@app.command("list")
def list_projects(
    *,
    account: NamedOption = None,
    search: Search = None,
    after: After = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List projects in order of id, with the username of the owner; a search looks into their names."""
    with snapshot():
        found = listing.projects(Part(after, limit, search), named(account) if account else None)
        output.say_all(map(_record, found), as_json, COLUMNS)


def _record(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "owner": project.owner.username,
        "members": project.member_count,
        "entities": project.entity_count,
        "relations": project.relation_count,
        "created": output.time(project.created),
    }
