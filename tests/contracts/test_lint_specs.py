"""An independent rule set over the specs and the journeys."""

import shutil
from pathlib import Path

import pytest
import yaml

from scripts.tools.journeys import redocly
from scripts.tools.journeys.arazzo import ABSENT, point
from scripts.tools.journeys.journeys import load_journeys
from server.specs import FOLDER
from tests.redocly_cli import require

JOURNEYS = load_journeys()
SPECS = [FOLDER / f"{stem}.yaml" for stem in JOURNEYS]


def test_every_exception_is_about_something_that_is_there() -> None:
    exceptions = yaml.safe_load(redocly.EXCEPTIONS.read_text("utf-8"))
    for name, rules in exceptions.items():
        document = yaml.safe_load((redocly.EXCEPTIONS.parent / name).read_text("utf-8"))
        for place in (place for places in rules.values() for place in places):
            assert point(document, place.removeprefix("#")) is not ABSENT, (name, place)


@pytest.mark.process
def test_specs_and_journeys_keep_every_recommended_rule() -> None:
    require()
    ran = redocly.lint(*SPECS, *(journey.file for journey in JOURNEYS.values()))
    assert ran.returncode == 0, ran.stdout
    for file in (*SPECS, *(journey.file for journey in JOURNEYS.values())):
        assert f"{file.relative_to(redocly.ROOT)}: validated" in ran.stdout


@pytest.mark.process
def test_a_wrong_example_and_a_step_that_is_no_step_are_found(tmp_path: Path) -> None:
    require()
    folder = tmp_path / "specs"
    shutil.copytree(FOLDER, folder)
    spec, journey = folder / "dbms.yaml", folder / "journeys" / "dbms.yaml"
    spec.write_text(spec.read_text("utf-8").replace("value: {id: 12345}", "value: {id: nobody}"), "utf-8")
    journey.write_text(journey.read_text("utf-8").replace("operationId: log_out", "operation: log_out"), "utf-8")
    ran = redocly.lint(spec, journey)
    assert ran.returncode == 1
    assert "no-invalid-media-type-examples" in ran.stdout
    assert "struct" in ran.stdout
