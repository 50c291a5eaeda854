"""The proofs: each takes a contract and returns what is wrong, in words; nothing where it holds."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from scripts.tools.fuzz.runner import Effort, fuzz
from scripts.tools.fuzz.server import ROOT, Server
from scripts.tools.harness.client import ContractClient, find_client
from scripts.tools.journeys import redocly
from scripts.tools.journeys.arazzo import Declared, Stumbled, walk
from scripts.tools.journeys.inputs import Inputs
from scripts.tools.journeys.journeys import Journey, Workflow, load_journey
from server.cli.contract_check import follow, mistakes
from server.specs import Contract

REPORTS = ROOT / "build" / "prove"
PASSWORD, WRONG = "correct horse battery", "a wrong guess at it"
LARGE = b" " * 2_000_000
METHODS = ("get", "put", "post", "delete")


def check_files(contract: Contract) -> list[str]:
    """Hold the three files against each other, and the spec against OpenAPI, its limits and its examples."""
    return [str(mistake) for mistake in mistakes(contract.source)]


def walk_by_ours(contract: Contract) -> list[str]:
    """Walk through the journey with our runner."""
    journey = load_journey(contract)
    return _walk(journey, journey.workflows, _walk_ours)


def walk_by_redocly(contract: Contract) -> list[str]:
    """Walk through the journey with Redocly's runner."""
    journey = load_journey(contract)
    return _walk(journey, journey.shared, _walk_redoclys)


def _walk_ours(journey: Journey, workflow: Workflow, inputs: dict[str, Any], url: str) -> str:
    try:
        walk(journey, workflow, inputs, url)
    except Stumbled as reason:
        return str(reason)
    return ""


def _walk_redoclys(journey: Journey, workflow: Workflow, inputs: dict[str, Any], url: str) -> str:
    ran = redocly.respect(journey, workflow, inputs, url)
    return ran.stdout if ran.returncode else ""


def _walk(
    journey: Journey, workflows: list[Workflow], runner: Callable[[Journey, Workflow, dict[str, Any], str], str]
) -> list[str]:
    with fresh() as server:
        inputs = Inputs(server)
        for workflow in workflows:
            if told := runner(journey, workflow, inputs.of(workflow), server.url):
                return [told]
    return []


def fuzz_anonymous(contract: Contract) -> list[str]:
    """Fuzz for a short while without a credential."""
    return fuzz(contract.stem, "anonymous", Effort(examples=10), REPORTS).faults


def fuzz_logged_in(contract: Contract) -> list[str]:
    """Fuzz for a short while with a credential."""
    return fuzz(contract.stem, "logged-in", Effort(examples=10), REPORTS).faults


def check_permissions(contract: Contract) -> list[str]:
    """Ask every operation that wants a credential without one, and with a wrong one, under both policies."""
    return [f"{policy}: {fault}" for policy in ("documented", "guarded") for fault in _intrusions(contract, policy)]


def _intrusions(contract: Contract, policy: str) -> Iterator[str]:
    with fresh(ROLLBOOK_POLICY=policy) as server, httpx2.Client(base_url=server.url) as http:
        for method, path, operation in operations(contract):
            asked = operation.get("security") or [{}]
            if {} in asked and f"x-{policy}" not in operation:
                continue
            for name, answer in {
                "no credential": http.request(method.upper(), _url(contract, path, operation)),
                "a wrong credential": _ask_with_wrong(http, contract, method, path, operation),
            }.items():
                if answer.status_code >= 500:
                    yield f"{operation['operationId']}: {name} is answered {answer.status_code}"
                elif _is_success(contract, operation, answer):
                    yield f"{operation['operationId']}: {name} gets through"


def _ask_with_wrong(
    http: httpx2.Client, contract: Contract, method: str, path: str, operation: dict[str, Any]
) -> httpx2.Response:
    schemes = contract.document["components"]["securitySchemes"]
    parts: dict[str, dict[str, str]] = {"query": {}, "header": {}, "cookie": {}}
    for name in next((way for way in operation["security"] if way), {}):
        scheme = schemes[name]
        if scheme["type"] == "http":
            parts["header"]["Authorization"] = f"{scheme['scheme']} {'x' * 40}"
        else:
            parts[scheme["in"]][scheme["name"]] = "x" * 40
    cookie = "; ".join(f"{name}={value}" for name, value in parts["cookie"].items())
    headers = parts["header"] | ({"cookie": cookie} if cookie else {})
    url = _url(contract, path, operation)
    return http.request(method.upper(), url, params=parts["query"], headers=headers)


def _is_success(contract: Contract, operation: dict[str, Any], answer: httpx2.Response) -> bool:
    """Tell whether an answer has the shape of the documented example of success."""
    if answer.status_code >= 400:
        return False
    declared = follow(contract.document, operation["responses"]).get(str(answer.status_code), {})
    examples = [
        one["value"] for media in declared.get("content", {}).values() for one in media.get("examples", {}).values()
    ]
    first = examples[0] if examples else None
    told = answer.json() if answer.headers.get("content-type", "").endswith("json") else None
    return not isinstance(told, dict) or not isinstance(first, dict) or told.keys() == first.keys()


