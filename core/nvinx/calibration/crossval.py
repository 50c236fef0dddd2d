"""How wrong the slowdown model is on co-runs that it has not seen, beside simpler models."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nvinx.calibration.baselines import BASELINES
from nvinx.interference.fit import fit_slowdown_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nvinx.interference.slowdown import CoRun, Prediction, SlowdownModel

Scheme = Literal["pair", "model"]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One slowdown that was predicted without its own co-run; `error` is relative, 0.1 is 10 %."""

    of: str
    beside: str
    measured: float
    prediction: Prediction

    @property
    def error(self) -> float:
        return abs(self.prediction.slowdown / self.measured - 1.0)

    @property
    def covered(self) -> bool:
        return self.prediction.low <= self.measured <= self.prediction.high


@dataclass(frozen=True, slots=True)
class Summary:
    """Absolute errors in percent of the slowdown over `runs` predictions.

    coverage: the share of slowdowns inside their 90 % interval; None for models without one.
    """

    runs: int
    mean_pct: float
    median_pct: float
    p90_pct: float
    coverage: float | None = None

    @classmethod
    def of(cls, errors: Iterable[float], covered: Sequence[bool] | None = None) -> Summary:
        """Raises ValueError when there is no error to sum up."""
        import numpy as np

        percent = 100 * np.array(list(errors))
        if not len(percent):
            raise ValueError("nothing could be held out; measure more co-runs")
        return cls(
            len(percent),
            float(percent.mean()),
            float(np.median(percent)),
            float(np.quantile(percent, 0.9)),
            None if covered is None else sum(covered) / len(covered),
        )


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """The predictions that were made blind, their summary, and that of each baseline by name."""

    runs: tuple[HeldOut, ...]
    summary: Summary
    baselines: Mapping[str, Summary]


def cross_validate(
    coruns: Iterable[CoRun],
    scheme: Scheme = "pair",
    *,
    utilisation: Mapping[str, float] | None = None,
    solo_ms: Mapping[str, float] | None = None,
    kept: int = 2,
    seed: int = 0,
) -> CrossValidation:
    """Predict every co-run from the others, and say how wrong that was.

    scheme: `pair` leaves out one pair of models at a time; `model` treats each model as new, known
    by `kept` of its co-runs only (drawn with `seed`). solo_ms: time of one iteration alone, which
    the baselines theta and theta + gamma use. Raises ValueError with fewer than two pairs.
    """
    if scheme not in ("pair", "model"):
        raise ValueError(f"scheme is {scheme!r}; give 'pair' or 'model'")
    runs = list(coruns)
    folds = list(_by_pair(runs) if scheme == "pair" else _by_model(runs, kept, seed))
    whole = fit_slowdown_model(runs, utilisation=utilisation)
    held = []
    for known, left in folds:
        model = fit_slowdown_model(known, utilisation=utilisation, start=whole)
        held += [held_out for run in left for held_out in _predict(model, run)]
    baselines = {}
    for name, fit in BASELINES.items():
        errors = []
        for known, left in folds:
            predict = fit([d for run in known for d in run.directed], solo_ms or {})
            errors += [abs(predict(i, j) / s - 1) for run in left for i, j, s in run.directed]
        baselines[name] = Summary.of(errors)
    summary = Summary.of([h.error for h in held], [h.covered for h in held])
    return CrossValidation(tuple(held), summary, baselines)


def _predict(model: SlowdownModel, run: CoRun) -> Iterator[HeldOut]:
    for of, beside, slowdown in run.directed:
        prediction = model.predict(of, [beside])
        if prediction.source != "measured":
            yield HeldOut(of, beside, slowdown, prediction)


def _by_pair(runs: Sequence[CoRun]) -> Iterator[tuple[list[CoRun], list[CoRun]]]:
    pairs = dict.fromkeys(frozenset((run.a, run.b)) for run in runs)
    if len(pairs) < 2:  # noqa: PLR2004
        raise ValueError("leaving a pair out needs co-runs of at least two pairs")
    for pair in pairs:
        left = [run for run in runs if frozenset((run.a, run.b)) == pair]
        yield [run for run in runs if frozenset((run.a, run.b)) != pair], left


def _by_model(
    runs: Sequence[CoRun], kept: int, seed: int
) -> Iterator[tuple[list[CoRun], list[CoRun]]]:
    """Models with no co-run to spare, or without which nothing is known, are not held out."""
    draw = random.Random(seed)
    found = False
    for model in dict.fromkeys(name for run in runs for name in (run.a, run.b)):
        own = [run for run in runs if model in (run.a, run.b)]
        others = [run for run in runs if model not in (run.a, run.b)]
        if len(own) <= kept or not others:
            continue
        found = True
        stay = draw.sample(own, kept)
        yield others + stay, [run for run in own if run not in stay]
    if not found:
        raise ValueError(f"leaving a model out needs one with more than {kept} co-runs")
