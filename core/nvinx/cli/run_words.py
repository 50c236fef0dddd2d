"""Errors of `nvinx run` in its own options, where everybody else has hints of a rule."""

from __future__ import annotations

import re
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nvinx.errors import HintError, ImpossibleJobError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS = ("cpu_fallback", "ram_overflow")
_VALUES = ("gpu_share", "residency", "model", "mem_mb", "disk_mb", "max_slowdown", "priority")
_WORDS = ("vram_mb", "mem_mb", "disk_mb", "max_slowdown")  # that are no word of English
_SIZE = re.compile(r"\bvram_mb=(\d+)(?:\.0)?\b")
_FLAG = re.compile(rf"\b({'|'.join(_FLAGS)})=(?:1|True)\b")
_NAMED = re.compile(rf"\b(vram|{'|'.join((*_VALUES, 'runtime'))})=('[^']*'|\.\.\.|[\w./%]+)")
_CARDS = re.compile(r"\bgpu=('[^']*'|[2-9]|\d{2,})")
_BARE = re.compile(rf"(?<![-\w.])({'|'.join((*_FLAGS, *_WORDS))})\b(?![=:])")


@contextmanager
def in_options() -> Iterator[None]:
    """Raises HintError and ImpossibleJobError in the words of the command line."""
    try:
        yield
    except HintError as error:
        words = [option(text) for text in (error.hint, error.problem, error.fix)]
        raise HintError(error.rule, *words, kind="command") from None
    except ImpossibleJobError as error:
        problem, fix = option(error.problem), option(error.fix)
        raise ImpossibleJobError(error.rule, problem, fix, kind="command") from None


def option(text: str) -> str:
    """The text with `--cpu-fallback` for `cpu_fallback=1`, and so on."""
    text = _SIZE.sub(r"--vram \1MB", text.replace("vram_mb=...", "--vram SIZE"))
    text = _FLAG.sub(lambda found: _dashed(found[1]), text)
    text = _NAMED.sub(lambda found: f"{_dashed(found[1])} {_value(found[2])}", text)
    text = _CARDS.sub(
        lambda found: _cards(found[1]), text.replace("write gpu=1,", "write --gpus 1,")
    )
    text = text.replace("gpu=1", "no size at all")
    return _BARE.sub(lambda found: _dashed(found[1]), text)


def _dashed(hint: str) -> str:
    return "--vram" if hint == "vram_mb" else f"--{hint.replace('_', '-')}"


def _cards(written: str) -> str:
    """A number or name of cards, or the part of one, as an option."""
    value = _value(written)
    return f"--gpu-share {value}" if "/" in value else f"--gpus {value}"


def _value(written: str) -> str:
    return "N" if written == "..." else shlex.quote(written.strip("'"))
