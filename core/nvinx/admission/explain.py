"""Every reason in words that a person can act on. Pure."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from nvinx.admission import suspending_words
from nvinx.admission.estimates import MOST_LOST
from nvinx.formatting import cards_text, count_text, duration, factor_text, few_names, gb, plain
from nvinx.jobs.preemption import MOST_TIMES, Mode
from nvinx.reasons import Reason, Why
from nvinx.residency import Residency
from nvinx.sizes import whole_mb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.events import Reclaim
    from nvinx.admission.job import Job, Placement, Running
    from nvinx.admission.retry import RetryStep
    from nvinx.bench.capacity import Card
    from nvinx.jobs.claim import Claim
    from nvinx.jobs.out_of_memory import Evidence


def sentence(reason: Reason) -> str:
    """Why this job is placed so, or waits, in a few words, with the numbers where there are any."""
    is_of_gang = reason.why in _OF_GANGS and reason.need is not None
    text = _OF_GANGS[reason.why] if is_of_gang else _TEXTS[reason.why]
    amount = count_text if reason.why in _COUNTED else gb
    return text.format(
        need=amount(reason.need),
        cards=_cards_at_once(reason.need or 0),
        have=amount(reason.have),
        behind=few_names(reason.behind),
        are="is" if len(reason.behind) == 1 else "are",
        factor=factor_text(reason.factor),
        limit=factor_text(reason.limit),
        gain="less" if (reason.factor or 0.0) < (reason.limit or 0.0) else "hardly more",
        lost=_seconds(reason.factor),
        saved=_seconds(reason.limit),
    )


def _cards_at_once(number: int) -> str:
    """Of a job that may do with one, but is given more where they are free."""
    return cards_text(number) if number == 1 else f"{cards_text(number)} at once"


def _seconds(number: float | None) -> str:
    return "?" if number is None or not isfinite(number) else duration(number)


def waiting(reason: Reason | None) -> str:
    """Why something waits; None where nobody has asked for it yet."""
    return "not considered yet" if reason is None else sentence(reason)


def placed(placement: Placement) -> str:
    """Why the job is where it is, and with which part of the card where it asked for one."""
    why = _TEXTS[placement.why]
    return why if placement.share is None else f"{placement.share.text}; {why}"


def _room(claim: Claim) -> str:
    """What a job that shares has of the card."""
    if claim.share is not None:
        return claim.share.text
    least = gb(claim.vram_mib)
    return f"{least} to {gb(claim.most_mib)}" if claim.elastic_mib else least


def guessed(placement: Placement) -> str:
    """Where a job is put in a plan whose needs only an earlier job will tell."""
    where = "on the CPU" if placement.card is None else "with a whole card"
    return f"needs not known yet; planned {where}"


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


def would_run(claim: Claim, possible: Sequence[Residency]) -> str:
    """Where a job with this claim runs on an otherwise empty bench: `shares a card, 0.90 GB`."""
    cards = claim.cards.text if claim.is_gang else "a card"
    each = " of each" if claim.is_gang else ""
    if Residency.GPU_SHARED in possible:
        text = f"shares {cards}, {_room(claim)}{each}"
        if claim.share is not None:
            text = f"has {claim.share.text}" + (f", on {cards}" if claim.is_gang else "")
    elif Residency.GPU_EXCLUSIVE in possible:
        text = f"has {cards} to itself"
    elif Residency.GPU_RAM_OVERFLOW in possible:
        text = f"spills to RAM, {gb(claim.vram_mib)} in all"
        text = f"has {cards} to itself, and {text}" if claim.is_gang else text
    else:
        return "on the CPU, since no card holds it" if claim.uses_gpu else "on the CPU"
    return f"{text}, or runs on the CPU" if claim.cpu_fallback else text


def started(
    job: Job,
    placement: Placement,
    cards: Sequence[Card],
    beside: Sequence[Running],
    slowdown: float | None = None,
) -> str:
    """The quiet line at a job's start: `embed[3] -> GPU 0 shared with embed[1] (1.80 of 4.00 GB)`.

    A simulated card's size is its declared one; nothing is measured here. slowdown: expected beside
    these, told where it is worth a word.
    """
    text = f"nvinx: {job.name} -> {where(placement, cards)}"
    if placement.card is None:
        return f"{text} ({placed(placement)})"
    held = [c for c in cards if c.id in placement.cards]
    if placement.residency is Residency.GPU_RAM_OVERFLOW:
        size = gb(sum(c.total_mib for c in held))
        there = f"a {size} card" if len(held) == 1 else f"{len(held)} cards, {size} in all"
        return f"{text} ({gb(job.claim.vram_mib)} on {there})"
    if placement.residency is Residency.GPU_EXCLUSIVE:
        return text
    others = f" with {few_names([r.job.name for r in beside])}" if beside else ""
    slower = (
        f", expected to take {slowdown:.1f}x as long"
        if slowdown is not None and slowdown >= _FELT
        else ""
    )
    part = "" if placement.share is None else f", {placement.share.text}"
    used = ", ".join(_used(card, placement, beside) for card in held)
    return f"{text}{part}{others} ({used}){slower}"


def _used(card: Card, placement: Placement, beside: Sequence[Running]) -> str:
    """What is then held of a card: `1.80 GB of 4.00 GB`."""
    used = placement.mib_on(card.id) + sum(r.placement.mib_on(card.id) for r in beside)
    return f"{gb(used)} of {gb(card.shareable_mib)}"


def gives_back(job: Job, asked: Reclaim) -> str:
    """What is told of a job that is preempted."""
    times = 1 + (job.preempted.times if job.preempted else 0)
    agreed, how = job.claim.preemptible, "ends"
    often = f"(preempted {times} of at most {MOST_TIMES} times)"
    if agreed is not None and agreed.suspends:
        return suspending_words.leaves(job, asked, often)
    if agreed is not None and agreed.mode is Mode.SIGNAL:
        how = f"gets {agreed.signal}, to end within {agreed.grace_s:g} s"
    its = "its cards" if job.claim.is_gang else "its card"
    return (
        f"nvinx: {job.name} {how}, to give up {its} to {asked.to} ({duration(asked.lost_s)} "
        f"of work lost); it is queued again {often}"
    )


def notes(job: Job, placement: Placement, at: float) -> list[str]:
    """What is to know of a job that holds a card: whether it gives it up, what it may use."""
    return [note for note in (_giving_up(job, placement, at), budget(job, placement)) if note]


def _giving_up(job: Job, placement: Placement, at: float) -> str:
    """How a job gives up its card, was to, or agreed to; "" for one that does not."""
    given_back, agreed = placement.given_back, job.claim.preemptible
    if given_back is None and placement.suspension is not None:
        return "comes back to its card"
    if given_back is not None:
        does = "gives" if given_back.is_awaited(at) else "was to give"
        return f"{does} up its card to {plain(given_back.to)}"
    return "" if agreed is None else f"preemptible ({agreed.hint})"


def budget(job: Job, placement: Placement) -> str:
    """What a job of a range of VRAM may use of its card; "" for another."""
    claim, now = job.claim, placement.budget
    if now is None:
        return ""
    within = f"(its range is {gb(claim.vram_mib)} to {gb(claim.most_mib)})"
    if not placement.is_shrinking:
        return f"may use {gb(now.mib)} {within}"
    whom = f" for {plain(now.to)}" if now.to else ""
    return f"is asked to use {gb(now.mib)}{whom} {within}"


def ran_out(claim: Claim, peak_mib: int | None) -> str:
    """How a job had run that ran out of memory: `beside others with 0.90 GB (1.40 GB seen)`."""
    how = {
        Residency.GPU_SHARED: f"in {_room(claim)}{' of the card' if claim.share is None else ''}",
        Residency.GPU_EXCLUSIVE: "with the card to itself",
        Residency.GPU_RAM_OVERFLOW: "spilling to RAM",
        Residency.CPU_ONLY: "on the CPU",
    }[claim.residency]
    return how if peak_mib is None else f"{how} ({gb(peak_mib)} seen)"


def tries_again(name: str, how: str, step: RetryStep, claim: Claim, said: str | None = None) -> str:
    """said: the words by which it was known to have run out."""
    from nvinx.admission.retry import RetryStep

    ways = {
        RetryStep.MORE_ROOM: f"with {_room(claim)}",
        RetryStep.MEASURED_PEAK: f"with {gb(claim.vram_mib)}, based on its measured use",
        RetryStep.WHOLE_CARD: "with the whole card",
        RetryStep.SPILL: "spilling to RAM",
        RetryStep.CPU: "on the CPU",
    }
    because = "" if said is None else f" It said: {_shortened(said)}"
    return f"nvinx: {name} ran out of GPU memory {how}; it is retried {ways[step]}.{because}"


def lacks_ram(name: str, found: Evidence, kernel_kills: int | None = None) -> str:
    """A job ran out of the machine's own memory, or was killed, which may mean that.

    kernel_kills: how many processes the kernel killed for lack of RAM meanwhile, where known.
    """
    if found.is_bare_kill:
        return _killed(name, kernel_kills)
    return (
        f"nvinx: {name} ran out of the machine's memory (RAM); more VRAM does not help: "
        f"{_shortened(found.line)} {_LESS_RAM}"
    )


def _killed(name: str, kernel_kills: int | None) -> str:
    """What is known of a job that was killed: the signal does not say by whom."""
    if kernel_kills is None:
        return (
            f"nvinx: {name} was killed (SIGKILL), and nvinx cannot tell by what: the kernel for "
            "lack of RAM, a user or a scheduler. More VRAM does not help. See: dmesg, or the "
            "scheduler's accounting."
        )
    if kernel_kills == 0:
        return (
            f"nvinx: {name} was killed (SIGKILL), but not by the kernel for lack of RAM, which "
            "killed nothing in that time: a user, a scheduler or a user-space killer such as "
            "systemd-oomd did it. More VRAM does not help."
        )
    return (
        f"nvinx: {name} was killed (SIGKILL), probably by the kernel for lack of RAM: it killed "
        f"{count_text(kernel_kills)} of this machine's processes for that reason in that time. "
        f"More VRAM does not help. {_LESS_RAM}"
    )


def _shortened(line: str) -> str:
    return line if len(line) <= _WORDS else f"{line[:_WORDS]}..."


def gave_up(name: str, rule: str, story: Sequence[str]) -> str:
    return (
        f"nvinx: {name} ran out of GPU memory {', then '.join(story)}; nothing is left to try. "
        f"Fix: lower what rule {rule} loads at once, or let it spill (ram_overflow=1 with mem_mb) "
        "or run on the CPU (cpu_fallback=1)."
    )


def holds_alone(rule: str, times: int) -> str:
    gets, fix = "its jobs get the card to themselves", "more vram_mb, or a larger gpu_share"
    return _ran_out_often(f"rule {rule}", times, gets, fix)


def has_card_alone(name: str, times: int) -> str:
    """The same of whoever asks without a rule."""
    gets, fix = "it gets the card to itself", "more VRAM, or a larger part of the card"
    return _ran_out_often(name, times, gets, fix)


def _ran_out_often(who: str, times: int, gets: str, fix: str) -> str:
    return (
        f"nvinx: {who} ran out of GPU memory {times} times recently, so {gets} for a while. "
        f"Fix: declare {fix} (nvinx history shows what it used)."
    )


def impossible(  # noqa: PLR0911  (one for each cause)
    reason: Reason, no_gpu: str | None = None, searched: Sequence[str] = ()
) -> tuple[str, str]:
    """The problem and the fix for a job that can never run on this bench.

    no_gpu: what the driver said where there is no GPU; its own fix gives way to ours. searched:
    where a bench file may lie.
    """
    need, have = gb(reason.need), gb(reason.have)
    match reason.why:
        case Why.NO_GPU_ON_BENCH:
            asks = "needs a GPU" if reason.need is None else f"needs {need} of VRAM"
            cause = f" ({no_gpu.partition('. Fix:')[0]})" if no_gpu else ""
            where = f", read from {', '.join(searched)}" if searched else ""
            is_hidden = "CUDA_VISIBLE_DEVICES" in (no_gpu or "")
            first = (
                "unset CUDA_VISIBLE_DEVICES" if is_hidden else "check the driver with nvidia-smi"
            )
            return f"{reason.job} {asks}, and there is no GPU on this bench{cause}", (
                f"{first}, declare a simulated card in nvinx.yaml "
                f"(nvinx init --simulate-vram-gb 4{where}), or add cpu_fallback=1"
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
        case Why.NO_CARD_OF_THAT_NAME:
            return (
                f"{reason.job} asks for a card by a name that no card here has",
                "write gpu=1, or a part of a name that `nvinx bench` shows",
            )
        case Why.TOO_FEW_CARDS:
            return _too_few_cards(reason)
        case Why.TOO_LARGE_TO_SPLIT:
            missing = (reason.need or 0) - (reason.have or 0)
            return (
                f"{reason.job} needs {need}; the card, its mem_mb and its disk_mb hold {have}, "
                f"{gb(missing)} are missing",
                (
                    "raise mem_mb, or add disk_mb for what may go to disk; `nvinx fit` shows "
                    "the cost"
                ),
            )
    if need == have:
        need, have = (f"{whole_mb(mib or 0)} MB" for mib in (reason.need, reason.have))
    return f"{reason.job} needs {need} of VRAM; the largest card can give {have}", (
        "lower vram_mb, or add cpu_fallback=1, or ram_overflow=1 with mem_mb"
    )


def _too_few_cards(reason: Reason) -> tuple[str, str]:
    there = f"only {cards_text(reason.have or 0)} that could hold its part"
    return (
        f"{reason.job} asks for {reason.need} cards at once, and this bench has {there}",
        f"write gpu={reason.have}, or gpu='1-{reason.need}' for as many of them as are free, or "
        "add cpu_fallback=1",
    )


_FELT = 1.05
_LESS_RAM = "Fix: let it use less RAM at once, or run fewer jobs at the same time (mem_mb)."
_WORDS = 120  # of what a program said
_WORTH_TELLING_S = 0.5

_OF_GANGS = {
    Why.CARD_ASKED_BACK: "needs {cards}, {have} free; asked for theirs: {behind}",
    Why.CARD_GIVEN_BACK: "needs {cards}, {have} free; giving up theirs: {behind}",
}
_COUNTED = (Why.NOT_ENOUGH_CORES, Why.CARDS_NOT_FREE, *_OF_GANGS)
_TEXTS = {
    Why.WHOLE_CARD: "whole card requested",
    Why.RAN_OUT: "whole card, since such jobs ran out of GPU memory with less",
    Why.FITS_BESIDE_OTHERS: "fits beside others",
    Why.MEASURED_ALONE: "alone this once, to learn what sharing costs it",
    Why.TRIED_TOGETHER: f"shares the card to learn what that costs, {MOST_LOST:.0%} at most",
    Why.NO_END_IN_SIGHT: "nobody knows when those on the card end, so it runs beside them",
    Why.NEEDS_NO_GPU: "no GPU requested",
    Why.NO_GPU_ON_BENCH: "no GPU on this bench",
    Why.LARGER_THAN_CARD: "larger than the card",
    Why.TOO_FEW_CARDS: "more cards requested than there are",
    Why.NO_CARD_OF_THAT_NAME: "no card of the name it asks for",
    Why.TOO_LARGE_TO_SPLIT: "needs {need}; card, RAM and disk hold {have}",
    Why.SPILLS_TO_RAM: "larger than the card, spills to RAM",
    Why.SOONER_ON_CPU: "finishes sooner on the CPU than by waiting",
    Why.DURING_EXCLUSIVE: "runs on the CPU while the card is held",
    Why.CARD_HELD_EXCLUSIVELY: "card held exclusively by {behind}",
    Why.CARDS_NOT_FREE: "needs {cards}, {have} free beside {behind}",
    Why.WANTS_CARD_ALONE: "needs the whole card, {behind} still on it",
    Why.NOT_ENOUGH_VRAM: "needs {need} of VRAM, {have} free beside {behind}",
    Why.NOT_ENOUGH_CORES: "cores busy",
    Why.NOT_ENOUGH_RAM: "needs {need} of RAM, {have} free",
    Why.BEHIND_OLDER_JOB: "card reserved for {behind}, which waited longer",
    Why.CARD_USED_BY_OTHERS: "needs {need} of VRAM, {have} free: programs outside nvinx use it",
    Why.NO_GAIN_FROM_SHARING: (
        "sharing with {behind} would get {gain} done ({factor} instead of {limit})"
    ),
    Why.BREAKS_MAX_SLOWDOWN: "beside {behind} a slowdown of {factor} is predicted, {limit} allowed",
    Why.OTHER_IS_MEASURED: "{behind} runs alone this once, to learn what sharing costs it",
    Why.LESSON_AWAITED: "what its solo run says about sharing with {behind} is being computed",
    Why.CARD_ASKED_BACK: "{behind} {are} asked to give up the card",
    Why.CARD_GIVEN_BACK: "{behind} {are} giving up the card",
    Why.PREEMPTION_LOSES_MORE: "preempting {behind} would lose {lost} of work and save {saved}",
    Why.ROOM_ASKED: "needs {need} of VRAM, {have} free; {behind} {are} asked to use less",
    Why.NO_RAM_TO_SUSPEND: "suspending {behind} takes {need} of RAM, {have} free",
    Why.CANNOT_SHARE: "asks for the whole card",
    Why.NO_CPU_FALLBACK: "has no CPU fallback declared",
}
