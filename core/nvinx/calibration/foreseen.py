"""What a calibration would find where the real slowdowns are known: for simulations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.calibration.tasks import Together, plan
from nvinx.interference.fit import fit_slowdown_model
from nvinx.interference.slowdown import CoRun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.interference.slowdown import SlowdownModel


def calibration_of(truth: SlowdownModel, models: Iterable[str]) -> SlowdownModel:
    """The fit to the co-runs that `nvinx calibrate` would measure of these models.

    Of fewer than two there is none to measure, and the truth stands for it.
    """
    listed = sorted(set(models))
    if len(listed) < 2:  # noqa: PLR2004
        return truth
    pairs = [task for task in plan(listed) if isinstance(task, Together)]
    return fit_slowdown_model(_seen(truth, pair) for pair in pairs)


def _seen(truth: SlowdownModel, pair: Together) -> CoRun:
    one, other = pair.a, pair.b
    beside = truth.predict(one, [other]).slowdown, truth.predict(other, [one]).slowdown
    return CoRun(one, other, *beside)
