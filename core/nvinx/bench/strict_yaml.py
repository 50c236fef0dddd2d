"""YAML read strictly: every value knows the line it stands on, so that a mistake can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from nvinx.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LARGEST_GB = 1e6
_LARGEST = 1e15  # of any number: sizes and times in smaller units must stay countable


class At(Struct, frozen=True):
    """A value of the file and the line it stands on; lists and mappings hold more of them."""

    path: str
    line: int
    value: Any

    def error(self, problem: str, fix: str) -> BenchError:
        return BenchError(self.path, self.line, problem, fix)


class Table(Struct, frozen=True):
    """A mapping whose keys are known; a key that is not there reads as None."""

    at: At
    what: str
    entries: Mapping[str, At]

    def gb(self, key: str) -> float | None:
        value = self.number(key, "write GB as a number without quotes or unit, such as 4 or 4.5")
        if value is not None and not value <= _LARGEST_GB:
            at = self.entries[key]
            raise at.error(
                f"{key} is {at.value}, which is not a size in GB", "write a number of GB"
            )
        return value

    def number(self, key: str, fix: str = "write a number such as 1.5") -> float | None:
        at = self.entries.get(key)
        if at is None:
            return None
        if isinstance(at.value, bool) or not isinstance(at.value, int | float):
            raise at.error(f"{key} is {shown(at)}, not a number", fix)
        if at.value < 0:
            raise at.error(f"{key} is negative ({at.value})", "write 0 or more")
        if not at.value <= _LARGEST:
            raise at.error(f"{key} is {at.value}, which is not a size, time or factor", fix)
        return float(at.value)

    def count(self, key: str) -> int | None:
        at = self.entries.get(key)
        if at is None:
            return None
        if isinstance(at.value, bool) or not isinstance(at.value, int):
            raise at.error(f"{key} is {shown(at)}, not a whole number", "write a number such as 8")
        if at.value < 1:
            raise at.error(f"{key} is {at.value}", "write 1 or more, or leave the line out")
        return at.value

    def flag(self, key: str) -> bool:
        at = self.entries.get(key)
        if at is None:
            return False
        if not isinstance(at.value, bool):
            raise at.error(f"{key} is {shown(at)}, not true or false", "write `true` or `false`")
        return at.value

    def text(self, key: str) -> str | None:
        at = self.entries.get(key)
        if at is None:
            return None
        if not isinstance(at.value, str) or not at.value:
            raise at.error(f"{key} is {shown(at)}, not a text", "write a text, in quotes")
        return at.value

    def items(self, key: str) -> list[At]:
        at = self.entries.get(key)
        if at is None or at.value is None:
            return []
        if not isinstance(at.value, list):
            fix = f"start each entry under `{key}:` with a dash"
            raise at.error(f"{key} is {shown(at)}, not a list", fix)
        return at.value


def table(at: At, what: str, keys: tuple[str, ...], needed: tuple[str, ...] = ()) -> Table:
    if at.value is None and not needed:
        return Table(at, what, {})
    if not isinstance(at.value, dict):
        fix = f"write `key: value` lines, with keys such as {', '.join(keys[:3])}"
        raise at.error(f"{what} is {shown(at)}, not a mapping", fix)
    for key, entry in at.value.items():
        if key not in keys:
            raise entry.error(f"{what} has no key {key!r}", suggestion(str(key), keys))
    for key in needed:
        if key not in at.value:
            raise at.error(f"{what} lacks {key}", f"add a line `{key}: ...` to it")
    return Table(at, what, at.value)


def suggestion(word: str, known: tuple[str, ...] | list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word.lower(), known, 1)
    return f"write {close[0]}" if close else f"write one of {', '.join(known)}"


def shown(at: At) -> str:
    if isinstance(at.value, str):
        return repr(at.value)
    kinds = {dict: "a mapping", list: "a list", type(None): "empty", bool: str(at.value).lower()}
    return kinds.get(type(at.value), str(at.value))


def read(text: str, path: str) -> At | None:
    """The file's YAML as values with lines; None when there is nothing in it."""
    import yaml

    try:
        loader, node = _read_fast(text) or _read_well(text, path)
        return None if node is None else _Places(loader, path).of(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, problem = (mark.line + 1 if mark else None), error.problem or "is not YAML"
    except yaml.reader.ReaderError as error:
        line, problem = text.count("\n", 0, error.position) + 1, "has a character YAML forbids"
    except (ArithmeticError, ValueError):
        line, problem = None, "has a number or an escape that is too large"
    except RecursionError:
        line, problem = None, "is nested too deep, or contains itself"
    raise _error(path, line, problem)


def _read_fast(text: str) -> tuple[Any, Any] | None:
    """A loader and its root node by libyaml, ten times as fast; None where it is not there.

    None also for what it does not read: the other one tells what is wrong, and where.
    """
    import yaml

    try:
        loader = yaml.CSafeLoader(text)
        return loader, loader.get_single_node()
    except (AttributeError, yaml.YAMLError, ValueError):
        return None


def _read_well(text: str, path: str) -> tuple[Any, Any]:
    """A loader and its root node, or yaml's error. Raises BenchError for what it stumbles over."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        return loader, loader.get_single_node()
    except (ArithmeticError, ValueError) as error:
        problem = "has a number or an escape that is too large"
        raise _error(path, loader.line + 1, problem) from error


def _error(path: str, line: int | None, problem: str) -> BenchError:
    return BenchError(
        path, line, f"not YAML: {problem}", "correct it; indent with spaces, not tabs"
    )


class _Places:
    """Values with their lines; what an alias repeats is read once, however often it is there."""

    def __init__(self, loader: Any, path: str) -> None:
        self._loader = loader
        self._path = path
        self._known: dict[Any, At] = {}

    def of(self, node: Any) -> At:
        if node not in self._known:
            value = self._value(node)
            self._known[node] = At(self._path, node.start_mark.line + 1, value)
        return self._known[node]

    def _value(self, node: Any) -> Any:
        if node.id == "mapping":
            return dict(self._entries(node))
        if node.id == "sequence":
            return [self.of(item) for item in node.value]
        fix = "write it in quotes if it is a text"
        try:
            value = self._loader.construct_object(node)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            problem = f"{node.value[:40]!r} cannot be read ({error})"
            raise BenchError(self._path, node.start_mark.line + 1, problem, fix) from error
        if isinstance(value, int) and abs(value) > _LARGEST:
            problem = f"{node.value[:40]!r} is too large a number"
            raise BenchError(self._path, node.start_mark.line + 1, problem, fix)
        if isinstance(value, dict | list | set):
            problem = f"{node.value[:40]!r} is marked as a list or a mapping"
            raise BenchError(self._path, node.start_mark.line + 1, problem, fix)
        return value

    def _entries(self, node: Any) -> Iterator[tuple[Any, At]]:
        """The entries of a mapping, each with its key's line; no key may come twice."""
        first: dict[Any, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.id != "scalar":
                problem = "a key is a list or a mapping"
                raise BenchError(self._path, line, problem, "write a plain key")
            key = self.of(key_node).value
            if key in first:
                problem = f"{key!r} is there already, on line {first[key]}"
                raise BenchError(self._path, line, problem, "keep one of the two")
            first[key] = line
            yield key, replace(self.of(value_node), line=line)
