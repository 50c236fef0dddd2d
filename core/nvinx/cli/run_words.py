"""Errors of `nvinx run` in its own options, where everybody else has hints of a rule."""

from __future__ import annotations

import re
import shlex

from nvinx.errors import HintError, ImpossibleJobError

_FLAGS = ("cpu_fallback", "ram_overflow")
_VALUES = ("gpu_share", "residency", "model", "mem_mb", "disk_mb", "max_slowdown", "priority")
_WORDS = ("vram_mb", "mem_mb", "disk_mb", "max_slowdown")  # that are no word of English
_SIZE = r"\bvram_mb=(\d+)(?:\.0)?\b"
_FLAG = rf"\b({'|'.join(_FLAGS)})=(?:1|True)\b"
_NAMED = rf"\b(vram|{'|'.join((*_VALUES, 'runtime'))})=('[^']*'|\.\.\.|[\w./%]+)"
_CARDS = r"\bgpu=('[^']*'|[2-9]|\d{2,})"
_BARE = rf"(?<![-\w.])({'|'.join((*_FLAGS, *_WORDS))})\b(?![=:])"


def in_options(error: HintError | ImpossibleJobError) -> HintError | ImpossibleJobError:
    """The error in the words of the command line."""
    problem, fix = option(error.problem), option(error.fix)
    if isinstance(error, HintError):
        return HintError(error.rule, option(error.hint), problem, fix, kind="command")
    return ImpossibleJobError(error.rule, problem, fix, kind="command")


def option(text: str) -> str:
    """The text with `--cpu-fallback` for `cpu_fallback=1`, and so on."""
    text = re.sub(_SIZE, r"--vram \1MB", text.replace("vram_mb=...", "--vram SIZE"))
    text = re.sub(_FLAG, lambda found: _dashed(found[1]), text)
    text = re.sub(_NAMED, lambda found: f"{_dashed(found[1])} {_value(found[2])}", text)
    text = re.sub(
        _CARDS, lambda found: _cards(found[1]), text.replace("write gpu=1,", "write --gpus 1,")
    )
    text = text.replace("gpu=1", "no size at all")
    return re.sub(_BARE, lambda found: _dashed(found[1]), text)


def _dashed(hint: str) -> str:
    return "--vram" if hint == "vram_mb" else f"--{hint.replace('_', '-')}"


def _cards(written: str) -> str:
    """A number or name of cards, or the part of one, as an option."""
    value = _value(written)
    return f"--gpu-share {value}" if "/" in value else f"--gpus {value}"


def _value(written: str) -> str:
    return "N" if written == "..." else shlex.quote(written.strip("'"))
