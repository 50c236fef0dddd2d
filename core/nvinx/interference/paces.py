"""How fast runs went in the company that they had, and what that owes to each pair. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.interference import p_norm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nvinx.interference.company import Company
    from nvinx.interference.observed import Observed

_ALONE = -1  # the number of no company
# Of the time: who was there for less at the end was there by chance. A batch of equal jobs ends
# within moments, in some order, and that says nothing of how they slow each other down.
_MOMENT = 0.02


class Paces:
    """The time of some runs by company, as arrays.

    pairs: (who suffers, beside whom), in the order in which `logs` wants their excesses.
    """

    def __init__(self, runs: Sequence[Observed], first: Iterable[tuple[str, str]] = ()) -> None:
        """first: pairs that come first, whether a run shows them or not."""
        import numpy as np

        self._at = {pair: at for at, pair in enumerate(first)}
        self._companies: dict[tuple[tuple[int, int], ...], int] = {}
        shares = [
            (row, self._number(run.profile, each), each.seconds / run.ran_s)
            for row, run in enumerate(runs)
            for each in run.company
        ]
        self._runs = len(runs)
        self._last = np.array([self._company_at_end(run) for run in runs], dtype=int)
        self._row, self._company, self._share = _columns(shares, 3)
        self._alone = np.clip(1.0 - _summed(self._row, self._share, self._runs), 0.0, 1.0)
        members = [(at, *one) for key, at in self._companies.items() for one in key]
        self._of, self._pair, self._times = _columns(members, 3)
        self._end_is_known = self._was_there_for_a_while(runs)
        self._visits = self._members_of_shares()
        self.pairs = tuple(self._at)

    def _number(self, profile: str, beside: Company) -> int:
        key = tuple(
            (self._at.setdefault((profile, name), len(self._at)), number)
            for name, number in sorted(beside.partners.items())
        )
        return self._companies.setdefault(key, len(self._companies))

    def _company_at_end(self, run: Observed) -> int:
        last = next((each for each in run.company if each.at_end), None)
        return _ALONE if last is None else self._number(run.profile, last)

    def _was_there_for_a_while(self, runs: Sequence[Observed]) -> Any:
        """Of each run, whether who was there at its end was there for longer than a moment."""
        import numpy as np

        at_end = [sum(each.seconds for each in run.company if each.at_end) for run in runs]
        share = np.array([s / run.ran_s for s, run in zip(at_end, runs, strict=True)])
        return np.where(self._last == _ALONE, self._alone, share) > _MOMENT

    def _members_of_shares(self) -> tuple[Any, Any]:
        """Each share with each member of its company: the two numbers."""
        import numpy as np

        first = np.searchsorted(self._of, self._company)
        last = np.searchsorted(self._of, self._company, side="right")
        share = np.repeat(np.arange(len(first)), last - first)
        before = np.cumsum(last - first) - (last - first)
        return share, first[share] + np.arange(len(share)) - before[share]

    def logs(self, excess: Any, exponent: float) -> tuple[Any, Any]:
        """Of each run ln pace, and how much more ln pace was at its end; from the pairs' excess.

        Pace is time alone over time. The second is 0 where nobody was there for a while at the end
        of a run. exponent: of `p_norm`.
        """
        import numpy as np

        slowdown = p_norm.slowdown(*self._sums(excess), exponent)
        log = np.log(self._pace(slowdown))
        at_end = -np.append(np.log(slowdown), 0.0)[self._last]
        return log, (at_end - log) * self._end_is_known

    def lost(self, excess: Any, exponent: float) -> tuple[Any, Any]:
        """By how much both fall with the ln excess of each pair: runs x pairs."""
        import numpy as np

        sums, wide = self._sums(excess), len(self.pairs)
        slowdown = p_norm.slowdown(*sums, exponent)
        by_total, by_squares = p_norm.slopes(*sums, exponent)
        cost = excess[self._pair]
        of_member = self._times * cost * (by_total[self._of] + 2 * cost * by_squares[self._of])
        of_member /= slowdown[self._of]
        of_share = self._share / slowdown[self._company] / self._pace(slowdown)[self._row]
        share, member = self._visits
        at = self._row[share] * wide + self._pair[member]
        lost = _summed(at, of_share[share] * of_member[member], self._runs * wide)
        lost = lost.reshape(self._runs, wide)
        of_company = _summed(self._of * wide + self._pair, of_member, len(slowdown) * wide)
        alone = np.zeros((1, wide))
        at_end = np.vstack([of_company.reshape(len(slowdown), wide), alone])[self._last]
        return lost, (at_end - lost) * self._end_is_known[:, None]

    def _sums(self, excess: Any) -> tuple[Any, Any]:
        """Of each company's excesses, and of their squares."""
        cost, size = excess[self._pair], len(self._companies)
        total = _summed(self._of, self._times * cost, size)
        return total, _summed(self._of, self._times * cost**2, size)

    def _pace(self, slowdown: Any) -> Any:
        return self._alone + _summed(self._row, self._share / slowdown[self._company], self._runs)


def _summed(at: Any, values: Any, length: int) -> Any:
    import numpy as np

    return np.bincount(at, values, length)


def _columns(rows: Sequence[tuple[float, ...]], width: int) -> tuple[Any, ...]:
    """The columns of a table, the last one real, the others whole numbers."""
    import numpy as np

    table = np.array(rows, dtype=float).reshape(-1, width).T
    return (*table[:-1].astype(int), table[-1])
