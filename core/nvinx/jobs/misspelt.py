"""Names that are no hint and look like one: which was meant. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nvinx.formatting import value_text
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Collection

# Resources that others read, however much they look like a hint of ours.
_OF_OTHERS = {"cputime", "cpus", "mode", "modes", "runtime"}
_OWN_BEGINNINGS = ("vram", "nvinx", "cpufallback", "ramoverflow", "maxslow", "slowdown")
_VIDEO_MEMORY = "vmemmb"
_OTHER_UNIT = r"vram.*(gi?b?|mib|bytes)"
_LIKE = 0.82  # of 1: one or two letters of ten are others
_LIKE_MODEL = 0.88  # a short word, and a common one


def meant(name: str, value: Any, known: Collection[str]) -> str | None:
    """What to write instead, as `cpu_fallback=1`; None where the name looks like none of `known`.

    Cases and underscores do not count, nor the order of words and of letters.
    """
    word = _letters(name)
    if name in known or word in _OF_OTHERS:
        return None
    if word in _RESIDENCIES:
        return f"residency={_RESIDENCIES[word]!r}"
    found = _found(name, word, known)
    if found is None and word.startswith("vram"):
        return _SIZE
    if found is None:
        return f"one of {', '.join(known)}" if word.startswith(_OWN_BEGINNINGS) else None
    if found == "model" and not isinstance(value, str):
        return None
    return f"{found}={value_text(value)}"


def _found(name: str, word: str, known: Collection[str]) -> str | None:
    if word == _VIDEO_MEMORY:
        return "vram_mb"
    if re.fullmatch(_OTHER_UNIT, word):
        return None
    by_letters = {_letters(hint): hint for hint in known}
    longer = (hint for letters, hint in by_letters.items() if word.startswith(letters))
    return (
        by_letters.get(word)
        or _reordered(name, word, by_letters)
        or _close(word, by_letters)
        or next((hint for hint in longer if len(hint) >= _LONG), None)
    )


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _reordered(name: str, word: str, by_letters: dict[str, str]) -> str | None:
    words = sorted(name.lower().split("_"))
    for letters, hint in by_letters.items():
        if sorted(letters) == sorted(word) or words == sorted(hint.split("_")):
            return hint
    return None


def _close(word: str, by_letters: dict[str, str]) -> str | None:
    """The hint that most letters of the word belong to, where that is nearly all of both."""
    import difflib

    best = difflib.get_close_matches(word, by_letters, n=1, cutoff=_LIKE)
    if not best or len(best[0]) < _SHORTEST:
        return None
    if best[0] == "model" and difflib.SequenceMatcher(None, word, "model").ratio() < _LIKE_MODEL:
        return None
    return None if best[0].startswith("vram") and word[0] != "v" else by_letters[best[0]]


_SHORTEST, _LONG = 4, 8
_SIZE = "vram_mb=..., which is in MB"
_RESIDENCIES = {_letters(residency.value): residency.value for residency in Residency}
