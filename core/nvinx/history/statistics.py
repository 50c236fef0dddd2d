"""What earlier runs taught: how long jobs of a kind take, and what sharing costs them. Pure.

What sharing costs is `belief`, the joint fit of all runs on cards; times alone are what runs took,
less what their company cost them by that belief.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.history import size_model
from nvinx.history.sharing import Sharing
from nvinx.jobs.outcome import Outcome
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nvinx.history.runs import PastRun
    from nvinx.history.size_model import SizeModel
    from nvinx.interference.belief import Belief
    from nvinx.jobs.claim import Claim

KEPT = 40  # runs of one kind on one sort of place: enough for a median, and old ones fade
LATELY = 8  # runs that tell whether a kind keeps running out of memory
_VRAM, _GPU_S, _CPU_S = "vram", "gpu_s", "cpu_s"
VRAM_HEADROOM = 1.02  # above what 95 % of runs stay below


class RunStatistics:
    """Successful runs, and what follows from them. Give it runs of this bench's cards only.

    One thread adds, others may ask meanwhile.
    """

    def __init__(
        self,
        runs: Iterable[PastRun] = (),
        recall: Callable[[str], Iterable[PastRun]] = lambda _: (),
        sharing: Sharing | None = None,
    ) -> None:
        """recall: gives the earlier runs of a kind or profile, the oldest first.

        It is asked once for each name, when that is first spoken of, so that what is known of
        thousands of others costs nothing. sharing: what fits the belief; a new one by default.
        """
        self._recall = recall
        self._known: dict[str, _Known] = {}
        self._sharing = sharing or Sharing()
        self.belief: Belief | None = None
        self._models: dict[tuple[str, str], SizeModel | None] = {}
        for run in runs:
            self.add(run)

    def add(self, run: PastRun) -> None:
        """Learn from one more run; failed ones teach nothing of times, those of no kind nothing."""
        if not run.kind:
            return
        is_lesson = run.card is not None and run.was_alone and self.wants_alone(run.profile)
        for name in {run.kind, run.profile}:
            self._about(name).add(name, run)
        for what in (_VRAM, _GPU_S, _CPU_S):
            self._models.pop((what, run.kind), None)
        self._sharing.add(run)
        if is_lesson:
            self._sharing.demand(run.profile)

    def _about(self, name: str) -> _Known:
        known = self._known.get(name)
        if known is None:
            known = _Known()
            for run in self._recall(name):
                known.add(name, run)
            known = self._known.setdefault(name, known)  # another thread may have been first
        return known

    def gpu_s(self, kind: str, size: float | None = None) -> float | None:
        """Expected seconds on a card, alone; None when never seen.

        size: of the input, where it is known.
        """
        return self._expected_s(_GPU_S, kind, size)

    def cpu_s(self, kind: str, size: float | None = None) -> float | None:
        """Expected seconds on the CPU; None when never seen there."""
        return self._expected_s(_CPU_S, kind, size)

    def _expected_s(self, what: str, kind: str, size: float | None) -> float | None:
        """By the size of the input where that says anything, else the typical time."""
        model = self._model(what, kind)
        if model is not None and model.power and (said := model.typical(size)):
            return said
        seconds = [each for _, each in self._amounts(what, kind)]
        return _median(seconds) if seconds else None

    def vram_mib(self, kind: str, size: float | None = None) -> int | None:
        """The VRAM that is enough for 95 % of runs with such an input, and a little more.

        None where too few runs were measured, or none with an input nearly as large.
        """
        model = self._model(_VRAM, kind)
        most = None if model is None else model.at_most(size)
        return None if most is None else math.ceil(VRAM_HEADROOM * most)

    def _model(self, what: str, kind: str) -> SizeModel | None:
        """How an amount of a kind grows with its input; worked out anew when a run is added."""
        if (what, kind) not in self._models:
            self._models[what, kind] = size_model.fit(self._amounts(what, kind))
        return self._models[what, kind]

    def _amounts(self, what: str, kind: str) -> list[tuple[float | None, float]]:
        """Size of the input and amount, for each past run of a kind that shows it."""
        known = self._about(kind)
        if what is _CPU_S:
            return [(run.size, run.ran_s) for run in list(known.on_cpu)]
        runs = list(known.on_card)
        return _peaks(runs) if what is _VRAM else self._alone_s(runs)

    def _alone_s(self, runs: Sequence[PastRun]) -> list[tuple[float | None, float]]:
        """What runs took, less what their company cost them."""
        belief = self.belief
        if belief is None:
            return [(run.size, run.ran_s) for run in _alone(runs)]
        return [
            (run.size, run.ran_s * belief.pace(run.profile, run.company, run.ran_s)) for run in runs
        ]

    def ran_out(self, kind: str) -> int:
        """How many of its last few runs on a card ran out of memory."""
        return sum(o is Outcome.OUT_OF_MEMORY for o in list(self._about(kind).outcomes))

    def with_runtimes(self, claim: Claim) -> Claim:
        """The claim with the times that nobody declared."""
        here = self.gpu_s if claim.uses_gpu else self.cpu_s
        return replace(
            claim,
            runtime_s=claim.runtime_s or here(claim.kind, claim.size),
            cpu_runtime_s=claim.cpu_runtime_s
            or (self.cpu_s(claim.kind, claim.size) if claim.uses_gpu else None),
        )

    def learn(self) -> bool:
        """Fit what sharing costs, where enough is new; whether that was so.

        This takes some milliseconds, so nobody does it who keeps others waiting.
        """
        is_due = self._sharing.is_due
        if is_due:
            self.believe(self._sharing.learn())
        return is_due

    def believe(self, belief: Belief | None) -> None:
        """Take over what a fit found."""
        self.belief = belief
        self._models.clear()

    def awaits_lesson(self, profile: str) -> bool:
        """Whether it was just seen alone for the first time, and no fit knows of it yet."""
        return profile in self._sharing.awaited

    def wants_alone(self, profile: str) -> bool:
        """Whether it was seen beside others and never alone."""
        known = self._about(profile)
        return known.was_beside and not known.was_alone


class _Known:
    """The last runs of one name, which may be that of a kind, of a profile, or of both."""

    def __init__(self) -> None:
        self.on_cpu: deque[PastRun] = deque(maxlen=KEPT)
        self.on_card: deque[PastRun] = deque(maxlen=KEPT)
        self.was_alone = self.was_beside = False
        self.outcomes: deque[Outcome] = deque(maxlen=LATELY)

    def add(self, name: str, run: PastRun) -> None:
        if run.card is not None and run.kind == name:
            self.outcomes.append(run.outcome)
        if run.outcome is not Outcome.OK or run.ran_s <= 0:
            return
        if run.kind == name and run.card is None:
            self.on_cpu.append(run)
        elif run.kind == name:
            self.on_card.append(run)
        if run.profile == name and run.card is not None:
            self.was_alone |= run.was_alone
            self.was_beside |= not run.was_alone


def _median(values: Iterable[float]) -> float:
    """Of at least one value. By hand, as loading the library takes longer than all that is here."""
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def _alone(runs: Sequence[PastRun]) -> Sequence[PastRun]:
    """The runs that had a card to themselves, or all where there was none."""
    return [run for run in runs if run.was_alone] or runs


def _peaks(runs: Sequence[PastRun]) -> list[tuple[float | None, float]]:
    """VRAM of runs that lay on the card whole."""
    return [
        (run.size, float(run.peak_mib))
        for run in runs
        if run.peak_mib and run.residency is not Residency.GPU_RAM_OVERFLOW
    ]
