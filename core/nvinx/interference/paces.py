"""How fast runs went in the company that they had, and what that owes to each pair. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.interference import p_norm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nvinx.interference.company import Company
    from nvinx.interference.observed import Observed


class Paces:
    """The time of some runs by company, as arrays.

    pairs: (who suffers, beside whom), in the order in which `log_pace` wants their excesses.
    """

    def __init__(
        self, runs: Sequence[Observed], exponent: float, first: Iterable[tuple[str, str]] = ()
    ) -> None:
        """exponent: of `p_norm`. first: pairs that come first, whether a run shows them or not."""
        import numpy as np

        self.exponent = exponent
        self._at = {pair: at for at, pair in enumerate(first)}
        self._companies: dict[tuple[tuple[int, int], ...], int] = {}
        shares = [
            (row, self._number(run.profile, each), each.seconds / run.ran_s)
            for row, run in enumerate(runs)
            for each in run.company
        ]
        self._runs = len(runs)
        self._row, self._company, self._share = _columns(shares, 3)
        self._alone = np.clip(1.0 - _summed(self._row, self._share, self._runs), 0.0, 1.0)
        members = [(at, *one) for key, at in self._companies.items() for one in key]
        self._of, self._pair, self._times = _columns(members, 3)
        self._visits = self._members_of_shares()
        self.pairs = tuple(self._at)

    def _number(self, profile: str, beside: Company) -> int:
        key = tuple(
            (self._at.setdefault((profile, name), len(self._at)), number)
            for name, number in sorted(beside.partners.items())
        )
        return self._companies.setdefault(key, len(self._companies))

    def _members_of_shares(self) -> tuple[Any, Any]:
        """Each share with each member of its company: the two numbers."""
        import numpy as np

        first = np.searchsorted(self._of, self._company)
        last = np.searchsorted(self._of, self._company, side="right")
        share = np.repeat(np.arange(len(first)), last - first)
        before = np.cumsum(last - first) - (last - first)
        return share, first[share] + np.arange(len(share)) - before[share]

    def log_pace(self, excess: Any) -> Any:
        """ln (time alone / time) of each run, from the excess of each pair."""
        import numpy as np

        slowdown = p_norm.slowdown(*self._sums(excess), self.exponent)
        return np.log(self._pace(slowdown))

    def lost(self, excess: Any) -> Any:
        """By how much that falls with the ln excess of each pair: runs x pairs."""
        sums = self._sums(excess)
        slowdown = p_norm.slowdown(*sums, self.exponent)
        by_total, by_squares = p_norm.slopes(*sums, self.exponent)
        of_share = self._share / slowdown[self._company] ** 2 / self._pace(slowdown)[self._row]
        cost = excess[self._pair]
        of_member = self._times * cost * (by_total[self._of] + 2 * cost * by_squares[self._of])
        share, member = self._visits
        at = self._row[share] * len(self.pairs) + self._pair[member]
        size = self._runs * len(self.pairs)
        lost = _summed(at, of_share[share] * of_member[member], size)
        return lost.reshape(self._runs, len(self.pairs))

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
