"""Requests written down for curl, Python and TypeScript."""

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from scripts.tools.docs.scenarios import Step, Var

WIDTH = 86
BASE = "http://127.0.0.1:8000"
PLAIN = re.compile(r"[\w.,~-]*", re.ASCII)


@dataclass(frozen=True)
class Request:
    """A request in no language.

    path: with values between braces, `{value}` or `{$name}`. signs: the action that is signed, or empty.
    status, content: what comes back.
    """

    method: str
    path: str
    query: dict[str, Any]
    headers: dict[str, Any]
    body: dict[str, Any] | None
    form: bool
    status: int
    content: Any
    signs: str
    step: Step

    @property
    def is_text(self) -> bool:
        """Tell whether the answer is a page."""
        return isinstance(self.content, str) and self.content.startswith("<")


class Language(ABC):
    """A language: name of its code blocks, label of its tabs, ending of its files."""

    name: str
    label: str
    ending: str
    comment: str

    @abstractmethod
    def prelude(self, base_path: str, names: list[str]) -> str:
        """Return what comes before the first snippet."""

    @abstractmethod
    def write(self, request: Request) -> str:
        """Return a request as code."""


class Shell(Language):
    """curl, in a shell."""

    name, label, ending, comment = "sh", "curl", "sh", "#"

    def prelude(self, base_path: str, names: list[str]) -> str:
        """Return the address."""
        return f"base={BASE}{base_path}\n"

    def write(self, request: Request) -> str:
        """Return calls of curl, and of grep where something is kept."""
        lines = [f"read -rp '{question}' {name}" for name, question in request.step.asks.items()]
        if request.signs:
            lines.append(f"sign {request.signs}")
        call = _wrap(self._words(request))
        if not request.step.keep:
            return "\n".join([*lines, call])
        lines += [f"answer=$({call})", 'echo "$answer"']
        for name, pointer in request.step.keep.items():
            key = pointer.rpartition("/")[2]
            number = isinstance(_point(request.content, pointer), int)
            value, cut = ("[0-9]*", "cut -d: -f2") if number else ('"[^"]*"', "cut -d'\"' -f4")
            lines.append(f'{name}=$(echo "$answer" | grep -o \'"{key}":{value}\' | head -1 | {cut})')
        return "\n".join(lines)

    def _words(self, request: Request) -> list[str]:
        """Return a command, cut where a line may end."""
        step = request.step
        flags = "-s" + ("i" if request.content is None else "")
        path = re.sub(r"\{(\$?)([^}]*)\}", lambda found: f"${found[2]}" if found[1] else quote(found[2]), request.path)
        in_url = request.body is not None or request.method != "GET"
        query = "&".join(f"{name}={_in_url(value)}" for name, value in request.query.items())
        url = f"$base{path}" + (f"?{query}" if query and in_url else "")
        url = url if PLAIN.fullmatch(url.replace("$base", "").replace("/", "")) else f'"{url}"'
        get = "G" if request.query and not in_url else ""
        method = "" if request.method == "GET" or (request.method == "POST" and request.body) else request.method
        words = [f"curl {flags}{get}" + (f" -X {method}" if method else "") + f" {url}"]
        if step.opens:
            words.append(f"-c {step.opens}.jar")
        if step.person:
            words.append(f"-b {step.person}.jar")
        words += [_quote("-H", f"{name}: ", value) for name, value in request.headers.items()]
        if get:
            words += [_data(name, value) for name, value in request.query.items()]
        if request.signs:
            words += ["-d accessid=openapiuser", '-d "expires=$expires"', '--data-urlencode "signature=$signature"']
        if request.body is not None and request.form:
            words += [_data(name, value) for name, value in request.body.items()]
        elif request.body is not None:
            named = _named(request.body)
            text = json.dumps(named, ensure_ascii=False)
            text = json.dumps(named, ensure_ascii=False, indent=2) if len(text) > WIDTH else text
            text = re.sub(r'"\$(\w+)"', lambda found: f"\"'${found[1]}'\"", text)
            words.append(f"--json '{text}'")
        return words


def _wrap(words: list[str]) -> str:
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > WIDTH:
            lines.append("  " + word)
        else:
            lines[-1] += f" {word}"
    return " \\\n".join(lines)


def _in_url(value: Any) -> str:
    return f"${value.name}" if isinstance(value, Var) else quote(str(value), safe="")


def _data(name: str, value: Any) -> str:
    if isinstance(value, Var):
        return f'-d "{name}=${value.name}"'
    option = "-d" if PLAIN.fullmatch(str(value)) else "--data-urlencode"
    return _quote(option, f"{name}=", value)


def _quote(option: str, before: str, value: Any) -> str:
    if isinstance(value, Var):
        return f'{option} "{before}${value.name}"'
    text = f"{before}{value}"
    return f"{option} {text}" if PLAIN.fullmatch(text.replace("=", "")) else f"{option} '{text}'"


def _named(value: Any) -> Any:
    """Return a body with `$name` in the place of what was kept."""
    if isinstance(value, dict):
        return {name: _named(item) for name, item in value.items()}
    return f"${value.name}" if isinstance(value, Var) else value


