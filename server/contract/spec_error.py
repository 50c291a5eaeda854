"""What is wrong with a spec: told once, at start."""

from connexion.operations import AbstractOperation


class SpecError(ValueError):
    """Raised at start where a spec cannot be served. place: where in the file, as a JSON pointer or in words."""

    def __init__(self, stem: str, place: str, reason: str) -> None:
        super().__init__(f"{stem}.yaml: {place}: {reason}")
        self.place = place


def pointer(*steps: object) -> str:
    """Return the JSON pointer that goes through these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def error_in(operation: AbstractOperation, *steps: object, reason: object) -> SpecError:
    """Return the error of an operation; its name leads to the stem. steps: from the operation to the place."""
    stem = operation.operation_id.split(".")[1]
    return SpecError(stem, pointer("paths", operation.path, operation.method, *steps), str(reason))
