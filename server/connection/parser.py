"""What comes in on a connection, read as requests."""

import re

from gunicorn.asgi.parser import PythonProtocol

NOT_ASCII = re.compile(rb"[\x80-\xff]")
METHODS = frozenset([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
ABSOLUTE = re.compile(rb"https?://([^/?]+)", re.IGNORECASE)
FIELDS = rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*)"
"""Header fields that nothing is wrong with (RFC 9110, 5.5 and 5.6.2)."""
HEADER = re.compile(FIELDS)
PLAIN = re.compile(rb"(GET|HEAD) (/[\x21-\x7e]*) HTTP/1\.1\r\n" + FIELDS + rb"\r\n")
"""A whole request without a body."""
MEANING = frozenset((b"connection", b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"te", b"trailer"))
"""Fields that say how a request is to be read: what has one, gunicorn reads."""


class Parser(PythonProtocol):
    """gunicorn's parser, for clients that put Chinese into a URL as it is (PHP's curl), or a whole URL there.

    host: what the line names, which then counts and not the header (RFC 9112 section 3.2.2).
    gunicorn looks at each byte of a header in Python: 25 µs of a request of two fields, a multiple of that of a
    browser's ten. Here what has come in whole is looked at by one regular expression, 5 µs; what that does not match,
    gunicorn reads as before, and says what is wrong.
    """

    _state: str
    path: bytes
    host: bytes | None = None

    def feed(self, data: bytes) -> None:
        """Read what came in: a plain request at once."""
        whole = PLAIN.fullmatch(data) if self._state == "request_line" and not self._buffer else None
        headers = self._fields(whole[3]) if whole and len(data) <= self._limit_request_line else None
        if whole is None or headers is None or not MEANING.isdisjoint(dict(headers)):
            super().feed(data)
            return
        self.method, self.path, self.http_version, self.headers = whole[1], whole[2], (1, 1), headers
        self.host = None
        self._on_headers_complete()
        self._state, self.is_complete = "complete", True
        self._on_message_complete()

    def _fields(self, block: bytes) -> list[tuple[bytes, bytes]] | None:
        """Return the fields of a header, as gunicorn has them; None where it is to read them itself."""
        lines = block.split(b"\r\n")[:-1]
        if len(lines) > self._limit_request_fields or len(block) > self._limit_request_field_size:
            return None
        fields = [(name.lower(), value.strip(b" \t")) for name, _, value in [line.partition(b":") for line in lines]]
        return fields if len(dict(fields)) == len(fields) else None

    def _parse_headers(self) -> bool:
        """Read the header of a request with a body, or with more."""
        end = self._buffer.find(b"\r\n\r\n") + 2
        block = bytes(self._buffer[:end])
        fields = self._fields(block) if end > 2 and not self._header_count and HEADER.fullmatch(block) else None
        if fields is None:
            whole: bool = super()._parse_headers()
            return whole
        del self._buffer[: end + 2]
        self._scan_from = 0
        self._headers_list = fields
        self._finalize_headers()
        return True

    def _is_valid_method(self, method: bytes) -> bool:
        return method in METHODS or bool(super()._is_valid_method(method))

    def _parse_request_line(self) -> bool:
        """Read the line as if what is not ASCII in it were percent-encoded, and the URL only its path."""
        end = self._buffer.find(b"\r\n")
        if end > 0 and not self._buffer[:end].isascii():
            self._buffer[:end] = NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], bytes(self._buffer[:end]))
            self._scan_from = 0
        whole: bool = super()._parse_request_line()
        absolute = ABSOLUTE.match(self.path) if whole else None
        self.host = absolute and absolute[1]
        if absolute:
            target = self.path[absolute.end() :]
            self.path = target if target.startswith(b"/") else b"/" + target
        return whole
