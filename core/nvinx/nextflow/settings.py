"""What holds for a process: its own directives, and above them what the configuration says. Pure.

As in Nextflow, from weak to strong: the process scope, the body, `withLabel`, `withName`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nvinx.nextflow.script import Process

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_EXT = re.compile(r"(?:^|[,\[])\s*(\w+)\s*:\s*([^,]+)")
_LABEL, _NAME = "withLabel:", "withName:"
_LISTS = ("ext", "label")
_NOTHING = {"", "null", "false", "0", "''", '""', "[]", "none"}


class Setting(Struct, frozen=True):
    """text: as written, a closure with its braces. origin: the body, a selector or the scope."""

    text: str
    origin: str

    @property
    def is_set(self) -> bool:
        return self.text.strip().lower() not in _NOTHING

    @property
    def is_fixed(self) -> bool:
        """Whether it is just a text, with nothing to compute."""
        return not self.text.lstrip().startswith("{") and "$" not in self.text


class Settings(Struct, frozen=True):
    """Of one process, under one of its names. where: its file and line."""

    name: str
    where: str
    labels: tuple[str, ...]
    directives: dict[str, Setting]
    ext: dict[str, Setting]
    body: str = ""

    def text(self, directive: str) -> str:
        found = self.directives.get(directive)
        return found.text if found is not None and found.is_set else ""


def of_process(process: Process, name: str, where: str, scope: Mapping[str, Any]) -> Settings:
    """name: its own, or the one that it is included as. scope: `process` of the configuration."""
    labels = tuple(_labels(process))
    layers = [
        ("the process scope", {k: v for k, v in scope.items() if not _is_selector(k)}),
        (where, _own(process)),
        *_selected(scope, _LABEL, labels),
        *_selected(scope, _NAME, dict.fromkeys((process.name, name))),
    ]
    directives: dict[str, Setting] = {}
    ext: dict[str, Setting] = {}
    for origin, said in layers:
        directives |= {k: Setting(_text(v), origin) for k, v in said.items() if k not in _LISTS}
        ext |= {k: Setting(_text(v), origin) for k, v in _ext(said).items()}
    return Settings(name, where, labels, directives, ext, process.body)


def _own(process: Process) -> dict[str, Any]:
    said: dict[str, Any] = {name: _literal(text) for name, text in process.directives}
    return said | {"ext": dict(_EXT.findall(", ".join(process.said("ext"))))}


def _labels(process: Process) -> Iterator[str]:
    for text in process.said("label"):
        for one, other in _QUOTED.findall(text):
            yield one or other


def _literal(text: str) -> str:
    """A quoted text without its quotes."""
    found = _QUOTED.fullmatch(text)
    return (found[1] or found[2] or "") if found else text


def _ext(said: Mapping[str, Any]) -> Mapping[str, Any]:
    found = said.get("ext")
    return found if isinstance(found, dict) else {}


def _selected(
    scope: Mapping[str, Any], kind: str, names: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for selector, said in scope.items():
        if selector.startswith(kind) and isinstance(said, dict):
            pattern = selector.removeprefix(kind).strip()
            if _selects(pattern, tuple(names)):
                yield selector, said


def _is_selector(key: str) -> bool:
    return key.startswith((_LABEL, _NAME))


def _selects(pattern: str, names: tuple[str, ...]) -> bool:
    if pattern.startswith("!"):
        return not _selects(pattern[1:], names)
    last = pattern.rpartition(":")[2]  # of a whole path, which the scripts alone do not tell
    return any(_fits(one, name) for one in (pattern, last) for name in names)


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return pattern == name


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)
