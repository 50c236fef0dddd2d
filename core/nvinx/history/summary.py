"""What a bench's history says of each kind of job: times, memory, and what to declare. Pure."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.history import size_model
from nvinx.history.statistics import VRAM_HEADROOM, RunStatistics
from nvinx.jobs.outcome import Outcome
from nvinx.sizes import mb_from_mib, rounded_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nvinx.history.runs import PastRun
    from nvinx.interference.belief import Belief

SPARE = 1.1  # above the highest peak: the next input may be a little larger
_WORTH_CHANGING = 1.25
_FEW = 6  # runs: of fewer no half says anything
_PREALLOCATES = 0.7  # of the card: JAX takes 75 % at once, TensorFlow nearly all


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSummary:
    """One kind of job; times in seconds, memory in MiB, None where nobody knows.

    alone_s, beside_s, cpu_s: medians alone on a card, beside others there, and on the CPU.
    worked_out_s: its time alone by the runs beside others, where none ran alone and that is known
    well enough. slower: by how much each partner lengthens it, as a share, where that is known well
    enough.
    preallocates: the peak is a large part of the card, so it tells what the framework takes, not
    what the job needs. smaller_half_mib: what jobs of the smaller half of the inputs would hold if
    that were learned, where that is much less than what is declared.
    """

    kind: str
    runs: int
    failed: int
    out_of_memory: int
    alone_s: float | None
    worked_out_s: float | None
    beside_s: float | None
    cpu_s: float | None
    declared_mib: int | None
    peak_mib: int | None
    slower: Mapping[str, float]
    preallocates: bool
    suggested_mb: int | None
    smaller_half_mib: int | None = None

    @property
    def more_would_fit(self) -> int:
        """How many more jobs of the smaller half would fit in what one of them declares."""
        if self.smaller_half_mib is None or self.declared_mib is None:
            return 0
        return self.declared_mib // self.smaller_half_mib - 1

    @property
    def rule(self) -> str:
        """The kind without what tells it from others of its name."""
        return self.kind.partition("@")[0]


def summaries(runs: Iterable[PastRun], cards_mib: Mapping[str, int]) -> list[KindSummary]:
    """One for each kind of job, those with most runs first. cards_mib: VRAM by make of card."""
    listed = list(runs)
    seen = RunStatistics(listed)
    seen.learn()
    by_kind = defaultdict(list)
    for run in listed:
        by_kind[run.kind].append(run)
    found = [_summary(kind, some, seen, cards_mib) for kind, some in by_kind.items()]
    return sorted(found, key=lambda each: (-each.runs, each.kind))


def _summary(
    kind: str, runs: list[PastRun], seen: RunStatistics, cards_mib: Mapping[str, int]
) -> KindSummary:
    good = [run for run in runs if run.outcome is Outcome.OK]
    on_card = [run for run in good if run.card is not None]
    partners = sorted({name for run in on_card for name in run.partners})
    profile, belief = runs[-1].profile, seen.belief
    declared = next((run.declared_mib for run in reversed(runs) if run.declared_mib), None)
    peak = max((run.peak_mib for run in runs if run.peak_mib is not None), default=None)
    largest = max((cards_mib.get(run.card or "", 0) for run in runs), default=0)
    preallocates = peak is not None and largest > 0 and peak >= _PREALLOCATES * largest
    alone_s = _median(run.ran_s for run in on_card if run.was_alone)
    solo = belief.solo.get(kind) if belief is not None and alone_s is None else None
    return KindSummary(
        kind=kind,
        runs=len(runs),
        failed=sum(run.outcome is Outcome.FAILED for run in runs),
        out_of_memory=sum(run.outcome is Outcome.OUT_OF_MEMORY for run in runs),
        alone_s=alone_s,
        worked_out_s=solo.seconds() if solo is not None and solo.is_known else None,
        beside_s=_median(run.ran_s for run in on_card if not run.was_alone),
        cpu_s=_median(run.ran_s for run in good if run.card is None),
        declared_mib=declared,
        peak_mib=peak,
        slower={} if belief is None else _slower(belief, profile, partners),
        preallocates=preallocates,
        suggested_mb=None if preallocates else _suggested_mb(declared, peak),
        smaller_half_mib=None
        if preallocates
        else smaller_half_mib(declared, ((run.size, run.peak_mib) for run in on_card)),
    )


def _slower(belief: Belief, profile: str, partners: Iterable[str]) -> dict[str, float]:
    known = (name for name in partners if belief.can_be_told(profile, name))
    return {name: belief.excess(profile, name) for name in known}


def smaller_half_mib(
    declared_mib: int | None, runs: Iterable[tuple[float | None, int | None]]
) -> int | None:
    """What a job of the smaller half of the inputs would hold at most if its need were learned.

    Only where two of them fit in what one declares. runs: the size of each one's input, and its
    peak in MiB.
    """
    measured = [(size, peak) for size, peak in runs if size is not None and peak]
    if declared_mib is None or len(measured) < _FEW:
        return None
    middle = statistics.median(size for size, _ in measured)
    model = size_model.fit(measured)
    most_mib = None if model is None else model.at_most(middle)
    need_mib = None if most_mib is None else math.ceil(VRAM_HEADROOM * most_mib)
    return need_mib if need_mib is not None and 2 * need_mib <= declared_mib else None


def _median(seconds: Iterable[float]) -> float | None:
    listed = list(seconds)
    return statistics.median(listed) if listed else None


def _suggested_mb(declared_mib: int | None, peak_mib: int | None) -> int | None:
    """What to declare, where that is far from what is declared."""
    if declared_mib is None or peak_mib is None:
        return None
    need_mib = SPARE * peak_mib
    if need_mib / _WORTH_CHANGING <= declared_mib <= need_mib * _WORTH_CHANGING:
        return None if declared_mib >= peak_mib else rounded_up(mb_from_mib(need_mib))
    return rounded_up(mb_from_mib(need_mib))
