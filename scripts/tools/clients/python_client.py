"""Python clients: openapi-python-client, tidied by Ruff, held against `mypy --strict`."""

import contextlib
import copy
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import openapi_python_client
import orjson
from openapi_python_client.config import Config, ConfigFile, MetaType

from scripts.tools.clients import ADDRESS
from scripts.tools.clients.failure import Stumbled
from server.specs import Contract

CORRECTIONS = (
    (
        "endpoint_module.py.jinja",
        "from ...types import Response, UNSET\n",
        "from ...types import Response, UNSET, Unset\n",
    ),
    (
        "endpoint_module.py.jinja",
        "        {{ parse_response(parsed_responses, response) | indent(8) }}\n",
        """\
        {% if response.data.content and response.data.content | length > 1 %}
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if media_type != "{{ response.data.content | list | first | in_double_quote_literal }}":
            return None
        {% endif %}
        {{ parse_response(parsed_responses, response) | indent(8) }}
""",
    ),
    (
        "endpoint_macros.py.jinja",
        "client: AuthenticatedClient,\n",
        "client: AuthenticatedClient | Client,\n",
    ),
)
"""Template, what the generator has there, what it ought to have. No way to write a spec makes up for these:

1. Where a body may come in several media types, the generated module names `Unset` and does not import it.
2. Where a status may come in several media types, a body is parsed as the first of them, whatever it is; the export
   of a project would be taken for JSON with a fault in it. What is of another media type stays in `Response.content`.
3. The generator knows credentials in headers only, and asks for its client that holds one wherever the contract asks
   for a credential. Ours are in queries and cookies as well, which its other client carries.
"""


def make(contracts: list[Contract], folder: Path) -> None:
    """Generate and check `folder/<stem>`, a project with the package `rollbook_<stem>`. Raises Stumbled."""
    with tempfile.TemporaryDirectory() as scratch:
        templates = _correct_templates(Path(scratch))
        for contract in contracts:
            document = Path(scratch) / f"{contract.stem}.json"
            document.write_bytes(orjson.dumps(_without_tags(contract.published(ADDRESS))))
            _generate(contract.stem, document, templates, folder / contract.stem)
    _run("ruff", "check", "--isolated", "--fix-only", "--quiet", "--select=F401,I", str(folder))
    _run("ruff", "format", "--isolated", "--quiet", "--line-length=120", str(folder))
    packages = [str(folder / contract.stem / package_name(contract.stem)) for contract in contracts]
    _run("mypy", "--config-file=", "--strict", f"--cache-dir={folder / '.mypy_cache'}", *packages)


def package_name(stem: str) -> str:
    """Return the name under which the client of a contract is imported."""
    return f"rollbook_{stem}"


def _generate(stem: str, document: Path, templates: Path, project: Path) -> None:
    chosen = ConfigFile(
        project_name_override=f"rollbook-{stem}",
        package_name_override=package_name(stem),
        literal_enums=True,
        post_hooks=[],
    )
    config = Config.from_sources(chosen, MetaType.UV, document, "utf-8", overwrite=False, output_path=project)
    with contextlib.redirect_stdout(None):
        faults = openapi_python_client.generate(config=config, custom_template_path=templates)
    if faults:
        raise Stumbled("\n".join(f"{stem}: {fault.header}: {fault.detail}" for fault in faults))


def _without_tags(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without tags: modules would be parted by them, and operations have names of their own."""
    untagged = copy.deepcopy(document)
    for item in untagged["paths"].values():
        for operation in item.values():
            if "operationId" in operation:
                del operation["tags"]
    return untagged


def _correct_templates(folder: Path) -> Path:
    """Write corrected copies of the generator's templates; the generator looks here first."""
    originals = files(openapi_python_client) / "templates"
    for name, wrong, right in CORRECTIONS:
        corrected = folder / name
        template = (corrected if corrected.exists() else originals / name).read_text()
        if template.count(wrong) != 1:
            raise Stumbled(f"{name} of openapi-python-client is not what CORRECTIONS expects")
        corrected.write_text(template.replace(wrong, right))
    return folder


def _run(module: str, *arguments: str) -> None:
    ran = subprocess.run(  # noqa: S603  # tools of this environment
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise Stumbled(f"{module}:\n{ran.stdout}{ran.stderr}")
