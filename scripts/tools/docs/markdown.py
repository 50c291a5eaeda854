"""Small pieces of Markdown that the generated pages are made of."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST_LINE = 88


def block(language: str, code: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{code.rstrip()}\n```"


def tabs(parts: Iterable[tuple[str, str]]) -> str:
    """Return tabs: label and what is under it."""
    return "\n\n".join(f'=== "{label}"\n\n{indent(text)}' for label, text in parts)


def normalize(kind: str, title: str, text: str, is_open: bool = False) -> str:
    """Return what can be folded up."""
    return f'???{"+" if is_open else ""} {kind} "{title}"\n\n{indent(text)}'


def indent(text: str) -> str:
    """Return text as the content of a tab or a normalize."""
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; line breaks and bars in cells are kept from ending them."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def as_json(value: Any) -> str:
    """Return a value as JSON, on one line if it is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= LONGEST_LINE else json.dumps(value, ensure_ascii=False, indent=2)


def code(value: Any) -> str:
    """Return a value as JSON within a line."""
    text = json.dumps(value, ensure_ascii=False)
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
