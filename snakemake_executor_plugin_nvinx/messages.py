"""What the executor says in Snakemake's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.admission import explain
from nvinx.errors import HintError
from nvinx.formatting import counted, duration, few_names, gb, size
from nvinx.reasons import Why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.bench.capacity import Card
    from nvinx.bench.resolve import Bench
    from nvinx.jobs.claim import Claim
    from nvinx.reasons import Reason
    from nvinx.staging.ports import Warmed


def warmed(name: str, done: Warmed) -> str:
    """What was read ahead for a job: `warmed embed[3]: 2.10 GB in 3.2 s`."""
    return f"nvinx: warmed {name}: {size(done.size_bytes)} in {duration(done.took_s)}"


def not_warmed(name: str, problem: str) -> str:
    return f"nvinx: could not read ahead everything for {name}: {problem}"


def not_countable(rule: str, hint: str, limit_mb: int) -> str:
    """Why a run ends whose `--resources` limits VRAM that a rule states as a text or a range."""
    problem = f"is a text or a range, which --resources vram_mb={limit_mb} cannot count"
    fix = "state one size, such as vram_mb=2000, or leave the limit out"
    return str(HintError(rule, hint, problem, fix))


def no_file(path: str) -> str:
    return f"{path} is neither a file nor a folder of files"


def not_marked(job: Any, error: OSError) -> str:
    """Its outputs would count as whole."""
    files = ", ".join(map(str, job.output))
    return (
        f"nvinx: what is left of {job} cannot be marked as incomplete ({error.strerror}). Fix: "
        f"before the next run, remove {files}"
    )


def greeting(bench: Bench, cores: int) -> list[str]:
    """What a run works with: one line a card, and one if there is none."""
    none = f"this machine (no bench file: {', '.join(bench.searched)})"
    source = bench.path or none
    rest = f"{cores} cores, {gb(bench.ram_mib)} RAM"
    lines = [f"nvinx: bench from {source}: {counted(len(bench.cards), 'GPU')}, {rest}"]
    for card in bench.cards:
        kind = "simulated, no such card is in this machine" if card.simulated else card.id
        free = f"{gb(card.headroom_mib)} kept free" if card.headroom_mib else "nothing kept free"
        lines.append(f"nvinx: GPU {card.index} {card.name}: {gb(card.total_mib)}, {free} ({kind})")
    if bench.problem:
        lines.append(f"nvinx: {'a GPU is missing' if bench.cards else 'no GPU'}: {bench.problem}")
    if bench.cards and bench.slowdowns is None:
        lines.append(
            "nvinx: nothing calibrated (nvinx calibrate): jobs share by VRAM, and by what "
            "nvinx learns from runs"
        )
    elif bench.cards and bench.slowdowns is not None:
        measured = f"{len(bench.slowdowns.traits)} calibrated models"
        lines.append(f"nvinx: jobs share a card where that gets more done, according to {measured}")
    return lines


def keeps_trace() -> str:
    return (
        "nvinx: this run is recorded in .nvinx/, for nvinx jobs, explain and report "
        "(--nvinx-trace off, or another folder)"
    )


def ends_on_sigterm(jobs: int, *, keep_incomplete: bool) -> str:
    """Snakemake's own words, that it will wait for them, are not true of ours."""
    what = "kept and marked as incomplete" if keep_incomplete else "removed, as after a failure"
    return (
        f"nvinx: SIGTERM ends {counted(jobs, 'running job')} now, so that the card is free; "
        f"unfinished outputs are {what}. (Stock Snakemake would wait.)"
    )


def card_lost(index: int, problem: str, jobs: Sequence[str]) -> str:
    return (
        f"nvinx: GPU {index} is gone ({problem}); {few_names(jobs)} cannot continue and is ended."
    )


def waits(reason: Reason, more: int, cards: Sequence[Card]) -> str:
    """Why a job has not started yet, for itself and so many more."""
    others = f" (as do {more} more)" if more else ""
    cause = explain.waiting(reason)
    if reason.why is Why.CARD_USED_BY_OTHERS:
        used = [
            f"{gb(c.foreign_mib)} of {gb(c.total_mib)} of GPU {c.index}"
            for c in cards
            if c.foreign_mib
        ]
        cause = f"programs outside nvinx use {', '.join(used)}" if used else cause
    return f"nvinx: {reason.job} waits{others}: {cause} (nvinx status)"


def astray(name: str, place: str, index: int) -> str:
    return (
        f"nvinx: {name} was sent to {place} and uses GPU {index}, so that card holds more than "
        "nvinx knows. Fix: let its rule leave CUDA_VISIBLE_DEVICES as it is."
    )


def untaught(problem: str) -> str:
    """The history cannot be used: this run is taught nothing by earlier ones, or teaches none."""
    return f"nvinx: {problem}"


def jobs_hidden(number: int) -> str:
    return (
        f"nvinx: --jobs hides up to {number} of the jobs from nvinx, so a ready GPU job may stay "
        "unseen while CPU jobs queue. Fix: give --jobs unlimited."
    )


def grew_too_large(name: str, attempt: int, wanted: Claim, given: Claim) -> str:
    asks = f"asks for {gb(wanted.vram_mib)} in attempt {attempt}"
    return f"nvinx: {name} {asks}; it gets {gb(given.vram_mib)}, all that a card here can give."


def sets_devices() -> str:
    return (
        "its command sets CUDA_VISIBLE_DEVICES, overriding nvinx. Fix: leave it as it is, or "
        "read $NVINX_GPU_INDEX"
    )


def looks_like_gpu(words: str) -> str:
    return (
        f"its command says {words!r}, but the rule asks for no card, so it sees none. Fix: write "
        "gpu=1 for a whole card, or vram_mb=... for a part of one"
    )


def not_computed(rule: str, error: BaseException) -> str:
    return f"{rule}: Snakemake cannot compute its resources: {type(error).__name__}: {error}"


def does_not_count() -> str:
    return "does not count beside what else the rule says"


def ignored(rule: str, stated: str, write: str) -> str:
    return f"nvinx: rule {rule}: {stated} means nothing to nvinx. Fix: write {write}."


def doubt(what: str) -> str:
    """Something that can hardly be meant."""
    return f"nvinx: {what}."


def ram_capped(rule: str, ram_mib: int) -> str:
    return (
        f"nvinx: rule {rule} declares more RAM than this bench has; it counts as {gb(ram_mib)}. "
        "Fix: lower mem_mb, or raise ram_gb in nvinx.yaml."
    )
