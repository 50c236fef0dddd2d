"""What a Nextflow task asks for, in the words of its directives, made into a claim."""

from __future__ import annotations

import difflib
import re
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from nvinx.admission import retry
from nvinx.errors import HintError, ImpossibleJobError
from nvinx.jobs import gpu_hint, hints
from nvinx.jobs.preemption import URGENT_MARGIN, URGENT_PRIORITY
from nvinx.nextflow import ext_names
from nvinx.sizes import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.admission.retry import RetryStep
    from nvinx.bench.capacity import Capacity
    from nvinx.bench.resolve import Bench
    from nvinx.jobs.claim import Claim

OOM_STATUS = 144  # unused by signals, and among those that nf-core's pipelines try again
MODES = ("shared", "exclusive", "overflow", "cpu")
_NO_LABEL = "unknown"  # what the configuration gives to labels that begin with nvinx_
_LABELS = "nvinx_gpu_shared, nvinx_gpu_exclusive, nvinx_gpu_overflow or nvinx_cpu_only"
_WORDS = {  # a rule's hints, as a Nextflow process says them
    "ram_overflow=1 with mem_mb": "the label nvinx_gpu_overflow with memory",
    "ram_overflow": "label nvinx_gpu_overflow",
    "cpu_fallback=1": "ext.nvinx_cpu_fallback = true",
    "add mem_mb=...": "set memory",
    "mem_mb": "memory",
    "vram_mb=... (or model=...)": "ext.vram_gb, or ext.nvinx_model",
    "vram='2-6GB'": "ext.vram_gb = '2-6'",
    "vram_mb": "ext.vram_gb",
    "vram=": "ext.vram_gb=",
    "gpu_share=": "ext.nvinx_gpu_share = ",
    "gpu='1/3'": "ext.nvinx_gpu_share = '1/3'",
    "or of its name like gpu='a100'": "or of its name like accelerator 1, type: 'a100'",
    "gpu=1 for": "leave it out for",
    "write gpu=": "set accelerator ",
    "gpu=": "accelerator ",
    "disk_mb": "disk",
    "model=": "ext.nvinx_model = ",
}
_AS_MANY_AS_FREE = re.compile(r"gpu='(-?\d+)-(-?\d+)'")
_WHOLE = re.compile(r"-?\d{1,9}", re.ASCII)
_RANGE = re.compile(r"\s*[\d.]+\s*-\s*[\d.]+\s*", re.ASCII)


class Task(Struct, frozen=True, kw_only=True):
    """A task as its wrapper describes it; what the process did not state is empty.

    accelerators: how many cards, as `2`, or `1-2` for as many as are free; `0` for none.
    accelerator_type: what they are called. unknown_ext: names in its `ext` that look like nvinx's
    and are not. memory, disk: in bytes. attempt: 1 for the first. previous_exit: status of the
    attempt before. command: that of its run.
    """

    name: str
    mode: str = "shared"
    accelerators: str = ""
    accelerator_type: str = ""
    unknown_ext: tuple[str, ...] = ()
    vram_gb: str = ""
    gpu_share: str = ""
    model: str = ""
    memory: int = 0
    disk: int = 0
    cpu_fallback: bool = False
    urgent: bool = False
    attempt: int = 1
    previous_exit: int = 0
    command: tuple[str, ...] = ()

    @property
    def times_out_of_memory(self) -> int:
        """How often it ran out of GPU memory so far, by the status of the last attempt."""
        return self.attempt - 1 if self.previous_exit == OOM_STATUS else 0


def claim(task: Task, bench: Bench) -> Claim:
    """What a task's first attempt asks for. Raises HintError."""
    asked = _hints(task, bench)
    spills = task.mode == "overflow"
    common = hints.Common(
        cores=0,
        mem_mb=task.memory / 1e6 if spills and task.memory else None,
        disk_mb=task.disk / 1e6 if spills and task.disk else None,
        kind=task.name.partition(" (")[0],
        priority=URGENT_PRIORITY if task.urgent else 0,
        preempts=URGENT_MARGIN if task.urgent else None,
    )
    calibrated = bench.slowdowns.traits if bench.slowdowns else ()
    read = hints.read(task.name, asked, common, bench.models, calibrated, bench.card_names)
    return replace(read, card_name=_card_name(task, bench)) if read.uses_gpu else read


def remark(task: Task, bench: Bench) -> str | None:
    """What to tell of the card's name that the task asks for, where no card here has it.

    Such a name is often that of a cloud's card, which Nextflow's local executor ignores.
    """
    is_asked = task.accelerator_type and not gpu_hint.is_off(task.accelerators)
    if not is_asked or not bench.card_names or _card_name(task, bench):
        return None
    names = ", ".join(sorted(set(bench.card_names)))
    stated = f"type: {task.accelerator_type!r}"
    return f"nvinx: {task.name} asks for {stated}; there is {names}, and any of them will do."


