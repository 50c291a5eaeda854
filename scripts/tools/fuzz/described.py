"""A caller for every contract that has none of its own: made of its journey and its security schemes."""

from pathlib import Path
from typing import Any

from scripts.tools.fuzz.callers import Caller, Credential
from scripts.tools.harness.client import ContractClient
from scripts.tools.journeys.journeys import Journey

PLACES = {"query": "query", "header": "headers", "cookie": "cookies"}


class Described(Caller):
    """Somebody who calls the contract as the steps of its journey do."""

    def __init__(self, journey: Journey, url: str, accesskey: str, folder: Path) -> None:
        self.stem = journey.stem
        self.described = ContractClient(journey, self._send)
        scheme = next(iter(journey.contract.document["components"]["securitySchemes"].values()))
        self.prefix = f"{scheme['scheme']} " if scheme["type"] == "http" else ""
        self.place = "headers" if self.prefix else PLACES[scheme["in"]]
        self.name = "Authorization" if self.prefix else scheme["name"]
        super().__init__(url, accesskey, folder)

    def _send(self, method: str, url: str, **sent: Any) -> Any:
        """Send what was composed for another library."""
        data = sent.pop("content", None)
        return self.send(method, url, **sent, **({} if data is None else {"data": data}))

    def register(self, email: str) -> None:
        """Make an account."""
        self.described.act("register", username=self.username, password=self.password, address=email)

    def log_in(self) -> Credential:
        """Log in and return the credential."""
        address = f"{self.username}@example.com"
        answer = self.described.act("log_in", username=self.username, password=self.password, address=address)
        found: Credential = self.described.credential(answer)
        return found

    def given(self, response: Any) -> list[str]:
        """Return the credential in an answer."""
        found = self.described.credential(response)
        return [found] if isinstance(found, str) else []

    def attach(self, case: Any, credential: str) -> None:
        """Put a credential into a case, in place of what was generated."""
        super().attach(case, self.prefix + credential)

    def carried(self, case: Any) -> Credential:
        """Return the credential of a case if the server gave it."""
        value = getattr(case, self.place).get(self.name)
        found = value.removeprefix(self.prefix) if isinstance(value, str) else None
        return found if found in self.known else None

    def fill_in(self, case: Any, operation: str) -> None:
        """Put the caller's own name into the path and a login, a free one where a name is given."""
        if "username" in case.path_parameters:
            case.path_parameters["username"] = self.username
        steps = {step["operationId"]: role for role, step in self.described.roles.items()}
        own = {"username": self.username, "email": f"{self.username}@example.com", "password": self.password}
        name = self.free_name()
        free = {"username": name, "email": f"{name}@example.com"}
        _replace(case.body, own if steps.get(operation) == "log_in" else free)


def _replace(body: Any, values: dict[str, str]) -> None:
    """Replace members of a body, which may be wrapped."""
    if isinstance(body, dict):
        body.update({name: value for name, value in values.items() if name in body})
        for inner in body.values():
            _replace(inner, values)
