"""What earlier runs taught: how long jobs of a kind take, and what sharing costs them. Pure.

Times alone are medians of runs that had a card almost to themselves. What each partner costs is the
least squares fit of (time beside others ÷ time alone) - 1 over how many of each partner were there,
with no cost below 0, and drawn to 0 as if half a run had cost nothing, so that one odd run decides
little. Both are worked out anew when a run is added.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.catalog import Residency
from nvinx.history import size_model
from nvinx.jobs.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nvinx.history.runs import PastRun
    from nvinx.history.size_model import SizeModel
    from nvinx.jobs.claim import Claim

KEPT = 40  # runs of one kind on one sort of place: enough for a median, and old ones fade
LATELY = 8  # runs that tell whether a kind keeps running out of memory
MEASURE_AT_MOST_S = 600.0
VRAM_HEADROOM = 1.02  # above what 95 % of runs stay below

_DRAWN_TO_NONE = 0.5
_SETTLED, _MOST_PASSES = 1e-9, 1000


class RunStatistics:
    """Successful runs, and what follows from them. Give it runs of this bench's cards only.

    One thread adds, others may ask meanwhile.
    """

    def __init__(
        self,
        runs: Iterable[PastRun] = (),
        recall: Callable[[str], Iterable[PastRun]] = lambda _: (),
    ) -> None:
        """recall: gives the earlier runs of a kind or profile, the oldest first.

        It is asked once for each name, when that is first spoken of, so that what is known of
        thousands of others costs nothing.
        """
        self._recall = recall
        self._known: dict[str, _Known] = {}
        self._costs: dict[str, dict[str, float]] = {}
        self._models: dict[tuple[str, str], SizeModel | None] = {}
        for run in runs:
            self.add(run)

    def add(self, run: PastRun) -> None:
        """Learn from one more run; failed ones teach nothing of times, those of no kind nothing."""
        if not run.kind:
            return
        for name in {run.kind, run.profile}:
            self._about(name).add(name, run)
        for what in _AMOUNTS:
            self._models.pop((what, run.kind), None)
        self._costs.pop(run.profile, None)

    def _about(self, name: str) -> _Known:
        known = self._known.get(name)
        if known is None:
            known = _Known()
            for run in self._recall(name):
                known.add(name, run)
            known = self._known.setdefault(name, known)  # another thread may have been first
        return known

    def gpu_s(self, kind: str, size: float | None = None) -> float | None:
        """Expected seconds on a card, alone if it was ever seen alone; None when never seen.


        size: of the input, where it is known.
        """
        runs = list(self._about(kind).on_card)
        return _expected_s(self._model(_GPU_S, kind), size, runs) if runs else None

    def cpu_s(self, kind: str, size: float | None = None) -> float | None:
        """Expected seconds on the CPU; None when never seen there."""
        runs = list(self._about(kind).on_cpu)
        return _expected_s(self._model(_CPU_S, kind), size, runs) if runs else None

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
            known = self._about(kind)
            runs = list(known.on_cpu if what is _CPU_S else known.on_card)
            self._models[what, kind] = size_model.fit(_AMOUNTS[what](runs))
        return self._models[what, kind]

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

    def excess_slowdown(self, profile: str, partner: str) -> float | None:
        """How much longer a run takes beside this partner, as a share; None when not known."""
        if profile not in self._costs:
            self._costs[profile] = _costs(list(self._about(profile).of_profile))
        return self._costs[profile].get(partner)

    def wants_alone(self, profile: str) -> bool:
        """Whether one run alone would tell what sharing costs.

        Only where there were runs beside others and none alone, and they were short.
        """
        runs = list(self._about(profile).of_profile)
        if not runs or any(run.was_alone for run in runs):
            return False
        return _median(run.ran_s for run in runs) <= MEASURE_AT_MOST_S


class _Known:
    """The last runs of one name, which may be that of a kind, of a profile, or of both."""

    def __init__(self) -> None:
        self.on_cpu: deque[PastRun] = deque(maxlen=KEPT)
        self.on_card: deque[PastRun] = deque(maxlen=KEPT)
        self.of_profile: deque[PastRun] = deque(maxlen=KEPT)
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
            self.of_profile.append(run)


def _typical_s(runs: Sequence[PastRun]) -> float:
    """The median of runs alone, else of all of them."""
    return _median(run.ran_s for run in _alone(runs))


def _median(values: Iterable[float]) -> float:
    """Of at least one value. By hand, as loading the library takes longer than all that is here."""
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def _alone(runs: Sequence[PastRun]) -> Sequence[PastRun]:
    """The runs that had a card to themselves, or all where there was none; on the CPU all."""
    return [run for run in runs if run.was_alone] or runs


def _expected_s(model: SizeModel | None, size: float | None, runs: Sequence[PastRun]) -> float:
    """By the size of the input where that says anything, else the typical time."""
    if model is None or model.power == 0:
        return _typical_s(runs)
    return model.typical(size) or _typical_s(runs)


def _seconds(runs: Sequence[PastRun]) -> list[tuple[float | None, float]]:
    return [(run.size, run.ran_s) for run in _alone(runs)]


def _peaks(runs: Sequence[PastRun]) -> list[tuple[float | None, float]]:
    """VRAM of runs that lay on the card whole."""
    return [
        (run.size, float(run.peak_mib))
        for run in runs
        if run.peak_mib and run.residency is not Residency.GPU_RAM_OVERFLOW
    ]


_VRAM, _GPU_S, _CPU_S = "vram", "gpu_s", "cpu_s"
_AMOUNTS = {_VRAM: _peaks, _GPU_S: _seconds, _CPU_S: _seconds}


def _costs(runs: Iterable[PastRun]) -> dict[str, float]:
    """What each partner costs runs of one profile; each kind is compared with itself alone."""
    rows, longer = [], []
    by_kind = defaultdict(list)
    for run in runs:
        by_kind[run.kind].append(run)
    for several in by_kind.values():
        if any(run.was_alone for run in several):
            model = size_model.fit(_seconds(several))
            for run in several:
                if not run.was_alone:
                    rows.append(run.co_residents)
                    longer.append(run.ran_s / _expected_s(model, run.size, several) - 1.0)
    return _least_squares(rows, longer)


def _least_squares(rows: list[Mapping[str, float]], longer: list[float]) -> dict[str, float]:
    """The best cost of each partner given the others', again and again until none changes.

    The pull to 0 makes the problem strictly convex, so this ends at its only minimum. By hand, as
    this is asked while the ledger is held, and loading numpy and scipy takes half a second.
    """
    partners = sorted({name for row in rows for name in row})
    table = [[row.get(name, 0.0) for name in partners] for row in rows]
    columns = list(zip(*table, strict=True))
    shared = [[_dot(one, other) for other in columns] for one in columns]
    wanted = [_dot(column, longer) for column in columns]
    costs = [0.0] * len(partners)
    for _ in range(_MOST_PASSES):
        moved = 0.0
        for j, row in enumerate(shared):
            others = _dot(row, costs) - row[j] * costs[j]
            best = max(0.0, (wanted[j] - others) / (row[j] + _DRAWN_TO_NONE))
            moved, costs[j] = max(moved, abs(best - costs[j])), best
        if moved < _SETTLED:
            break
    return dict(zip(partners, costs, strict=True))


def _dot(one: Iterable[float], other: Iterable[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
