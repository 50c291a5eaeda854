"""What was really answered: a line for every answer of a contract, in the file that `CONTRACT_COVERAGE` names.

For tests, which hold it against the specs (`tests/contracts/test_contract_coverage.py`) and start their servers so:
`python -m scripts.tools.contract_coverage`. Nothing that a client sent is written down but the name of its action,
once that was found to be one of the contract's. Of a body there is a digest, from which no token can be read.
"""

import hashlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.__main__ import main
from server.app import Layer
from server.contract.request import REQUEST, Request

FILE = "CONTRACT_COVERAGE"
"""Variable of the environment."""


class ContractCoverage:
    """Notes what was asked for, status, headers and body, and in what the answer would have broken the spec."""

    def __init__(self, app: ASGIApp, file: Path) -> None:
        self.app = app
        self.file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; note its answer before its body is sent, since a client goes on once it has that."""
        begun: list[Message] = []

        def note(body: bytes = b"") -> None:
            if begun and scope[REQUEST].contract:
                self.note(scope[REQUEST], begun.pop(), body)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun[:] = [message]
                if scope["method"] == "HEAD" or message["status"] == 204:
                    note()  # who reads no body may go on already
            else:
                note(b"" if message.get("more_body") else message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            note()  # of a body that ended before it began

    def note(self, request: Request, start: Message, body: bytes) -> None:
        """Append a line; one write, so that lines of several processes do not mix. body: empty if it is streamed."""
        headers = Headers(raw=start["headers"])
        media_type = headers.get("content-type", "").partition(";")[0] or None
        entry = {
            "contract": request.contract,
            "operation": request.operation,
            "action": request.action,
            "status": start["status"],
            "media_type": media_type,
            "headers": sorted(set(headers.keys())),
            "body": read_digest(media_type, body) if body else None,
            "breach": request.breach,
        }
        with self.file.open("ab", buffering=0) as file:
            file.write(orjson.dumps(entry) + b"\n")


def read_digest(media_type: str | None, body: bytes) -> str:
    """Return the digest of a body as it was sent."""
    return digest(orjson.loads(body) if media_type and media_type.endswith("json") else body.decode(errors="replace"))


def digest(value: Any) -> str:
    """Return what tells whether two bodies are equal to the word, in whatever order their members stand."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def layers() -> list[Layer]:
    """Return the layer that notes answers, where a file is named."""
    file = os.environ.get(FILE)
    return [partial(ContractCoverage, file=Path(file))] if file else []


def serve_command() -> list[str]:
    """Return what starts a server whose answers are noted, where a file is named."""
    return [sys.executable, "-m", "scripts.tools.contract_coverage" if os.environ.get(FILE) else "server"]


if __name__ == "__main__":
    main(layers(), sys.argv[1:])
