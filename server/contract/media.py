"""Bodies, parsed by what they are and not by what their label says.

Old clients label JSON as a form (`curl -d`, urllib), as text (`fetch`) or not at all, and forms as JSON. So a body that
begins with a brace is JSON, and where forms are read all else is one: multipart if it is labelled so.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from handlers.exceptions import BadRequest, Fault, UnsupportedMediaType
from server.contract.request import MOST_FIELDS, Query, Request

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CHARSET = re.compile(r'charset\s*=\s*"?([\w.:-]+)', re.IGNORECASE)
GB18030 = ("gbk", "gb2312", "gb18030", "cp936", "ms936", "x-gbk")
"""Names of what GB18030 holds whole; anything else is read as UTF-8, which labels get wrong more often than bodies."""


class BodyParser:
    """Parses the bodies of one operation.

    media: the media types that it declares; the first one is the usual. members: the names that it declares; others may
    be repeated, as nobody reads them.
    """

    def __init__(self, media: list[str], members: frozenset[str], most_deep: int) -> None:
        self.media = media
        self.members = members
        self.reads_forms = FORM in media
        self.most_deep = most_deep

    def parse(self, request: Request) -> Any:
        """Return the members of the body. Raises BadRequest, UnsupportedMediaType."""
        data = request.body.removeprefix(BYTE_ORDER_MARK)
        label = request.header(b"content-type") or ""
        media_type = label.partition(";")[0].strip().lower()
        named = CHARSET.search(label)
        charset = "gb18030" if named and named[1].lower() in GB18030 else "utf-8"
        begins = data.lstrip()[:1]
        if begins == b"{" or (not self.reads_forms and (begins == b"[" or self._is_json(media_type))):
            return _parse_json(data, charset, self.most_deep)
        if not self.reads_forms:
            raise UnsupportedMediaType
        if media_type == MULTIPART:
            return _parse_multipart(data, label, _Parts(charset, self.members))
        form = Query(data.decode("latin-1"), charset)
        return {name: form.one(name, first=name not in self.members) for name in form.values}

    def _is_json(self, media_type: str) -> bool:
        return not media_type or media_type in self.media or media_type.endswith("json")


def _parse_json(data: bytes, charset: str, most_deep: int) -> Any:
    try:
        value = orjson.loads(data if charset == "utf-8" else data.decode(charset))
    except orjson.JSONDecodeError:
        raise BadRequest(Fault("", "no-json")) from None
    except UnicodeDecodeError:
        raise BadRequest(Fault("", "encoding")) from None
    # hardly a body has so many brackets that it could be too deep
    if data.count(b"[") + data.count(b"{") > most_deep and _is_deeper(value, most_deep):
        raise BadRequest(Fault("", "too-deep"))
    return value


def _is_deeper(value: Any, most: int) -> bool:
    """Tell whether arrays and objects stand in each other more than so many deep."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inside is not None and (most == 0 or any(_is_deeper(item, most - 1) for item in inside))


class _Parts:
    """What the parser of multipart calls back for each part, and what came of it."""

    def __init__(self, charset: str, members: frozenset[str]) -> None:
        self.charset = charset
        self.members = members
        self.fields: dict[str, str] = {}
        self.headers: dict[bytes, bytes] = {}
        self.texts = {"field": b"", "header": b"", "data": b""}

    def callbacks(self) -> Any:
        """Return them under the parser's names."""
        return {
            "on_header_field": self._add("field"),
            "on_header_value": self._add("header"),
            "on_header_end": self.end_header,
            "on_part_data": self._add("data"),
            "on_part_end": self.end_part,
        }

    def _add(self, what: str) -> Callable[[bytes, int, int], None]:
        def add(data: bytes, start: int, end: int) -> None:
            self.texts[what] += data[start:end]

        return add

    def _take(self, what: str) -> bytes:
        taken, self.texts[what] = self.texts[what], b""
        return taken

    def end_header(self) -> None:
        """Note a header of the part."""
        self.headers[self._take("field").strip().lower()] = self._take("header")

    def end_part(self) -> None:
        """Note a field. Raises BadRequest."""
        options = parse_options_header(self.headers.pop(b"content-disposition", b""))[1]
        self.headers.clear()
        try:
            name = options[b"name"].decode(self.charset)
            value = self._take("data").decode(self.charset)
        except KeyError:
            raise BadRequest(Fault("", "no-form")) from None
        except UnicodeDecodeError:
            raise BadRequest(Fault("", "encoding")) from None
        if b"filename" in options:
            raise BadRequest(Fault(name, "file"))
        if name in self.fields and name in self.members:
            raise BadRequest(Fault(name, "repeated"))
        if len(self.fields) == MOST_FIELDS:
            raise BadRequest(Fault("", "many-fields", MOST_FIELDS))
        self.fields[name] = value


def _parse_multipart(data: bytes, label: str, parts: _Parts) -> dict[str, str]:
    """Return the fields of a multipart form. Raises BadRequest, also where a part is a file."""
    try:
        parser = MultipartParser(parse_options_header(label)[1].get(b"boundary", b""), parts.callbacks())
        parser.write(data)
        parser.finalize()
    except FormParserError:
        raise BadRequest(Fault("", "no-form")) from None
    return parts.fields
