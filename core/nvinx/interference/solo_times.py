"""How long kinds of jobs take alone, and how that grows with the input, as part of a fit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.interference.belief import Solo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.interference.observed import Observed

TIME_SD = 3.0  # of ln time alone
SLOWED = 0.5  # ln of how much slower than alone the runs of a kind are taken to be at first
GROWTH, GROWTH_SD = 0.5, 0.5  # of the power by which time grows with the size of the input


class SoloTimes:
    """The unknowns ln time of each kind on each make of card, and the power where sizes are known.

    effect: of the unknowns on ln time, runs x unknowns. centre, precision: what is believed before.
    """

    def __init__(self, runs: Sequence[Observed], log_s: Any) -> None:
        import numpy as np

        self.kinds = sorted({_kind(run) for run in runs})
        number = {kind: k for k, kind in enumerate(self.kinds)}
        of_kind = np.array([number[_kind(run)] for run in runs], dtype=int)
        self._sized: dict[int, int] = {}
        self._middle = [0.0] * len(self.kinds)
        columns = [(of_kind == k).astype(float) for k in range(len(self.kinds))]
        self.centre = [float(log_s[of_kind == k].mean()) - SLOWED for k in range(len(self.kinds))]
        for k in range(len(self.kinds)):
            logs = _log_sizes([run for run in runs if _kind(run) == self.kinds[k]])
            if logs is not None:
                self._sized[k], self._middle[k] = len(columns), float(logs.mean())
                column = np.zeros(len(runs))
                column[of_kind == k] = logs - self._middle[k]
                columns.append(column)
                self.centre.append(GROWTH)
        self.effect = np.array(columns).reshape(len(columns), len(runs)).T
        width = [TIME_SD] * len(self.kinds) + [GROWTH_SD] * len(self._sized)
        self.precision = [sd**-2 for sd in width]

    def believed(self, x: Any, variance: Any) -> dict[str, Solo]:
        """By kind, where it is known best, from the unknowns and their variances."""
        by_doubt = sorted(range(len(self.kinds)), key=lambda k: -variance[k])
        return {
            self.kinds[k][0]: Solo(
                float(x[k]),
                float(variance[k]) ** 0.5,
                float(x[self._sized[k]]) if k in self._sized else 0.0,
                self._middle[k],
            )
            for k in by_doubt
        }


def _kind(run: Observed) -> tuple[str, str]:
    return run.kind, run.card or ""


def _log_sizes(runs: Sequence[Observed]) -> Any:
    """None where sizes play no part: some are unknown, or all are alike."""
    import numpy as np

    sizes = [run.size for run in runs]
    if any(size is None or size <= 0 for size in sizes) or len(set(sizes)) == 1:
        return None
    return np.log(np.array(sizes, dtype=float))
