"""Snippets: every operation of a contract as a request in three languages, made of the spec's examples."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.tools.docs.contracts import FORM, Operation, Reader, examples
from scripts.tools.docs.languages import LANGUAGES, Language, Request
from scripts.tools.docs.scenarios import SCENARIOS, Scenario, Step, Var


@dataclass(frozen=True)
class Snippet:
    """One step of a scenario, as code.

    number: its place, from 1. variant: which of the operation's variants it asks for; None where it has none.
    code: by language. status, content: what comes back, by the spec.
    """

    number: int
    step: Step
    operation: Operation
    variant: str | None
    request: Request
    code: dict[str, str]
    status: int
    content: Any

    @property
    def anchor(self) -> str:
        """Return the heading under which it stands."""
        return anchor(self.operation, self.variant)

    @property
    def name(self) -> str:
        """Return what it does, in a word."""
        return self.variant or self.operation.id


def anchor(operation: Operation, variant: str | None = None) -> str:
    """Return the name of a heading, of an operation or of one of its variants."""
    return operation.id if variant is None else f"{operation.id}-{variant or 'none'}"


@dataclass
class Sheet:
    """All snippets of one contract, in the order in which they follow one another."""

    reader: Reader
    scenario: Scenario
    snippets: list[Snippet] = field(default_factory=list)

    def prelude(self, language: Language) -> str:
        """Return what comes before the first snippet."""
        names = [name for snippet in self.snippets for name in (*snippet.step.keep, *snippet.step.asks)]
        given = self.scenario.prelude.get(language.name)
        return given or language.prelude(self.reader.base_path, sorted(set(names)))

    def whole(self, language: Language) -> str:
        """Return all snippets as one file."""
        parts = [f"{language.comment} {self.reader.stem}: every operation, one after the other, on a fresh server"]
        if self.scenario.operator:
            words, lines = self.scenario.operator
            told = f"{words} In Rollbook's folder:\n\n{lines}"
            parts.append("\n".join(f"{language.comment} {line}".rstrip() for line in told.splitlines()))
        parts.append(self.prelude(language))
        parts += [f"{language.comment} {one.number}. {one.name}\n{one.code[language.name]}" for one in self.snippets]
        return "\n\n".join(part.strip("\n") for part in parts) + "\n"

    def under(self, anchor: str) -> Iterator[Snippet]:
        """Yield the snippets under a heading; one that is only said again is left out."""
        seen = set()
        for snippet in self.snippets:
            if snippet.anchor == anchor and snippet.code["sh"] not in seen:
                seen.add(snippet.code["sh"])
                yield snippet


def make_sheet(reader: Reader) -> Sheet:
    """Write the snippets of a contract."""
    scenario = SCENARIOS[reader.stem]
    operations = {operation.id: operation for operation in reader.operations}
    sheet = Sheet(reader, scenario)
    for number, step in enumerate(scenario.steps, 1):
        operation = operations[step.operation]
        status, content = _answer(operation, step)
        request, variant = _request(operation, step, status, content)
        code = {language.name: language.write(request) for language in LANGUAGES}
        sheet.snippets.append(Snippet(number, step, operation, variant, request, code, status, content))
    return sheet


def _answer(operation: Operation, step: Step) -> tuple[int, Any]:
    """Return what the spec says that a success looks like; bytes and no body are None."""
    status = min(operation.responses)
    for content in operation.responses[status].get("content", {}).values():
        named = examples(content, operation.reader)
        if step.answer in named or not step.answer:
            return status, named[step.answer or next(iter(named))]["value"]
    if step.answer:
        raise LookupError(f"{operation.id}: no answer {step.answer}")
    return status, None


def _request(operation: Operation, step: Step, status: int, content: Any) -> tuple[Request, str | None]:
    """Make a request of examples."""
    reader = operation.reader
    variant: str | None = None
    path = operation.path
    query: dict[str, Any] = {}
    headers: dict[str, Any] = {}
    for parameter in operation.parameters:
        name, place = parameter["name"], parameter["in"]
        value = _example(parameter, step, reader)
        if place == "path":
            path = path.replace(f"{{{name}}}", f"{{{_mark(step.given.get(name, value))}}}")
        elif place == "query":
            query[name] = step.given.get(name, value[0] if isinstance(value, list) else value)
    body, form = None, False
    if "requires" in operation.action:
        variant = step.example
        needed = operation.action["requires"].get(variant, [])
        named = [operation.action["name"], *needed] if variant else []
        query = {name: value for name, value in query.items() if name in named or name in step.given}
    else:
        for media_type, holder in list(operation.media_types.items())[:1]:
            body = _example(holder, step, reader)
            variant = body[operation.action["name"]] if operation.action else None
            body = body | _among(step.given, body)
            form = media_type == FORM
    signs = ""
    for scheme in _credentials(operation):
        name, place = scheme["name"], scheme["in"]
        if name == "signature":
            signs = variant or ""
        elif name == "token":
            places = {"query": query, "header": headers}
            places[place][name] = scheme.get("x-first-value", Var("token"))
    request = Request(
        method=operation.method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        form=form,
        status=status,
        content=content,
        signs=signs,
        step=step,
    )
    return request, variant


def _credentials(operation: Operation) -> list[dict[str, Any]]:
    """Return the security schemes of the first way in which an operation may be asked; none if it may do without."""
    ways: list[dict[str, Any]] = operation.spec["security"]
    return [] if not ways or {} in ways else [operation.reader.schemes[name] for name in ways[0]]


def _example(holder: dict[str, Any], step: Step, reader: Reader) -> Any:
    named = examples(holder, reader)
    return named.get(step.example, next(iter(named.values())))["value"]


def _among(given: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Return those of the given values that an example has too."""
    return {name: given[name] for name in value if name in given}


def _mark(value: Any) -> str:
    """Return a path parameter as it stands between braces: `$name` for one that was kept."""
    return f"${value.name}" if isinstance(value, Var) else str(value)
