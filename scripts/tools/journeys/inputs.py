"""Values for the inputs of a journey, which no file can hold: fresh names, signatures, what was delivered.

A workflow's `x-inputs` says where each value comes from; an input that it does not name is as its `default` says.
"""

import base64
import hashlib
import hmac
import itertools
import json
import re
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from scripts.tools.journeys.journeys import Workflow

PATH = "/openapi/user"
DELIVERY_SECONDS = 30
ENTITIES = [{"id": 1, "name": "刘备"}, {"id": 2, "name": "关羽"}]
TRIADS = [
    {"id": 1, "name": "结义", "source_id": 1, "source_name": "刘备", "target_id": 2, "target_name": "关羽"},
]
"""The project that the operator imports."""

Values = dict[str, Any]


class Server(Protocol):
    """Where a journey leads."""

    @property
    def data(self) -> Path:
        """Return its data folder."""

    def operate(self, *command: str) -> str:
        """Run the operator command on its store; return what it prints."""


class Inputs:
    """Gives the workflows of one journey their inputs, each when its time has come."""

    numbers = itertools.count(1)

    def __init__(self, server: Server) -> None:
        self.server = server
        self.suffix = f"-{next(self.numbers)}{int(time.time()) % 100_000:05}"
        self.accesskey = ""
        self.given: Values = {}

    def of(self, workflow: Workflow) -> Values:
        """Return the inputs of a workflow that is about to begin; what one workflow got, the next gets too."""
        properties = workflow["inputs"]["properties"]
        values = {name: schema["default"] for name, schema in properties.items() if "default" in schema} | self.given
        for name, source in workflow.get("x-inputs", {}).items():
            if name not in self.given:
                kind = next(iter(source))
                values[name] = self.given[name] = SOURCES[kind](self, values, name, source)
        return {name: values[name] for name in properties}

    def make_unique(self, values: Values, name: str, source: Values) -> str:
        """Return the default, so that it collides with no other journey's."""
        local, at, domain = values[name].partition("@")
        return f"{local}{self.suffix}{at}{domain}"

    def make_number(self, values: Values, name: str, source: Values) -> str:
        """Return the default, a mobile number, with other digits behind its first three."""
        return str(values[name])[:3] + self.suffix[1:].zfill(8)[-8:]

    def create_access_key(self, values: Values, name: str, source: Values) -> str:
        """Have the operator make an access key; return its accessid."""
        accessid = self.make_unique(values, name, source)
        self.accesskey = json.loads(self.server.operate("key", "create", accessid, "--json"))["accesskey"]
        return accessid

    def count_seconds(self, values: Values, name: str, source: Values) -> int:
        """Return a time so many seconds ahead."""
        return int(time.time()) + int(source["seconds_ahead"])

    def write_date(self, values: Values, name: str, source: Values) -> str:
        """Return the time as the header Date has it."""
        return formatdate(usegmt=True)

    def sign(self, values: Values, name: str, source: Values) -> str:
        """Sign an action, `until` a time in the URL, or `at` a date `by` an accessid in headers."""
        if "until" in source:
            return self._signature(f"GET\n\n\n{values[source['until']]}\n{PATH}{source['signs']}")
        signature = self._signature(f"GET\n\n\n{values[source['at']]}\n{PATH}{source['signs']}")
        return f"{values[source['by']]}:{signature}"

    def _signature(self, message: str) -> str:
        digest = hmac.digest(self.accesskey.encode(), message.encode(), hashlib.sha1)
        return base64.b64encode(digest).decode()

    def import_project(self, values: Values, name: str, source: Values) -> str:
        """Have the operator import a project; return its id."""
        with TemporaryDirectory() as folder:
            files = {"--entities": ENTITIES, "--triads": TRIADS}
            options: list[str] = []
            for option, rows in files.items():
                file = Path(folder, f"{option.strip('-')}.json")
                file.write_text(json.dumps(rows), "utf-8")
                options += [option, str(file)]
            owner = values[source["project_of"]]
            return self.server.operate("project", "import", "三国", "--owner", owner, *options).strip()

    def read_delivered(self, values: Values, name: str, source: Values) -> str:
        """Wait for a message to somebody and return what matches in it."""
        recipient = values[source["delivered_to"]]
        deadline = time.monotonic() + DELIVERY_SECONDS
        while time.monotonic() < deadline:
            for text in _messages_to(recipient, self.server.data / "outbox"):
                if found := re.search(source["matching"], text):
                    return found[1]
            time.sleep(0.05)
        raise TimeoutError(f"nothing was delivered to {recipient}")


SOURCES: dict[str, Callable[[Inputs, Values, str, Values], Any]] = {
    "unique": Inputs.make_unique,
    "unique_number": Inputs.make_number,
    "access_key": Inputs.create_access_key,
    "seconds_ahead": Inputs.count_seconds,
    "http_date": Inputs.write_date,
    "signs": Inputs.sign,
    "project_of": Inputs.import_project,
    "delivered_to": Inputs.read_delivered,
}
"""First word of a source in `x-inputs` -> what it means."""


def _messages_to(recipient: str, folder: Path) -> list[str]:
    """Return the texts that were delivered to somebody."""
    texts = []
    for file in folder.glob("*.json"):
        message = json.loads(file.read_bytes())
        if message["to"] == recipient:
            texts.append(message["text"])
    for file in folder.glob("*.eml"):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        if mail["To"] == recipient:
            texts.append(mail.get_content())
    return texts
