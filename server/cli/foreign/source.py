"""A file that another system left: JSON, a table as CSV or TSV, a dump in SQL, or a database of SQLite."""

import codecs
import csv
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from server.cli.failure import Refused

Row = dict[str, Any]

SQLITE = b"SQLite format 3\0"
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""Excel writes the first before CSV, PowerShell the second where it redirects."""
ENCODINGS = ("utf-8", "gb18030")
"""What a file without a mark is tried as: Excel in China writes GBK."""
PIECE = 1_048_576
"""Bytes that are looked at in one go."""
NAME = r'(?:[`"\w]+\.)?[`"]?(?P<table>\w+)[`"]?'
COPY = re.compile(rf"COPY {NAME} \((?P<columns>[^)]*)\) FROM stdin;")
INSERT = re.compile(rf"INSERT INTO {NAME}\s*(?:\((?P<columns>[^)]*)\))?\s*VALUES\s*", re.IGNORECASE)
CREATE = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{NAME} \(", re.IGNORECASE)
COLUMN = re.compile(r'\s+[`"](\w+)[`"] ')
LITERAL = re.compile(
    r"\s*(?:(?P<end>\))|(?P<start>\()|,|;|'(?P<text>(?:[^'\\]|\\.|'')*)'|(?P<bare>[^\s,()';]+))", re.DOTALL
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "Z": "\x1a"}


class Source:
    """What is in the file, by record or by table."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with file.open("rb") as opened:
            self._head = opened.read(4_096)

    @cached_property
    def is_database(self) -> bool:
        """Tell whether it is a database of SQLite."""
        return self._head.startswith(SQLITE)

    @cached_property
    def is_json(self) -> bool:
        """Tell whether it looks like JSON, or JSON Lines."""
        return self._head.decode(self.encoding, "ignore").lstrip("\ufeff \t\r\n")[:1] in ("{", "[")

    @cached_property
    def is_dump(self) -> bool:
        """Tell whether it looks like a dump in SQL."""
        text = self._head.decode(self.encoding, "ignore").lstrip()
        return text.startswith(("--", "/*", "SET ", "COPY ", "INSERT ", "CREATE ", "BEGIN", "PRAGMA "))

    @cached_property
    def encoding(self) -> str:
        """Return the encoding of a text. Raises Refused."""
        marked = next((name for mark, name in BOMS.items() if self._head.startswith(mark)), None)
        if marked or self._head.startswith(SQLITE):
            return marked or "latin-1"
        for encoding in ENCODINGS:
            decoder = codecs.getincrementaldecoder(encoding)()
            try:
                with self.file.open("rb") as pieces:
                    while piece := pieces.read(PIECE):
                        decoder.decode(piece)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                continue
            return encoding
        raise Refused(f"{self.file}: neither text in UTF-8, UTF-16 or GB 18030, nor a database of SQLite")

    @cached_property
    def document(self) -> Any:
        """Return the JSON value; JSON Lines are the array of its lines. It is read whole. Raises Refused."""
        text = self.file.read_text(self.encoding)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            try:
                return [orjson.loads(line) for line in text.split("\n") if line.strip()]
            except orjson.JSONDecodeError:
                raise Refused(f"{self.file}: not JSON: {error.msg}") from None

    @cached_property
    def records(self) -> list[Row]:
        """Return the objects of a JSON file: of an array, of an array in an object (such as `users`), or one."""
        found = self.document
        if isinstance(found, dict):
            found = next((found[name] for name in ("users", "identities", "items") if name in found), [found])
        return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []

    @cached_property
    def tables(self) -> frozenset[str]:
        """Return the names of its tables; a file of one table without a name has none."""
        if self.is_database:
            with closing(self._connect()) as store:
                return frozenset(name for (name,) in store.execute("SELECT name FROM sqlite_master"))
        if self.is_json or not self.is_dump:
            return frozenset()
        return frozenset(match["table"] for line in self._lines() for match in [_statement(line)] if match)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Return what the first record, or the head of a table without a name, calls its values."""
        if self.is_database or (self.is_dump and not self.is_json):
            return frozenset()
        return frozenset(next(self.rows(), {}))

    def rows(self, *tables: str) -> Iterator[Row]:
        """Yield the rows of the first of these tables that is there, or of the one that has no name."""
        if self.is_database:
            yield from self._stored(next(name for name in tables if name in self.tables))
        elif self.is_json:
            yield from self.records
        elif self.is_dump:
            yield from self._dumped(next(name for name in tables if name in self.tables))
        else:
            yield from self._listed()

    def _connect(self) -> sqlite3.Connection:
        """Open the database as it is, without writing beside it."""
        return sqlite3.connect(f"{self.file.absolute().as_uri()}?mode=ro", uri=True)

    def _lines(self) -> Iterator[str]:
        with self.file.open(encoding=self.encoding, newline="\n") as lines:
            yield from lines

    def _stored(self, table: str) -> Iterator[Row]:
        with closing(self._connect()) as store:
            store.row_factory = sqlite3.Row
            yield from map(dict, store.execute(f'SELECT * FROM "{table}"'))  # noqa: S608  # a table that is there

    def _listed(self) -> Iterator[Row]:
        """Yield the rows of CSV, or of TSV as `mysql --batch` writes it."""
        with self.file.open(encoding=self.encoding, newline="") as lines:
            head = lines.readline()
            mark = max(",;\t", key=head.count)
            lines.seek(0)
            quoting = {"quoting": csv.QUOTE_NONE} if mark == "\t" and '"' not in head else {}
            table = csv.reader(lines, delimiter=mark, **quoting)  # type: ignore[arg-type]  # a constant of the module
            names = [name.strip().lower() for name in next(table, [])]
            for values in table:
                if quoting:
                    values = [_unescape(value) or "" for value in values]  # noqa: PLW2901  # the same ones, read
                yield {name: None if value in ("", None) else value for name, value in zip(names, values, strict=False)}

    def _dumped(self, table: str) -> Iterator[Row]:
        """Yield the rows of a table that pg_dump, mysqldump or sqlite3 wrote."""
        columns: list[str] = []
        lines = self._lines()
        is_mysql = b"`" in self._head or b"MySQL" in self._head or b"MariaDB" in self._head
        for line in lines:
            found = _statement(line)
            if found is None or found["table"] != table:
                continue
            if found.re is CREATE:
                columns = _columns(lines, line)
                continue
            named = found["columns"]
            columns = [name.strip(' `"') for name in named.split(",")] if named else columns
            if not columns:
                raise Refused(
                    f"{self.file}: does not say what the columns of {table} are (mysqldump --complete-insert)"
                )
            if found.re is COPY:
                for values in iter(lines.__next__, "\\.\n"):
                    cells = values.rstrip("\n").split("\t")
                    yield dict(
                        zip(columns, (None if cell == "\\N" else _unescape(cell) for cell in cells), strict=False)
                    )
            else:
                for tuple_ in _tuples(line[found.end() :], lines, is_mysql):
                    yield dict(zip(columns, tuple_, strict=False))


def _statement(line: str) -> re.Match[str] | None:
    return COPY.match(line) or INSERT.match(line) or CREATE.match(line)


def _columns(lines: Iterator[str], line: str) -> list[str]:
    """Return the columns that a statement creates, each on a line of its own."""
    names = []
    while not line.rstrip().endswith(";"):
        line = next(lines, ";")
        if found := COLUMN.match(line):
            names.append(found[1])
    return names


def _tuples(text: str, lines: Iterator[str], has_escapes: bool) -> Iterator[list[str | None]]:
    """Yield the tuples of VALUES; text may go on in the lines that follow."""
    values: list[str | None] = []
    place = 0
    while True:
        found = LITERAL.match(text, place)
        if found is None or (found["text"] is not None and text[found.end() :] == ""):
            more = next(lines, None)
            if more is None:
                return
            text, place = text[place:] + more, 0
            continue
        place = found.end()
        if found["start"]:
            values = []
        elif found["end"]:
            yield values
        elif found["text"] is not None:
            plain = found["text"].replace("''", "'")
            values.append(_unescape(plain) if has_escapes else plain)
        elif found["bare"]:
            values.append(None if found["bare"].upper() == "NULL" else found["bare"])
        elif found[0].endswith(";"):
            return


def _unescape(text: str) -> str | None:
    """Read a cell as databases write it."""
    if text == "NULL":
        return None
    return (
        re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL) if "\\" in text else text
    )
