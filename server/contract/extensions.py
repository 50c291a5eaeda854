"""The `x-` words of a contract: known and of the form that `extensions.schema.json` gives them, or the start ends."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from server.contract.spec_error import SpecError, pointer

SCHEMA = Path(__file__).with_name("extensions.schema.json")
"""For editors too, which know from it what may stand where."""


def check_words(stem: str, document: dict[str, Any]) -> None:
    """Check a document. Raises SpecError at the first word that is not known or has not its form."""
    validator = _validator()
    if validator.is_valid(document):
        return
    error = next(iter(validator.iter_errors(document)))
    kind, place, reason = error.kind, error.instance_path, error.message
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        place, reason = [*place, kind.unexpected[0]], "no such word"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        place, reason = [*place, kind.property], "missing"
    raise SpecError(stem, pointer(*place), reason)


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft7Validator(orjson.loads(SCHEMA.read_bytes()))
