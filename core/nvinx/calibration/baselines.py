"""The simpler slowdown models that the default is measured against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Directed = tuple[str, str, float]
Predictor = Callable[[str, str], float]
_GAMMA_MOST = 5.0


def one_constant(runs: Sequence[Directed], _solo_ms: Mapping[str, float]) -> Predictor:
    """Everybody is slowed down by the mean."""
    mean = sum(slowdown for *_, slowdown in runs) / len(runs)
    return lambda _of, _beside: mean


def theta(runs: Sequence[Directed], solo_ms: Mapping[str, float]) -> Predictor:
    """Upstream's queue-aware form, relative to the solo time: 1 + theta_i * partner's share."""
    return _Thetas(runs, solo_ms, 0.0).predict


def theta_gamma(runs: Sequence[Directed], solo_ms: Mapping[str, float]) -> Predictor:
    """The same with the kernel-size term; kernels per iteration are taken as equal."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda gamma: _Thetas(runs, solo_ms, gamma).loss, bounds=(0.0, _GAMMA_MOST)
    )
    return _Thetas(runs, solo_ms, float(found.x)).predict


BASELINES: Mapping[str, Callable[[Sequence[Directed], Mapping[str, float]], Predictor]] = {
    "one constant": one_constant,
    "theta": theta,
    "theta + gamma": theta_gamma,
}


class _Thetas:
    """theta of each model by relative least squares, in closed form, for one gamma."""

    def __init__(
        self, runs: Sequence[Directed], solo_ms: Mapping[str, float], gamma: float
    ) -> None:
        self._solo_ms, self._gamma = solo_ms, gamma
        above: dict[str, float] = {}
        below: dict[str, float] = {}
        for of, beside, slowdown in runs:
            weight = self._weight(of, beside)
            above[of] = above.get(of, 0.0) + weight * (slowdown - 1) / slowdown**2
            below[of] = below.get(of, 0.0) + (weight / slowdown) ** 2
        self._theta = {of: above[of] / below[of] for of in above}
        self._mean = sum(self._theta.values()) / len(self._theta)
        self.loss = sum((self.predict(i, j) / s - 1) ** 2 for i, j, s in runs)

    def predict(self, of: str, beside: str) -> float:
        return 1 + self._theta.get(of, self._mean) * self._weight(of, beside)

    def _weight(self, of: str, beside: str) -> float:
        """The partner's share of the queue; half where a solo time is not known."""
        own, partner = self._solo_ms.get(of), self._solo_ms.get(beside)
        if own is None or partner is None:
            return (1 + self._gamma) / 2
        return partner / (own + partner) * (1 + self._gamma * partner / own)
