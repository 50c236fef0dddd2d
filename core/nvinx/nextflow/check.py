"""What in a Nextflow pipeline, or around it, keeps its tasks from sharing the card. Pure.

The texts are looked at line by line, so what a pipeline computes stays unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LABELS = ("nvinx_gpu_shared", "nvinx_gpu_exclusive", "nvinx_gpu_overflow", "nvinx_cpu_only")
_DEVICES = "CUDA_VISIBLE_DEVICES"
_BEGIN = r"^\s*(?:[\w:'\"]+\s*[{.]\s*)*"  # blocks that open on the same line, or a path with dots


@dataclass(frozen=True, slots=True)
class Finding:
    """where: a file with its line, or what of the surroundings."""

    where: str
    problem: str
    fix: str


_RULES = (
    (
        re.compile(rf"{_BEGIN}((?:before|after)Script)\b"),
        "the pipeline's {0} and nvinx's exclude each other: one replaces the other",
        "do its work in the task's script",
    ),
    (
        re.compile(rf"{_BEGIN}({_DEVICES}|NVINX_\w+)(?:\s+=|=\s*['\"])"),
        "{0} in the env scope replaces what nvinx sets",
        "leave it out",
    ),
    (
        re.compile(rf"{_BEGIN}(envWhitelist)\s*="),
        "the pipeline's {0} and nvinx's exclude each other: the last one counts",
        "list the variables of both in a file that is given last",
    ),
    (
        re.compile(rf"\blabel\s*\(?\s*['\"](?!(?:{'|'.join(LABELS)})['\"])(nvinx_.*?)['\"]"),
        "nvinx knows no label {0}",
        f"use {', '.join(LABELS)}",
    ),
)


def of_text(name: str, text: str) -> Iterator[Finding]:
    """What one of the pipeline's files says."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, problem, fix in _RULES:
            if found := pattern.search(line):
                yield Finding(f"{name}, line {number}", problem.format(found[1]), fix)


def of_environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What Nextflow would be started with."""
    if _DEVICES in environ:
        problem = "from 26.10 on Nextflow hands these devices out whole, past nvinx"
        yield Finding(_DEVICES, problem, f"start Nextflow with {_DEVICES} unset")
