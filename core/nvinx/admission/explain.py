"""The sentences: every reason in words that a person can act on. Nothing else writes prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission.retry import Rung
from nvinx.catalog import Residency
from nvinx.reasons import Reason, Why
from nvinx.sizes import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.step import Card, Job, Placement, Running
    from nvinx.bench.resolve import Bench
    from nvinx.catalog import SchedulingPlan
    from nvinx.history.summary import Habit
    from nvinx.jobs.claim import Claim
    from nvinx.leases.ports import Warmed


def sentence(reason: Reason) -> str:
    """Why this job is placed so, or waits, in a few words, with the numbers where there are any."""
    text = _TEXTS[reason.why]
    memory = reason.why is not Why.NOT_ENOUGH_CORES
    amount = gb if memory else _count
    return text.format(
        need=amount(reason.need),
        have=amount(reason.have),
        behind=names(reason.behind),
        factor=_factor(reason.factor),
        limit=_factor(reason.limit),
    )


def placed(placement: Placement) -> str:
    """Why the job is where it is."""
    return _TEXTS[placement.why]


def start_reason(placement: Placement, waited_s: float, waited_for: Reason | None) -> str:
    """Why the job ran where it did and, when it waited for long, what it waited for last."""
    if waited_s < _WORTH_TELLING_S:
        return placed(placement)
    cause = sentence(waited_for) if waited_for else "cores busy"
    return f"{placed(placement)}; waited: {cause}"


def where(placement: Placement, cards: Sequence[Card]) -> str:
    """`GPU 0 shared`, `GPU 0 alone`, `GPU 0 + RAM` or `CPU`."""
    if placement.card is None:
        return "CPU"
    known = {card.id: str(card.index) for card in cards}
    index = "+".join(known.get(card_id, "?") for card_id in placement.cards)
    manner = {
        Residency.GPU_SHARED: "shared",
        Residency.GPU_EXCLUSIVE: "alone",
        Residency.GPU_RAM_OVERFLOW: "+ RAM",
    }
    return f"GPU {index} {manner[placement.residency]}"


def started(
    job: Job,
    placement: Placement,
    cards: Sequence[Card],
    beside: Sequence[Running],
    slowdown: float | None = None,
) -> str:
    """The quiet line at a job's start: `embed[3] -> GPU 0 shared with embed[1] (1.80 of 4.00 GB)`.

    A simulated card's size is its declared one; nothing is measured here. slowdown: expected in
    this company, told where it is worth a word.
    """
    text = f"nvinx: {job.name} -> {where(placement, cards)}"
    if placement.card is None:
        return f"{text} ({placed(placement)})"
    card = next(c for c in cards if c.id == placement.card)
    if placement.residency is Residency.GPU_RAM_OVERFLOW:
        return f"{text} ({gb(job.claim.vram_mib)} on a {gb(card.total_mib)} card)"
    if placement.residency is Residency.GPU_EXCLUSIVE:
        return text
    used = placement.vram_mib + sum(r.placement.vram_mib for r in beside)
    company = f" with {names([r.job.name for r in beside])}" if beside else ""
    slower = f", expected {slowdown:.1f}x" if slowdown is not None and slowdown >= _FELT else ""
    return f"{text}{company} ({gb(used)} of {gb(card.shareable_mib)}){slower}"


def warmed(name: str, done: Warmed) -> str:
    """What was read ahead for a job: `warmed embed[3]: 2.10 GB in 3.2 s`."""
    return f"nvinx: warmed {name}: {_size(done.size_bytes)} in {duration(done.took_s)}"


def not_warmed(name: str, problem: str) -> str:
    return f"nvinx: could not warm everything for {name}: {problem}"


def no_file(path: str) -> str:
    return f"{path} is no file, nor a folder of files"


def greeting(bench: Bench, cores: int) -> list[str]:
    """What a run works with: one line a card, and one if there is none."""
    source = bench.path or "this machine"
    rest = f"{cores} cores, {gb(bench.ram_mib)} RAM"
    lines = [f"nvinx: bench from {source}: {len(bench.cards)} GPU(s), {rest}"]
    for card in bench.cards:
        kind = "simulated, no such card is in this machine" if card.simulated else card.id
        free = f"{gb(card.headroom_mib)} kept free" if card.headroom_mib else "nothing kept free"
        lines.append(f"nvinx: GPU {card.index} {card.name}: {gb(card.total_mib)}, {free} ({kind})")
    if not bench.cards and bench.problem:
        lines.append(f"nvinx: no GPU: {bench.problem}")
    if bench.cards and bench.slowdowns is None:
        lines.append("nvinx: nothing calibrated (nvinx calibrate), so jobs share by VRAM alone")
    elif bench.cards and bench.slowdowns is not None:
        measured = f"{len(bench.slowdowns.traits)} calibrated models"
        lines.append(f"nvinx: jobs share where that gets more done, by {measured}")
    return lines


def saved(jobs: int, took_s: float, alone_s: float) -> str:
    """The last line of a run: its time, and what one GPU job at a time would have cost."""
    text = f"nvinx: {jobs} jobs in {duration(took_s)}"
    how = f"one GPU job at a time would take about {duration(alone_s)}, by replaying these jobs"
    share = 1 - took_s / alone_s if alone_s > 0 else 0.0
    return f"{text}; {how}" + (f": {share:.0%} saved" if share >= _WORTH_SAYING else "")


def ran_out(claim: Claim, peak_mib: int | None) -> str:
    """How a job had run that ran out of memory: `beside others with 0.90 GB (1.40 GB seen)`."""
    how = {
        Residency.GPU_SHARED: f"in {gb(claim.vram_mib)} of the card",
        Residency.GPU_EXCLUSIVE: "with the card to itself",
        Residency.GPU_RAM_OVERFLOW: "spilling to RAM",
        Residency.CPU_ONLY: "on the CPU",
    }[claim.residency]
    return how if peak_mib is None else f"{how} ({gb(peak_mib)} seen)"


def tries_again(name: str, how: str, rung: Rung, claim: Claim) -> str:
    ways = {
        Rung.MORE_ROOM: f"with {gb(claim.vram_mib)}",
        Rung.MEASURED_PEAK: f"with {gb(claim.vram_mib)}, by what it was seen to use",
        Rung.WHOLE_CARD: "with the whole card",
        Rung.SPILL: "spilling to RAM",
        Rung.CPU: "on the CPU",
    }
    return f"nvinx: {name} ran out of GPU memory {how}; it is tried again {ways[rung]}."


def gave_up(name: str, rule: str, story: Sequence[str]) -> str:
    return (
        f"nvinx: {name} ran out of GPU memory {', then '.join(story)}; nothing is left to try. "
        f"Fix: lower what rule {rule} loads at once, or let it spill (ram_overflow=1 with mem_mb) "
        "or run on the CPU (cpu_fallback=1)."
    )


def holds_alone(rule: str, times: int) -> str:
    return (
        f"nvinx: rule {rule} ran out of GPU memory {times} times lately, so its jobs get the card "
        "alone for a while. Fix: declare more vram_mb (nvinx history shows what it used)."
    )


def card_lost(index: int, problem: str, jobs: Sequence[str]) -> str:
    return f"nvinx: GPU {index} is gone ({problem}); {names(jobs)} cannot go on and is ended."


def untaught(error: Exception) -> str:
    return f"nvinx: {error}"


def jobs_hidden(number: int) -> str:
    return (
        f"nvinx: --jobs hides up to {number} of the jobs from nvinx, so a ready GPU job may stay "
        "unseen while CPU jobs queue. Fix: give --jobs unlimited."
    )


def ram_capped(rule: str, ram_mib: int) -> str:
    return (
        f"nvinx: rule {rule} declares more RAM than this bench has; it counts as {gb(ram_mib)}. "
        "Fix: lower mem_mb, or raise ram_gb in nvinx.yaml."
    )


def impossible(reason: Reason, no_gpu: str | None = None) -> tuple[str, str]:
    """The problem and the fix for a job that can never run on this bench.

    no_gpu: what the driver said where there is no GPU; its own fix gives way to ours.
    """
    need, have = gb(reason.need), gb(reason.have)
    match reason.why:
        case Why.NO_GPU_ON_BENCH:
            asks = "needs a GPU" if reason.need is None else f"needs {need} of VRAM"
            cause = f" ({no_gpu.partition('. Fix:')[0]})" if no_gpu else ""
            return f"{reason.job} {asks}, and there is no GPU on this bench{cause}", (
                "check the driver with nvidia-smi, declare a simulated card in nvinx.yaml "
                "(nvinx init --simulate-vram-gb 4), or add cpu_fallback=1"
            )
        case Why.NOT_ENOUGH_CORES:
            return (
                f"{reason.job} needs {reason.need} cores, the bench has {reason.have}",
                "lower threads, or raise --cores",
            )
        case Why.NOT_ENOUGH_RAM:
            return (
                f"{reason.job} needs {need} of RAM, the bench has {have}",
                "lower mem_mb, or raise ram_gb in nvinx.yaml",
            )
        case Why.TOO_LARGE_TO_SPLIT:
            missing = (reason.need or 0) - (reason.have or 0)
            return (
                f"{reason.job} needs {need}; the card, its mem_mb and its disk_mb hold {have}, "
                f"{gb(missing)} are missing",
                "raise mem_mb, or add disk_mb for what may lie on disk; `nvinx fit` tells the cost",
            )
    return f"{reason.job} needs {need} of VRAM, the largest card can give {have}", (
        "lower vram_mb, or add cpu_fallback=1, or ram_overflow=1 with mem_mb"
    )


def of_habit(habit: Habit) -> list[str]:
    """What the history of one kind of job asks for, each as a sentence."""
    lines = []
    if habit.suggested_mb is not None:
        declared, seen = gb(habit.declared_mib), gb(habit.peak_mib)
        change = f"declare vram_mb={habit.suggested_mb}"
        lines.append(f"{habit.rule}: {change}, it used {seen} of the {declared} declared.")
    if habit.preallocates:
        lines.append(
            f"{habit.rule}: it took {gb(habit.peak_mib)}, most of the card; its framework may take "
            "that in advance (JAX, TensorFlow), so this is not what it needs."
        )
    if habit.out_of_memory:
        lines.append(f"{habit.rule}: ran out of memory {habit.out_of_memory} times.")
    for partner, cost in habit.slower.items():
        if cost >= _WORTH_A_WORD:
            name = partner.partition("@")[0]
            lines.append(f"{habit.rule}: takes {1 + cost:.2f} times as long beside {name}.")
    return lines


def handoff_notes(plan: SchedulingPlan) -> list[str]:
    holder = plan.gpu_foreground.name if plan.gpu_foreground else "nobody"
    first = (
        f"Pattern A (serial_handoff): {holder} holds the card, "
        f"{len(plan.cpu_parallel)} CPU job(s) run meanwhile."
    )
    return [first, *_unscheduled_note(plan)]


def coresidency_notes(
    plan: SchedulingPlan, used_gb: float, budget_gb: float, headroom_gb: float
) -> list[str]:
    first = (
        f"Pattern B (fractional_coresidency): {len(plan.gpu_coresident)} model(s) co-resident; "
        f"{used_gb:.2f}/{budget_gb:.2f} GB VRAM used (+ {headroom_gb} GB headroom)."
    )
    return [first, *_unscheduled_note(plan)]


def overflow_note(model: str, gpu_gb: float, cpu_gb: float) -> str:
    return (
        f"Pattern C (ram_overflow): {model} is split, "
        f"{gpu_gb:.1f} GB on the GPU and {cpu_gb:.1f} GB in RAM."
    )


def _unscheduled_note(plan: SchedulingPlan) -> list[str]:
    if not plan.unscheduled:
        return []
    return ["Not scheduled, no room now: " + ", ".join(m.name for m in plan.unscheduled) + "."]


def gb(mib: int | None) -> str:
    """Memory for people: `0.90 GB`; below 0.1 GB in MB."""
    if mib is None:
        return "an unknown amount"
    return _size(mib * MIB)


def _size(size_bytes: int) -> str:
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


def names(jobs: Sequence[str], most: int = 3) -> str:
    """A few names and how many more there are."""
    if not jobs:
        return "others"
    more = len(jobs) - most
    shown = ", ".join(jobs[:most])
    return shown if more <= 0 else f"{shown} and {more} more"


def _factor(number: float | None) -> str:
    return "?" if number is None else f"{number:.2f}"


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


_SMALL_GB = 0.1
_FELT = 1.05
_WORTH_A_WORD = 0.1
_WORTH_SAYING = 0.01
_MINUTE_S = 60
_WORTH_TELLING_S = 0.5

_TEXTS = {
    Why.WHOLE_CARD: "whole card asked",
    Why.FITS_BESIDE_OTHERS: "fits beside others",
    Why.MEASURED_ALONE: "alone this once, to learn what company costs it",
    Why.NEEDS_NO_GPU: "no GPU asked",
    Why.NO_GPU_ON_BENCH: "no GPU on this bench",
    Why.LARGER_THAN_CARD: "larger than the card",
    Why.TOO_LARGE_TO_SPLIT: "needs {need}; card, RAM and disk hold {have}",
    Why.SPILLS_TO_RAM: "larger than the card, spills to RAM",
    Why.SOONER_ON_CPU: "done sooner on the CPU than by waiting",
    Why.DURING_EXCLUSIVE: "runs on the CPU while the card is held",
    Why.CARD_HELD_EXCLUSIVELY: "card held alone by {behind}",
    Why.WANTS_CARD_ALONE: "wants the card alone, {behind} still there",
    Why.NOT_ENOUGH_VRAM: "needs {need} of VRAM, {have} free beside {behind}",
    Why.NOT_ENOUGH_CORES: "cores busy",
    Why.NOT_ENOUGH_RAM: "needs {need} of RAM, {have} free",
    Why.BEHIND_OLDER_JOB: "card kept for {behind}, which waited longer",
    Why.CARD_USED_BY_OTHERS: "needs {need} of VRAM, {have} free: programs outside nvinx use it",
    Why.NO_GAIN_FROM_SHARING: "sharing with {behind} would get {factor} done instead of {limit}",
    Why.BREAKS_MAX_SLOWDOWN: "beside {behind} a slowdown of {factor} is predicted, {limit} allowed",
    Why.OTHER_IS_MEASURED: "{behind} runs alone this once, to learn what company costs it",
    Why.CANNOT_SHARE: "asks for the card alone",
    Why.NO_CPU_FALLBACK: "has no CPU fallback declared",
}
