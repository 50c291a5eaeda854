"""The journeys of one contract, step by step, as `specs/journeys/` has them."""

from collections.abc import Iterator
from typing import Any

from scripts.tools.docs.contracts import Operation, Reader
from scripts.tools.docs.markdown import as_json, block, normalize, table

Part = dict[str, Any]

SOURCES = {
    "unique": "made unique",
    "unique_number": "other digits behind the first three",
    "access_key": "the operator makes an access key",
    "seconds_ahead": "now {:+} s",
    "http_date": "now, as an HTTP date",
    "signs": "signature for `{}`",
    "project_of": "the operator imports a project of `{}`",
    "delivered_to": "read in the message to `{}`",
}
"""First word of a source in `x-inputs` -> what it means."""


def write(reader: Reader, document: Part) -> str:
    """Return the page of an Arazzo description."""
    operations = {operation.id: operation for operation in reader.operations}
    info = document["info"]
    parts = [
        f"---\ntitle: {reader.stem}\n---",
        f"# Journeys: {reader.stem}",
        f"**{info['title']}.** {info.get('summary', '')}",
        info.get("description", ""),
        f"The file: [{reader.stem}.yaml](../specs/journeys/{reader.stem}.yaml), "
        f"Arazzo {document['arazzo']}. The operations: [{reader.stem}](../contracts/{reader.stem}.md).",
    ]
    for workflow in document["workflows"]:
        parts += _workflow(workflow, operations)
    return "\n\n".join(part for part in parts if part) + "\n"


def _workflow(workflow: Part, operations: dict[str, Operation]) -> Iterator[str]:
    yield f"## {workflow['summary']} {{#{workflow['workflowId']}}}"
    yield workflow.get("description", "")
    if reason := workflow.get("x-one-runner"):
        yield f"Our runner only: {reason}"
    inputs = workflow.get("inputs", {}).get("properties", {})
    sources = workflow.get("x-inputs", {})
    if inputs:
        rows = [
            (f"`{name}`", f"`{schema['default']}`" if "default" in schema else "", _source(sources.get(name, {})))
            for name, schema in inputs.items()
        ]
        yield table(["Input", "Usually", "Comes from"], rows)
    for number, step in enumerate(workflow["steps"], 1):
        yield _step(number, step, operations[step["operationId"]])


def _source(source: Part) -> str:
    kind = next(iter(source), "")
    return SOURCES.get(kind, kind).format(source.get(kind))


def _step(number: int, step: Part, operation: Operation) -> str:
    """Return a step, folded up: a sentence tells it, a click shows it."""
    stem = operation.reader.stem
    parts = [f"`{operation.method} {operation.full_path}` ([{operation.id}](../contracts/{stem}.md#{operation.id}))"]
    if step.get("parameters"):
        rows = [(f"`{one['name']}`", one["in"], f"`{one['value']}`") for one in step["parameters"]]
        parts.append(table(["Parameter", "In", "Value"], rows))
    if body := step.get("requestBody"):
        text = body["payload"] if isinstance(body["payload"], str) else as_json(body["payload"])
        parts += [f"Body, `{body['contentType']}`:", block("json", text)]
    parts.append("Expected:")
    parts.append("\n".join(f"- {_criterion(one)}" for one in step["successCriteria"]))
    if kept := step.get("outputs"):
        parts.append("Kept: " + ", ".join(f"`{name}` = `{value}`" for name, value in kept.items()))
    told = " ".join(step.get("description", step["stepId"].replace("_", " ")).split())
    return normalize("step", f"{number}. {told}", "\n\n".join(parts))


def _criterion(criterion: Part) -> str:
    if criterion.get("type", "simple") == "simple":
        return f"`{criterion['condition']}`"
    return f"`{criterion['context']}` matches `` {criterion['condition']} ``"
