"""A bench file's `oom_patterns`: what programs of the user's write when VRAM runs out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nvinx.bench.strict_yaml import shown, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.bench.strict_yaml import At, Table

KEY = "oom_patterns"
EVERY_RULE = "*"


def oom_patterns(top: Table) -> dict[str, tuple[str, ...]]:
    """Regular expressions by rule. Raises BenchError with the line of the first mistake."""
    at = top.entries.get(KEY)
    if at is None or at.value is None:
        return {}
    names = tuple(at.value) if isinstance(at.value, dict) else ("fold",)
    entries = table(at, KEY, names).entries
    return {str(name): tuple(map(_pattern, _listed(entry))) for name, entry in entries.items()}


def words_for(patterns: Mapping[str, tuple[str, ...]], rule: str) -> tuple[str, ...]:
    """What a rule's programs write: its own patterns, and those for every rule."""
    return (*patterns.get(rule, ()), *patterns.get(EVERY_RULE, ()))


def _listed(at: At) -> list[At]:
    return at.value if isinstance(at.value, list) else [at]


def _pattern(at: At) -> str:
    fix = "write what the program says, in quotes, such as 'no room on the board'"
    if not isinstance(at.value, str) or not at.value.strip():
        raise at.error(f"a pattern is {shown(at)}, not a text", fix)
    try:
        re.compile(at.value)
    except re.error as error:
        problem = f"{at.value!r} is not a regular expression ({error})"
        raise at.error(problem, r"write \( for a bracket, and \. for a dot") from None
    return at.value
