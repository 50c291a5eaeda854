"""What handlers return, held against the spec and encoded: nothing is committed that the spec does not declare."""

import inspect
from typing import Any, NamedTuple

from connexion.middleware import response_validation as connexion
from connexion.operations import AbstractOperation

from handlers.exceptions import InternalServerError
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.request import Request
from server.contract.response import Encoded, Reply, encode, labelled, serialize
from server.contract.validation import Check, compile_schema


class Declared(NamedTuple):
    """A status with one of its media types. check: of the body, if it is to be checked. headers: of every answer."""

    check: Check | None
    headers: Encoded


class ResponseWriter:
    """Turns what the handlers of one operation return into answers that the spec declares."""

    def __init__(self, operation: AbstractOperation, checks: bool, common: dict[str, str], charset: str = "") -> None:
        self.common = encode(common | operation._operation.get("x-headers", {}))
        self.declared: dict[int, dict[str, Declared]] = {
            int(status): {
                media: Declared(
                    _body_check(content) if checks else None,
                    [*encode({"content-type": labelled(media, charset)}), *self.common],
                )
                for media, content in response.get("content", {}).items()
            }
            for status, response in operation.responses.items()
        }

        self.usual = {status: next(iter(media.values())) for status, media in self.declared.items() if media}

    def reply(self, result: Any, media_type: str | None = None) -> Reply:
        """Check and serialize a body, `(body, status)` or `(body, status, headers)`.

        media_type: where a status declares several; default: the header's, or the first declared.
        Raises InternalServerError.
        """
        if type(result) is tuple:
            body, status, headers = (*result, None)[:3]
        else:
            body, status, headers = result, 204 if result is None else 200, None
        media = self.declared.get(status)
        if media is None:
            raise InternalServerError(f"status {status} is not declared")
        if headers is None and media_type is None and status in self.usual:  # most answers: 1 µs
            check, all_headers = self.usual[status]
            wrong = check(body) if check else None
            if wrong is None:
                return Reply(status, all_headers, serialize(body))
        more = {name.lower(): value for name, value in headers.items()} if headers else {}
        if not media:
            if body is not None:
                raise InternalServerError(f"status {status} is declared without a body")
            return Reply(status, [*encode(more), *self.common], b"")
        given = more.pop("content-type", None)
        chosen = given.partition(";")[0] if given else media_type or next(iter(media))
        if chosen not in media:
            raise InternalServerError(f"status {status}: {chosen} is not declared")
        check, all_headers = media[chosen]
        wrong = check(body) if check else None
        if wrong:
            raise InternalServerError(f"status {status}: {wrong}")
        if given and given != chosen:
            all_headers = [*encode({"content-type": given}), *self.common]
        return Reply(status, [*encode(more), *all_headers] if more else all_headers, serialize(body))


Writers = dict[str | None, ResponseWriter]
"""What writes the answers of each operation; failures are written by it, too."""


def _body_check(content: dict[str, Any]) -> Check | None:
    """Compile the schema of a body; one of bytes has nothing to check."""
    schema = content["schema"]
    return None if schema.get("format") == "binary" else compile_schema(schema)


class ResponseValidationAPI(LayerAPI, connexion.ResponseValidationAPI):
    """The answers of one contract."""

    def __init__(self, *args: Any, writers: Writers, **options: Any) -> None:
        self.writers = writers
        super().__init__(*args, **options)

    def make_operation(self, operation: AbstractOperation) -> Step:
        """Return what calls the handler and checks its answer.

        Overridden: Connexion builds a validator for each answer and parses what was just serialized.
        """
        of_all = self.specification.get("x-headers", {}), self.specification.get("x-charset", "")
        writer = ResponseWriter(operation, self.validate_responses, *of_all)
        self.writers[operation.operation_id] = writer
        reply, function = writer.reply, operation.function
        parameters = inspect.signature(function).parameters
        takes_user, takes_credential = "user" in parameters, "credential" in parameters
        takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())

        def act(request: Request) -> Reply:
            given = request.arguments
            arguments = {name: given[name] for name in given if takes_all or name in parameters} if given else {}
            if takes_user:
                arguments["user"] = request.user
            if takes_credential:
                arguments["credential"] = request.credential
            return reply(function(**arguments))

        return act


class ResponseValidationMiddleware(LayerMiddleware, connexion.ResponseValidationMiddleware):
    """The innermost layer."""

    api_cls = ResponseValidationAPI
