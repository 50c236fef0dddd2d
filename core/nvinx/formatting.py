"""Sizes, times and names as people read them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.sizes import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def gb(mib: int | None) -> str:
    """Memory for people: `0.90 GB`; below 0.1 GB in MB."""
    if mib is None:
        return "an unknown amount"
    return size(mib * MIB)


def size(size_bytes: int) -> str:
    size_gb = size_bytes / 1e9
    return f"{size_gb * 1000:.0f} MB" if 0 < size_gb < _SMALL_GB else f"{size_gb:.2f} GB"


def duration(seconds: float) -> str:
    """Time for people: `3.2 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < _MINUTE_S:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    if minutes < _MINUTE_S:
        return f"{minutes} min {rest} s"
    return f"{minutes // _MINUTE_S} h {minutes % _MINUTE_S} min"


def plain(text: str, most: int = 120) -> str:
    """Text from anywhere as one short line that does nothing to a screen.

    Without escape sequences, line breaks, and characters that nobody sees or that turn the
    direction of writing.
    """
    short = text if len(text) <= most else f"{text[: most - 3]}..."
    if short.isprintable():
        return short
    return "".join(character if character.isprintable() else "?" for character in short)


def few_names(jobs: Sequence[str], most: int = 3) -> str:
    """A few names and how many more there are."""
    if not jobs:
        return "others"
    more = len(jobs) - most
    shown = ", ".join(jobs[:most])
    return shown if more <= 0 else f"{shown} and {more} more"


def counted(number: int, what: str) -> str:
    """`no GPU`, `1 GPU`, `2 GPUs`."""
    return f"{number or 'no'} {what}{'s' if number > 1 else ''}"


def factor_text(number: float | None) -> str:
    return "?" if number is None else f"{number:.2f}"


def count_text(number: int | None) -> str:
    return "?" if number is None else str(number)


_SMALL_GB = 0.1


_MINUTE_S = 60


def cards_text(number: int) -> str:
    return "1 card" if number == 1 else f"{number} cards"


def value_text(value: object) -> str:
    """A value that somebody wrote, as Python writes it."""
    return _written(repr, value)


def word_of(value: object) -> str:
    """A value that somebody wrote, as a word without quotes."""
    return _written(str, value).strip()


def _written(write: Callable[[object], str], value: object) -> str:
    try:
        return write(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a huge number"