class Python(Language):
    """Python, with httpx2."""

    name, label, ending, comment = "python", "Python", "py", "#"

    def prelude(self, base_path: str, names: list[str]) -> str:
        """Return the client."""
        return f'import httpx2\n\nclient = httpx2.Client(base_url="{BASE}{base_path}")\n'

    def write(self, request: Request) -> str:
        """Return a call of the client."""
        step = request.step
        lines = [f"{name} = input({self._value(question)})" for name, question in step.asks.items()]
        client = step.opens or step.person or "client"
        if step.opens:
            lines.append(f"{client} = httpx2.Client(base_url=base)")
        path, kept = _path(request.path, "{{{}}}")
        arguments = [f"{'f' if kept else ''}{self._value(path)}"]
        signature = [f'**sign("{request.signs}")'] if request.signs else []
        arguments += self._named("params", request.query, signature)
        arguments += self._named("headers", request.headers)
        if request.body is not None:
            arguments += self._named("data" if request.form else "json", request.body)
        call = f"response = {client}.{request.method.lower()}"
        one_line = f"{call}({', '.join(arguments)})"
        lines.append(one_line if len(one_line) <= WIDTH else f"{call}(\n" + self._apart(arguments) + ")")
        shown = ", response.text" if request.is_text else ", response.json()"
        lines.append(f"print(response.status_code{'' if request.content is None else shown})")
        for name, pointer in step.keep.items():
            steps = "".join(f"[{key if key.isdigit() else self._value(key)}]" for key in pointer.split("/")[1:])
            lines.append(f"{name} = response.json(){steps}")
        return "\n".join(lines)

    def _named(self, name: str, values: dict[str, Any], more: list[str] | None = None) -> list[str]:
        """Return a dict as an argument, on lines of its own if it is long."""
        items = [f"{self._value(key)}: {self._value(value)}" for key, value in values.items()] + (more or [])
        if not items:
            return []
        one_line = f"{name}={{{', '.join(items)}}}"
        if len(one_line) <= WIDTH - 4:
            return [one_line]
        return [f"{name}={{\n" + self._apart(items) + "}"]

    def _apart(self, items: list[str]) -> str:
        return "".join(f"    {item.replace(chr(10), chr(10) + '    ')},\n" for item in items)

    def _value(self, value: Any) -> str:
        return value.name if isinstance(value, Var) else json.dumps(value, ensure_ascii=False)


class TypeScript(Language):
    """TypeScript, with fetch."""

    name, label, ending, comment = "typescript", "TypeScript", "mts", "//"

    def prelude(self, base_path: str, names: list[str]) -> str:
        """Return the address, and declare what is kept."""
        kept = "".join(f", {name}: string" for name in names)
        return (
            f'const base = "{BASE}{base_path}";\nlet query: URLSearchParams, response: Response, answer: any{kept};\n'
        )

    def write(self, request: Request) -> str:
        """Return a call of fetch."""
        step = request.step
        lines = [f"{name} = await ask({self._value(question)});" for name, question in step.asks.items()]
        path, _ = _path(request.path, "${{{}}}")
        url = f"`${{base}}{path}`"
        if request.query:
            signature = [f'...sign("{request.signs}")'] if request.signs else []
            texts = {name: value if isinstance(value, Var) else str(value) for name, value in request.query.items()}
            lines.append(f"query = new URLSearchParams({self._object(texts, signature)});")
            url = f"`${{base}}{path}?${{query}}`"
        options = self._options(request)
        if not options:
            lines.append(f"response = await fetch({url});")
        else:
            one_line = f"response = await fetch({url}, {{ {', '.join(options)} }});"
            apart = "".join(f"  {option.replace(chr(10), chr(10) + '  ')},\n" for option in options)
            long = len(one_line) > WIDTH
            lines.append(f"response = await fetch({url}, {{\n{apart}}});" if long else one_line)
        if request.content is None:
            lines.append("console.log(response.status);")
        elif request.is_text:
            lines.append("console.log(response.status, await response.text());")
        elif step.keep:
            lines += ["answer = await response.json();", "console.log(response.status, answer);"]
        else:
            lines.append("console.log(response.status, await response.json());")
        for name, pointer in step.keep.items():
            keys = "".join(f"[{key}]" if key.isdigit() else f".{key}" for key in pointer.split("/")[1:])
            lines.append(f"{name} = answer{keys};")
        if step.opens:
            lines.append(f"{step.opens} = cookie(response);")
        return "\n".join(lines)

    def _options(self, request: Request) -> list[str]:
        """Return the options of fetch."""
        options = [] if request.method == "GET" else [f'method: "{request.method}"']
        headers = dict(request.headers)
        if request.body is not None and not request.form:
            headers["Content-Type"] = "application/json"
        if request.step.person:
            headers["Cookie"] = Var(request.step.person)
        if headers:
            options.append(f"headers: {self._object(headers)}")
        if request.body is not None:
            written = self._object(request.body)
            options.append(f"body: {'new URLSearchParams' if request.form else 'JSON.stringify'}({written})")
        return options

    def _object(self, values: dict[str, Any], more: list[str] | None = None) -> str:
        """Return an object, on lines of its own if it is long."""
        items = [self._item(name, value) for name, value in values.items()] + (more or [])
        one_line = f"{{ {', '.join(items)} }}"
        if len(one_line) <= WIDTH - 24:
            return one_line
        return "{\n" + "".join(f"  {item},\n" for item in items) + "}"

    def _item(self, name: str, value: Any) -> str:
        if isinstance(value, Var) and value.name == name:
            return name
        key = name if name.isidentifier() else self._value(name)
        return f"{key}: {self._value(value)}"

    def _value(self, value: Any) -> str:
        return value.name if isinstance(value, Var) else json.dumps(value, ensure_ascii=False)


LANGUAGES: list[Language] = [Shell(), Python(), TypeScript()]


def _path(path: str, hole: str) -> tuple[str, bool]:
    """Return a path with values written out, and a hole where one was kept."""
    kept = "{$" in path
    filled = re.sub(r"\{(\$?)([^}]*)\}", lambda f: hole.format(f[2]) if f[1] else quote(f[2]), path)
    return filled, kept


def _point(value: Any, pointer: str) -> Any:
    """Return what a JSON pointer finds."""
    for key in pointer.split("/")[1:]:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value
