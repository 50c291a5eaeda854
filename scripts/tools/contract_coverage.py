"""What was really answered: a line for every answer of a contract, in the file that `CONTRACT_COVERAGE` names.

For tests, which hold it against the specs (`tests/contracts/test_contract_coverage.py`) and start their servers so:
`python -m scripts.tools.contract_coverage`. Nothing that a client sent is written down but the name of its action,
once that was found to be one of the contract's.
"""

import os
import sys
from functools import partial
from pathlib import Path

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.__main__ import main
from server.app import Layer
from server.contract.request import REQUEST, Request

FILE = "CONTRACT_COVERAGE"
"""Variable of the environment."""


class ContractCoverage:
    """Notes contract, operation, action, status and media type, and in what the answer would have broken the spec."""

    def __init__(self, app: ASGIApp, file: Path) -> None:
        self.app = app
        self.file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; note its answer as it begins."""

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start" and scope[REQUEST].contract:
                self.note(scope[REQUEST], message)
            await send(message)

        await self.app(scope, receive, send_and_note)

    def note(self, request: Request, start: Message) -> None:
        """Append a line; one write, so that lines of several processes do not mix."""
        entry = {
            "contract": request.contract,
            "operation": request.operation,
            "action": request.action,
            "status": start["status"],
            "media_type": Headers(raw=start["headers"]).get("content-type", "").partition(";")[0] or None,
            "breach": request.breach,
        }
        with self.file.open("ab", buffering=0) as file:
            file.write(orjson.dumps(entry) + b"\n")


def layers() -> list[Layer]:
    """Return the layer that notes answers, where a file is named."""
    file = os.environ.get(FILE)
    return [partial(ContractCoverage, file=Path(file))] if file else []


def serve_command() -> list[str]:
    """Return what starts a server whose answers are noted, where a file is named."""
    return [sys.executable, "-m", "scripts.tools.contract_coverage" if os.environ.get(FILE) else "server"]


if __name__ == "__main__":
    main(layers(), sys.argv[1:])