def check_limits(contract: Contract) -> list[str]:
    """Guess at a password until the limit of failures is reached: N are answered, N and one are not."""
    with fresh(ROLLBOOK_RATE_LIMITS="1") as server, httpx2.Client(base_url=server.url) as http:
        client = _client(contract, server, http)
        operation = _operation(contract, client.step("log_in")["operationId"])
        limits = [limit for limit in operation.get("x-rate-limit", []) if limit["name"] == "login"]
        if not limits:
            return [f"{operation['operationId']}: no x-rate-limit of the name login"]
        (limit,) = limits
        registered = client.register("alice", PASSWORD)
        if not client.succeeded("register", registered):
            return [f"register is answered {registered.status_code}: {registered.text[:200]}"]
        for number in range(1, limit["limit"] + 1):
            if client.log_in("alice", WRONG).status_code == 429:
                return [f"guess {number} of {limit['limit']} is answered 429"]
        beyond = client.log_in("alice", WRONG)
        if beyond.status_code != 429 or "retry-after" not in beyond.headers:
            return [f"guess {limit['limit'] + 1} is answered {beyond.status_code}, 429 with Retry-After is expected"]
    return []


def check_client(contract: Contract) -> list[str]:
    """Register, log in, be known, and be known no longer, by the client that the journey describes."""
    with fresh() as server, httpx2.Client(base_url=server.url) as http:
        return list(_lives(_client(contract, server, http)))


def _client(contract: Contract, server: Server, http: httpx2.Client) -> ContractClient:
    """Return the client of a contract; what signs its requests is made for it."""

    def send(*words: Any, **sent: Any) -> httpx2.Response:
        http.cookies.clear()
        return http.request(*words, **sent)

    journey = load_journey(contract)
    workflow = find_client(journey)[0]
    return ContractClient(journey, send, Inputs(server).of(workflow))


def _lives(client: ContractClient) -> Iterator[str]:
    registered = client.register("alice", PASSWORD)
    if not client.succeeded("register", registered):
        yield f"register is answered {registered.status_code}: {registered.text[:200]}"
    wrong = client.log_in("alice", WRONG)
    if client.succeeded("log_in", wrong) or client.credential(wrong) is not None:
        yield "a wrong password opens a session"
    logged_in = client.log_in("alice", PASSWORD)
    if not client.succeeded("log_in", logged_in) or client.credential(logged_in) is None:
        yield f"log_in is answered {logged_in.status_code}: {logged_in.text[:200]}"
    if "use" not in client.roles:
        return  # nothing in this contract asks for a session

    def is_live(credential: Any) -> bool:
        return client.succeeded("use", client.use(credential, "alice"))

    first, second = client.credential(logged_in), client.enter("alice", PASSWORD)
    if not is_live(first):
        yield "a login does not lead to a session that can be used"
    if is_live("x" * len(str(first))):
        yield "any credential is accepted"
    if "change_password" in client.roles:
        values = {"username": "alice", "password": PASSWORD, "new_password": "another staple battery"}
        client.act("change_password", credential=first, **values)
        if is_live(second):
            yield "the other session outlives a new password"
    if "log_out" in client.roles:
        client.act("log_out", credential=first, username="alice")
        if is_live(first):
            yield "a session outlives its logout"


def check_failures(contract: Contract) -> list[str]:
    """Send every operation a body that is too large, and one of another media type; hold the answers to the spec."""
    faults = []
    declared = Declared(contract)
    with fresh() as server, httpx2.Client(base_url=server.url) as http:
        for method, path, operation in operations(contract):
            url = _url(contract, path, operation)
            sent: dict[str, dict[str, Any]] = {"too large": {"content": LARGE}}
            if "requestBody" in operation:
                sent["of another media type"] = {"content": b"<a/>", "headers": {"content-type": "text/xml"}}
            for what, options in sent.items():
                answer = http.request(method.upper(), url, **options)
                wrong = list(declared.complaints(declared.operations[operation["operationId"]], answer))
                if answer.status_code >= 500:  # what is not declared is told as a bug
                    wrong = [f"is answered {answer.status_code}"]
                faults += [f"{operation['operationId']}: a body {what} {words}" for words in wrong]
    return faults


def operations(contract: Contract) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and operation, with the parameters of its path."""
    for path, item in contract.document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
                yield method, path, operation | {"parameters": follow(contract.document, parameters)}


def _operation(contract: Contract, name: str) -> dict[str, Any]:
    return next(operation for _, _, operation in operations(contract) if operation["operationId"] == name)


def _url(contract: Contract, path: str, operation: dict[str, Any]) -> str:
    for parameter in operation["parameters"]:
        value = parameter.get("example", parameter.get("schema", {}).get("example", 1))
        path = path.replace(f"{{{parameter['name']}}}", str(value))
    return contract.base_path + path


class fresh:  # noqa: N801  # reads as a verb where it is used
    """A server over an empty store, for as long as the context lasts; environment: what differs from the usual."""

    def __init__(self, **environment: str) -> None:
        self.environment = environment

    def __enter__(self) -> Server:
        """Start it."""
        self.folder = tempfile.TemporaryDirectory()
        self.server = Server(Path(self.folder.name))
        self.server.environment |= self.environment
        try:
            return self.server.__enter__()
        except RuntimeError:
            self.folder.cleanup()
            raise

    def __exit__(self, *error: Any) -> None:
        """End it."""
        self.server.__exit__(*error)
        self.folder.cleanup()


PROOFS: dict[str, Callable[[Contract], list[str]]] = {
    "files": check_files,
    "journey, ours": walk_by_ours,
    "journey, Redocly": walk_by_redocly,
    "client": check_client,
    "failures": check_failures,
    "permissions": check_permissions,
    "limits": check_limits,
    "fuzz, anonymous": fuzz_anonymous,
    "fuzz, logged in": fuzz_logged_in,
}
"""Name of a proof -> what runs it."""
