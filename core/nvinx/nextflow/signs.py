"""By what a process shows that it wants a GPU. nvinx.config asks the same of each task. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nvinx.nextflow.settings import Settings

WORDS = (
    r"(?i)(?<![a-z0-9])(?<!no[-_])(?<!non[-_])(?<!process_)n?gpus?(?![a-z])"
    r"|process_gpu[-_a-z0-9]"
    r"|(?-i:(?<!\b[Nn]o)(?<!\b[Nn]on)(?<=[a-z0-9])(?:GPU|Gpu)s?(?![a-z])"
    r"|(?<![A-Za-z0-9])(?:gpus?|GPUs?)(?=[A-Z][a-z0-9]))"
    r"|cuda|nvidia|--nv(?:ccli)?(?!\w)"
)
OURS = re.compile(r"nvinx_\w+")
NF_CORE = "process_gpu"
_SIZES = ("vram_gb", "nvinx_gpu_share", "nvinx_model")
_OPTIONS = ("containerOptions", "clusterOptions")
_COUNT = re.compile(r"\s*(-?\d+)\s*(?:,|$)")
_REQUEST = re.compile(r"\b(?P<name>request|limit)['\"]?\s*[:=]\s*(?P<count>\d+)\b")
_OF_OPTIONS = re.compile(
    r"gpus?(?:-per-\w+)?['\"]?(?:[:=]|\s+)(?:[a-z][\w-]*:)?(\d+)(?!\w)", re.IGNORECASE
)
_SWITCH = re.compile(r"\bparams\.(\w*(?:gpu|cuda)\w*)", re.IGNORECASE)
_NEGATIVE = re.compile(r"(?i)^(no|non|skip|disable|without)_?")
_ASKS_ITSELF = "nvinx run"
_IN_SCRIPT = re.compile(
    r"nvidia-smi|--(?:use[-_])?gpus?\b|--gres|\bcuda\b|--device[ =]gpu",
    re.IGNORECASE,
)


def sign(settings: Settings) -> str | None:
    """What a task of this process shows nvinx, in words; None where that is nothing."""
    if settings.text("accelerator") and cards(settings) != 0:
        return f"accelerator {settings.text('accelerator')}"
    sizes = () if NF_CORE in settings.labels else _SIZES
    for key in ("nvinx_mode", *sizes):
        if key in settings.ext and _is_said(settings, key):
            return f"ext.{key}"
    switch = settings.ext.get("use_gpu")
    if switch is not None:
        return "ext.use_gpu" if switch.is_set else None
    return next(_words(settings), None)


def cards(settings: Settings) -> int | None:
    """How many cards its `accelerator` asks for at least; None where that has to be computed."""
    text = settings.text("accelerator")
    if found := _COUNT.match(text):
        return int(found[1])
    stated = {found["name"]: int(found["count"]) for found in _REQUEST.finditer(text)}
    return stated.get("request", stated.get("limit"))


def options_for_several(settings: Settings) -> tuple[str, int] | None:
    """Options that ask a scheduler or a container engine for two cards or more: which, how many."""
    for directive in _OPTIONS:
        found = _OF_OPTIONS.search(settings.text(directive))
        if found and int(found[1]) > 1:
            return f"{directive} '{settings.text(directive)}'", int(found[1])
    return None


def hidden(settings: Settings, params: Mapping[str, Any]) -> str | None:
    """A switch among the pipeline's parameters that is on, and that only its script asks."""
    for name in _SWITCH.findall(settings.body):
        if not _NEGATIVE.match(name) and _is_on(params.get(name)):
            return f"params.{name}"
    return None


def spoken_of(settings: Settings) -> str | None:
    """A word in its script that programs use with a GPU; None where it asks for a lease itself."""
    found = _IN_SCRIPT.search(settings.body)
    return found[0] if found and _ASKS_ITSELF not in settings.body else None


def _is_said(settings: Settings, key: str) -> bool:
    """Whether somebody stated it for this process; ours for all are asked last."""
    found = settings.ext[key]
    return found.is_set and not (key == "nvinx_mode" and "nvinx_sign" in found.text)


def _words(settings: Settings) -> Iterator[str]:
    for label in settings.labels:
        if label != NF_CORE and (re.search(WORDS, label) or OURS.fullmatch(label)):
            yield f"label '{label}'"
    for directive in _OPTIONS:
        if re.search(WORDS, settings.text(directive)):
            yield f"{directive} '{settings.text(directive)}'"


def _is_on(value: Any) -> bool:
    return str(value).strip().lower() not in {"", "none", "null", "false", "0", "no", "off", "cpu"}
