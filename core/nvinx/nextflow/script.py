"""The processes of a Nextflow script, with their directives as they are written. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROCESS = re.compile(r"^[ \t]*process\s+(\w+)\s*\{", re.MULTILINE)
_SECTION = re.compile(r"^[ \t]*(?:input|output|when|script|shell|exec|stub|topic|stage)\s*:", re.M)
_INCLUDE = re.compile(r"^[ \t]*include\s*\{(.*?)\}\s*from\s*(['\"])(.+?)\2", re.M | re.S)
_NAME = re.compile(r"(\w+)(?:\s+as\s+(\w+))?")
_DIRECTIVE = re.compile(r"^[ \t{;]*([a-z]\w*)[ \t]*(?=[\s('\"{\[\w-])", re.MULTILINE)
_TOKEN = re.compile(
    r"(?P<text>'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\")"
    r"|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<open>[{(\[])|(?P<close>[})\]])|(?P<end>[\n;])",
    re.DOTALL,
)


class Process(Struct, frozen=True):
    """directives: name and text of each. body: all of the process, without comments."""

    name: str
    line: int
    directives: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def said(self, directive: str) -> list[str]:
        """Texts of this directive."""
        return [text for name, text in self.directives if name == directive]


class Include(Struct, frozen=True):
    """A script that another includes. names: of its processes, there and here."""

    source: str
    names: tuple[tuple[str, str], ...] = ()


def processes(text: str) -> Iterator[Process]:
    """Each process of a script."""
    plain = _without_comments(text)
    for found in _PROCESS.finditer(plain):
        body = plain[found.end() : _end_of_block(plain, found.end())]
        section = _SECTION.search(body)
        head = body[: section.start()] if section else body
        line = plain.count("\n", 0, found.start(1)) + 1
        yield Process(found[1], line, tuple(_directives(head)), body)


def includes(text: str) -> Iterator[Include]:
    """Each script that is included."""
    for names, _, source in _INCLUDE.findall(_without_comments(text)):
        called = ((name, alias or name) for name, alias in _NAME.findall(names))
        yield Include(source, tuple(called))


def _directives(head: str) -> Iterator[tuple[str, str]]:
    for statement in _statements(head):
        if found := _DIRECTIVE.match(statement):
            yield found[1], _unwrapped(statement[found.end() :].strip())


def _statements(head: str) -> Iterator[str]:
    """Texts that end with a line, or a semicolon, where nothing is left open or after a comma."""
    begun = depth = 0
    for token in _TOKEN.finditer(head):
        depth += bool(token["open"]) - bool(token["close"])
        is_whole = depth <= 0 and not head[begun : token.start()].endswith(",")
        if token["end"] and is_whole:
            yield head[begun : token.start()]
            begun = token.end()
    yield head[begun:]


def _unwrapped(text: str) -> str:
    """Without the brackets of a call."""
    is_call = text.startswith("(") and _end_of_block(text, 1) == len(text) - 1
    return text[1:-1].strip() if is_call else text


def _without_comments(text: str) -> str:
    """As long as before, in lines."""
    return _TOKEN.sub(lambda t: "\n" * t[0].count("\n") if t["comment"] else t[0], text)


def _end_of_block(text: str, begin: int) -> int:
    """Where the bracket closes that was opened before `begin`; the end where none does."""
    depth = 1
    for token in _TOKEN.finditer(text, begin):
        depth += bool(token["open"]) - bool(token["close"])
        if not depth:
            return token.start()
    return len(text)
