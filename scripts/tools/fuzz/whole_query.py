"""The query of a request as one object, held against the document by another validator than the server's."""

from typing import Any

import jsonschema_rs
from schemathesis import Case as SomeCase

Case = SomeCase[Any]


def fits(case: Case, query: dict[str, str]) -> bool:
    """Tell whether a query fits the schema of the one parameter that is the whole query."""
    document = case.operation.schema.raw_schema
    parameters = case.operation.definition.raw["parameters"]
    whole = next(parameter for parameter in parameters if parameter.get("explode"))
    schema = {**whole["schema"], "components": document["components"]}
    return bool(jsonschema_rs.Draft4Validator(schema).is_valid(query))
