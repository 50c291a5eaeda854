"""The log: JSON for machines, or lines for a person at a terminal. No address, header, body or secret stands in it."""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from select import PIPE_BUF
from typing import Any, TextIO

import orjson
from gunicorn import glogging
from pythonjsonlogger.orjson import OrjsonFormatter

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request in hand."""

OURS = ("rollbook", "gunicorn.error")
"""Loggers that follow the level that is set; others begin at warnings: below, libraries log parameters of queries."""

STDERR = 2


def _trace(error: Any) -> str:
    """Return where it was raised and its kind; its message may quote a secret."""
    kind, _, trace = error
    return f"{''.join(traceback.format_tb(trace))}{kind.__name__}"


class JsonFormatter(OrjsonFormatter):
    """One JSON object a line."""

    def __init__(self) -> None:
        super().__init__(["time", "level", "logger", "message", "request_id"], rename_fields={"exc_info": "trace"})

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the library's name
        """Return the trace without the message."""
        return _trace(ei)


class TextFormatter(logging.Formatter):
    """One readable line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(level)-7s %(logger)s: %(message)s%(mark)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the trace below it."""
        request_id = getattr(record, "request_id", None)
        record.mark = f" id={request_id}" if request_id else ""
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the library's name
        """Return the trace without the message."""
        return _trace(ei)


def _complete(record: logging.LogRecord) -> bool:
    """Add what every line says, under the names of the request log."""
    record.time = datetime.fromtimestamp(record.created, UTC)
    record.level = record.levelname.lower()
    record.logger = record.name
    record.request_id = REQUEST_ID.get()
    return True


def make_handler(stream: TextIO) -> logging.Handler:
    """Return what writes records: for a person where the stream is a terminal."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if stream.isatty() else JsonFormatter())
    handler.addFilter(_complete)
    return handler


def configure(level: str) -> None:
    """Send all logs to stderr."""
    logging.basicConfig(handlers=[make_handler(sys.stderr)], level=logging.WARNING, force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of what clients get wrong


class GunicornLog(glogging.Logger):
    """Gunicorn's logger, without handlers of its own."""

    def setup(self, cfg: Any) -> None:
        """Leave all to the root logger."""
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True


Line = dict[str, Any]
"""What is told of a request."""


def line_renderer() -> Callable[[Line], bytes]:
    """Return what makes a line of the log of a request.

    It passes the logging library by: a record and its formatter take five times as long, for every single request.
    """
    return _as_text if sys.stderr.isatty() else _as_json


def _as_json(line: Line) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _as_text(line: Line) -> bytes:
    what = ".".join(line[name] for name in ("contract", "operation", "action") if line[name])
    marks = "".join(f" {name}={line[name]}" for name in ("account", "limit") if line.get(name) is not None)
    told = f"{line['status'] or 'cut'} {line['duration_ms']} ms{marks} id={line['request_id']}"
    return f"{line['time'].astimezone():%H:%M:%S} {line['level']:<7} {what or 'page'} {told}\n".encode()


def write(lines: Iterable[bytes]) -> None:
    """Write lines, as many at once as a pipe takes in one piece, so that those of several workers do not mix."""
    with suppress(OSError):  # who reads the log may go away; requests are served all the same
        piece = b""
        for line in lines:
            if len(piece) + len(line) > PIPE_BUF:
                os.write(STDERR, piece)
                piece = b""
            piece += line
        if piece:
            os.write(STDERR, piece)
