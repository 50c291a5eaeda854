"""Prism: as a mock that answers by itself, and as a proxy that holds both sides of a journey against the contract."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from scripts.tools.harness.examples import documented
from scripts.tools.harness.npm import BIN
from scripts.tools.interop import clients
from scripts.tools.interop.place import ENVIRONMENT, SECONDS, Fault, Place, npm_tool
from scripts.tools.journeys.arazzo import Declared, Stumbled, walk
from scripts.tools.journeys.inputs import Inputs
from scripts.tools.journeys.journeys import load_journey


def mock(place: Place) -> str:
    """Ask Prism's mock every operation by its first examples; the answers must be as the contract declares them."""
    declared = Declared(place.contract)
    with _prism(place, "mock", str(place.document)) as url, httpx2.Client(base_url=url, timeout=30) as http:
        for name, operation in clients.describe(place).items():
            request = documented(place.contract, operation["path"], operation)
            if operation["method"] == "get":  # the published copy leaves a body out
                request.pop("json", None)
            request["url"] = request["url"].removeprefix(place.contract.base_path)  # Prism leaves it out of its routes
            answer = http.request(operation["method"].upper(), **request)
            complaints = list(declared.complaints(declared.operations[name], answer))
            if answer.status_code >= 300 or complaints:
                raise Fault(f"{name}: {answer.status_code} {'; '.join(complaints)} {answer.text[:500]}")
    return f"{len(declared.operations)} operations"


def proxy(place: Place) -> str:
    """Walk through the journey past Prism, which may complain of no answer, and of no request that is allowed."""
    inputs = Inputs(place.server)
    steps = 0
    with _prism(place, "proxy", str(place.document), place.base_url) as url:
        listener = Listener(place)
        try:
            for workflow in load_journey(place.contract).workflows:
                steps += walk(
                    load_journey(place.contract),
                    workflow,
                    inputs.of(workflow),
                    url,
                    lambda base_url: httpx2.Client(transport=listener, base_url=base_url),
                )
        except Stumbled as reason:
            raise Fault(str(reason)) from None
    if listener.complaints:
        raise Fault("\n".join(listener.complaints))
    return f"{steps} steps"


class Listener(httpx2.HTTPTransport):
    """Keeps what Prism complains of."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.judge = clients.Judge(place)
        self.base_path = place.contract.base_path.encode()  # Prism leaves it out of its routes
        self.behind = httpx2.URL(place.server.url)
        self.complaints: dict[str, None] = {}

    def close(self) -> None:
        """Stay open: each workflow has a client of its own."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and read what Prism adds."""
        if request.method == "GET" and request.headers.get("content-length", "0") != "0":
            request.url = request.url.copy_with(host=self.behind.host, port=self.behind.port)
            return super().handle_request(request)  # Prism lets no body of GET through (stoplightio/prism#2259)
        request.url = request.url.copy_with(raw_path=request.url.raw_path.removeprefix(self.base_path))
        response = super().handle_request(request)
        call = request.extensions["call"]
        for one in json.loads(response.headers.get("sl-violations", "[]")):
            allowed = self.judge.is_speakable(call) and self.judge.fits(call)
            if one["location"][0] == "response" or allowed:
                where = ".".join(map(str, one["location"]))
                self.complaints[f"{call.operation}: {response.status_code}: {where}: {one['message']}"] = None
        return response


@contextmanager
def _prism(place: Place, *words: str) -> Iterator[str]:
    """Run Prism for as long as the context lasts; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = place.folder / f"{words[0]}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [BIN / "node", npm_tool("prism"), words[0], "-h", "127.0.0.1", "-p", str(port), *words[1:]],
            env=ENVIRONMENT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise Fault(f"prism does not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the child that serves
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
