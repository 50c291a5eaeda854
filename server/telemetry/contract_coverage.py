"""What was really answered: a line for every answer of a contract, where `ROLLBOOK_CONTRACT_COVERAGE` names a file.

For tests, which hold it against the specs (`tests/contracts/test_contract_coverage.py`). Nothing that a client sent
is written down but the name of its action, once that was found to be one of the contract's.
"""

from pathlib import Path

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.contract.request import REQUEST, Request


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
