"""datamodel-code-generator: types of Python."""

from scripts.tools.interop.place import Place, python_tool, run


def make_models(place: Place) -> None:
    """Import the models."""
    made = place.folder / "models.py"
    run(
        *(python_tool("datamodel-codegen"), "--input", place.document, "--input-file-type", "openapi"),
        *("--output", made, "--output-model-type", "pydantic_v2.BaseModel"),
    )
    run(python_tool("python"), "-c", "import models", cwd=place.folder)