def climb(task: Task, first: Claim, capacity: Capacity) -> tuple[Claim, Claim, RetryStep | None]:
    """The claim before, the claim of this attempt, and by which step it differs.

    One step further for each time that it ran out of memory. Raises ImpossibleJobError when no step
    is left.
    """
    before = claim = first
    tried: list[RetryStep] = []
    for _ in range(task.times_out_of_memory):
        found = retry.next_attempt(claim, tried, capacity)
        if found is None:
            problem = f"ran out of GPU memory {task.times_out_of_memory} times, whatever it was"
            fix = "lower what it loads at once, or let it run on the CPU (cpu_fallback=1)"
            raise ImpossibleJobError(task.name, f"{problem} given", fix)
        before = claim
        step, claim = found
        tried.append(step)
    return before, claim, tried[-1] if tried else None


@contextmanager
def in_its_words() -> Iterator[None]:
    """Errors that speak of tasks and their directives, not of rules and their hints."""
    try:
        yield
    except HintError as error:
        if error.kind == "task":
            raise
        hint, fix = _translated(error.hint), _translated(error.fix)
        raise HintError(error.rule, hint, _translated(error.problem), fix, kind="task") from None
    except ImpossibleJobError as error:
        fix = _translated(error.fix)
        raise ImpossibleJobError(error.rule, _translated(error.problem), fix, kind="task") from None


def _hints(task: Task, bench: Bench) -> dict[str, Any]:
    _demand_mode(task)
    _demand_known_names(task)
    asked: dict[str, Any] = {"model": task.model} if task.model else {}
    if task.mode == "cpu":
        return asked
    if (cards := _cards(task)) != 1:
        asked["gpu"] = cards
    if task.vram_gb:
        asked |= _size(task)
    if task.gpu_share:
        asked["gpu_share"] = task.gpu_share
    if task.cpu_fallback:
        asked["cpu_fallback"] = 1
    if task.mode == "exclusive":
        return asked | {"residency": "gpu_exclusive"}
    if task.mode == "overflow":
        return asked | {"ram_overflow": 1}
    return asked if _has_size(task, bench) else {"gpu": 1} | asked


def _cards(task: Task) -> int | str:
    """How many cards, as a hint."""
    count = task.accelerators or "1"
    return int(count) if _WHOLE.fullmatch(count) else count


def _card_name(task: Task, bench: Bench) -> str | None:
    """The name that its cards have to have, where one here has it."""
    name = task.accelerator_type or None
    return name if any(gpu_hint.matches(name, card) for card in bench.card_names) else None


def _has_size(task: Task, bench: Bench) -> bool:
    spec = bench.models.get(task.model)
    return bool(task.vram_gb or task.gpu_share) or (spec is not None and bool(spec.vram_gb))


def _demand_mode(task: Task) -> None:
    if task.mode in MODES:
        return
    if task.mode == _NO_LABEL:
        fix = f"use {_LABELS}"
        raise HintError(
            task.name, "label", "begins with nvinx_, but nvinx knows no such label", fix
        )
    close = difflib.get_close_matches(task.mode, MODES, n=1)
    fix = f"write {close[0]!r}" if close else f"write one of {', '.join(MODES)}"
    raise HintError(task.name, f"ext.nvinx_mode={task.mode!r}", "nvinx knows no such mode", fix)


def _demand_known_names(task: Task) -> None:
    for name in task.unknown_ext:
        raise HintError(task.name, f"ext.{name}", *ext_names.complaint(name), kind="task")


def _size(task: Task) -> dict[str, Any]:
    """`ext.vram_gb` as a hint: a number, or a range such as `2-6`."""
    if _RANGE.fullmatch(task.vram_gb):
        return {"vram": f"{task.vram_gb}GB"}
    return {"vram_mb": _vram_gb(task) * 1000}


def _vram_gb(task: Task) -> float:
    try:
        gb = float(task.vram_gb)
    except ValueError:
        gb = 0.0
    if not (isfinite(gb) and gb * 1e9 >= MIB):
        problem = "this is not a number of GB"
        raise HintError(
            task.name, f"ext.vram_gb={task.vram_gb!r}", problem, "write it like ext.vram_gb = 0.9"
        )
    return gb


def _translated(text: str) -> str:
    text = _AS_MANY_AS_FREE.sub(r"accelerator request: \1, limit: \2", text)
    for word, theirs in _WORDS.items():
        text = text.replace(word, theirs)
    return text
