"""The page of one contract: every operation with what goes in, what comes out, and snippets that run."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scripts.tools.docs.contracts import Field, Operation, Reader, Told, Variant, examples
from scripts.tools.docs.languages import LANGUAGES
from scripts.tools.docs.markdown import as_json, block, normalize, table, tabs
from scripts.tools.docs.snippets import Sheet, Snippet, anchor

KINDS = {2: "success", 4: "warning", 5: "failure"}
UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
CALLERS = {
    None: "nobody needs a credential",
    "token": "whoever has a live session",
    "owner": "the account itself, or an administrator",
    "admin": "an administrator",
}


def write(reader: Reader, sheet: Sheet) -> str:
    """Return the page."""
    parts = [
        f"---\ntitle: {reader.stem}\n---",
        f"# {reader.stem}: {reader.info['title']}",
        reader.info["description"],
        _facts(reader),
        *_credentials(reader),
        *_beginning(sheet),
        *(part for operation in reader.operations for part in _operation(operation, sheet)),
        *_values(reader),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _facts(reader: Reader) -> str:
    media_type = reader.contract.failure_media_type
    rows = [
        ("Document", f"{reader.info['title']}, {reader.info['version'].removeprefix('v')}"),
        ("Base path", f"`{reader.base_path or '/'}`"),
        ("Failures", f"`{media_type}`; all of them: [failures](../failures.md#{reader.stem})"),
        ("Explorer", f"`/docs/{reader.stem}` of a running server"),
        ("Specification", f"[{reader.stem}.yaml](../specs/{reader.stem}.yaml), self-contained"),
        ("Journeys", f"[step by step](../journeys/{reader.stem}.md); in Arazzo at `/specs/{reader.stem}.arazzo.yaml`"),
        (
            "Postman",
            f"`/specs/{reader.stem}.postman_collection.json` of a running server: the journeys with their tests",
        ),
    ]
    return table(["This contract", ""], rows)


def _credentials(reader: Reader) -> Iterator[str]:
    if reader.schemes:
        yield "## Credentials {#credentials}"
        rows = [
            (f"`{name}`", f"{scheme['in']} `{scheme['name']}`", scheme.get("description", ""))
            for name, scheme in reader.schemes.items()
        ]
        yield table(["Scheme", "Travels in", "What it is"], rows)


def _beginning(sheet: Sheet) -> Iterator[str]:
    """Tell how the snippets follow one another, and what comes before the first."""
    yield "## Snippets {#snippets}"
    stem = sheet.reader.stem
    files = ", ".join(f"[{stem}.{one.ending}](../snippets/{stem}.{one.ending})" for one in LANGUAGES)
    yield (
        "Each operation below has its request for curl, Python (with httpx2) and "
        "TypeScript (Node.js 24). They work one after the other on a fresh server, in the order of this list; the "
        f"tests run them so. All in one file: {files}."
    )
    yield " → ".join(f"[{snippet.number}\u00a0{snippet.name}](#{snippet.anchor})" for snippet in sheet.snippets)
    settings = "".join(f"{name}={value} " for name, value in sheet.scenario.settings.items())
    yield block("sh", f"{settings}./scripts/serve")
    if sheet.scenario.operator:
        words, lines = sheet.scenario.operator
        yield words
        yield block("sh", lines)
    yield "What comes before the first:"
    yield tabs((one.label, block(one.name, sheet.prelude(one))) for one in LANGUAGES)


def _operation(operation: Operation, sheet: Sheet) -> Iterator[str]:
    spec, told = operation.spec, operation.told
    marks = " (deprecated)" if spec.get("deprecated") else ""
    several = " / " in told.heading
    title = spec["summary"] if several else f"{told.heading} · {spec['summary']}"
    yield f"## {title}{marks} {{#{anchor(operation)}}}"
    yield (
        f'<p class="route"><span class="method {operation.method.lower()}">{operation.method}</span> '
        f"<code>{operation.full_path}</code> <small>operationId <code>{operation.id}</code></small></p>"
    )
    if spec.get("x-extension"):
        yield "*Not in the document: an extension of this server.*"
    yield _told(replace(told, document=f"{told.heading}. {told.document}") if several else told)
    yield _callers(operation)
    yield _limits(operation)
    yield _fields(operation.reader, operation.fields)
    yield _bodies(operation)
    for variant in operation.variants:
        yield from _variant(operation, variant, sheet)
    if not operation.variants:
        yield _snippets(list(sheet.under(anchor(operation))))
    for status, answer in operation.responses.items():
        yield _answer(operation, status, answer)


def _told(told: Told) -> str:
    document = f"**The document:** {told.document}" if told.document else ""
    decided = f"**Decided:** {told.decided}" if told.decided else ""
    return f"{document}\n\n{decided}".strip()


def _callers(operation: Operation) -> str:
    """Say who may call, under each policy."""
    ways: list[dict[str, Any]] = operation.spec["security"]
    schemes = {name: operation.reader.schemes[name] for way in ways for name in way}
    rules = [operation.spec.get(f"x-{policy}") for policy in ("documented", "guarded")]
    asked = " or ".join(" + ".join(f"`{schemes[name]['name']}`" for name in way) for way in ways if way)
    first = next((scheme["x-first-value"] for scheme in schemes.values() if "x-first-value" in scheme), None)
    if first:
        return f"**Who may call:** whoever is not logged in. {asked} is needed all the same: `{first}` at first."
    if any(scheme["name"] == "signature" for scheme in schemes.values()):
        return f"**Who may call:** whoever signs: {asked}."
    needed = "token" if ways and {} not in ways else None
    texts = [CALLERS[rule or needed] for rule in rules]
    if texts[0] != texts[1]:
        return f"**Who may call:** policy `documented`: {texts[0]}; `guarded`: {texts[1]}. Credential: {asked}."
    if asked and not needed:
        return f"**Who may call:** {texts[0]}; {asked} is looked at where it is sent."
    return f"**Who may call:** {texts[0]}." + (f" Credential: {asked}." if asked else "")


def _limits(operation: Operation) -> str:
    """Say how often who may ask, before the answer is 429."""
    texts = []
    for limit in operation.spec.get("x-rate-limit", ()):
        who = f"{limit['per']} (`{limit['of']}`)" if "of" in limit else limit["per"]
        text = f"{limit['limit']} {limit.get('counts', 'requests')} in {duration(limit['seconds'])} for each {who}"
        text += beyond(limit)
        actions = ", ".join(f"`{action}`" for action in limit.get("actions", ()))
        texts.append(f"{actions}: {text}" if actions else text)
    return f"**Limits:** {'; '.join(texts)}." if texts else ""


def beyond(limit: dict[str, Any]) -> str:
    """Say what becomes of who goes beyond a limit, where that is not the usual refusal."""
    if "wait" in limit:
        return f", then a wait of {duration(limit['wait'])} that doubles up to {duration(limit['longest'])}"
    return "; beyond that nothing is sent, and what was sent last stays good" if "beyond" in limit else ""


def duration(seconds: int) -> str:
    """Return seconds in the largest unit of which they are a whole number."""
    unit, size = next((unit, size) for unit, size in UNITS.items() if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'s' if count > 1 else ''}"


def _fields(reader: Reader, fields: list[Field]) -> str:
    if not fields:
        return ""
    rows = [
        (
            f"`{one.name}` <br><small>{one.place}{'' if one.required else ', optional'}</small>",
            _kind(reader, one.schema),
            one.meaning,
        )
        for one in fields
    ]
    return table(["Name", "Value", "Meaning"], rows)


def _kind(reader: Reader, schema: dict[str, Any]) -> str:
    """Say what a value may be; a named one leads to its limits."""
    words = reader.words(schema)
    name = schema.get("x-named")
    return f"[{name}](#value-{name.lower()}) <br><small>{words}</small>" if name else words


def _bodies(operation: Operation) -> str:
    if not operation.media_types:
        return ""
    kinds = " or ".join(f"`{media_type}`" for media_type in operation.media_types)
    needed = "" if operation.body.get("required") else ", may be left out"
    return f"**Body:** {kinds}{needed}."


def _variant(operation: Operation, variant: Variant, sheet: Sheet) -> Iterator[str]:
    name = f"`{variant.name}`" if variant.name else "no `action`"
    yield f"### {variant.told.heading} · {name} {{#{anchor(operation, variant.name)}}}"
    yield _told(variant.told)
    yield _fields(operation.reader, variant.fields)
    yield _snippets(list(sheet.under(anchor(operation, variant.name))))


def _snippets(snippets: list[Snippet]) -> str:
    parts = []
    for snippet in snippets:
        told = f": {snippet.step.tells}" if snippet.step.tells else ""
        parts.append(f"<small>Snippet {snippet.number}{told}</small>")
        parts.append(tabs((one.label, block(one.name, snippet.code[one.name])) for one in LANGUAGES))
    return "\n\n".join(parts)


def _answer(operation: Operation, status: int, answer: dict[str, Any]) -> str:
    reader = operation.reader
    parts = []
    for name, described in answer.get("headers", {}).items():
        header = reader.resolve(described)
        shown = header.get("example", header["schema"].get("example"))
        parts.append(f"Header `{name}`: {header['description']}" + (f" `{shown}`" if shown is not None else ""))
    for media_type, content in answer.get("content", {}).items():
        for name, example in examples(content, reader).items():
            label = example.get("summary") or name.replace("_", " ")
            parts.append(f"{label} · `{media_type}`" if label else f"`{media_type}`")
            parts.append(_example(example["value"], media_type))
    title = f"{status} · {' '.join(answer['description'].split())}"
    return normalize(KINDS[status // 100], title, "\n\n".join(parts) or "No body.", is_open=status < 300)


def _example(value: Any, media_type: str) -> str:
    if isinstance(value, str):
        return block("html" if media_type == "text/html" else "json", value)
    return block("json", as_json(value))


def _values(reader: Reader) -> Iterator[str]:
    """Return the limits of all named values."""
    yield "## Values {#values}"
    rows = [
        (
            f'<span id="value-{name.lower()}">{name}</span>',
            schema.get("description", "") + (f" For example `{schema['example']}`." if schema.get("example") else ""),
            reader.words(schema)
            + (f", `{schema['format']}`" if "format" in schema else "")
            + (f"<br>`` {schema['pattern']} ``" if "pattern" in schema else ""),
        )
        for name, schema in sorted(reader.values.items())
    ]
    yield table(["Name", "What it is", "Limits and pattern"], rows)
