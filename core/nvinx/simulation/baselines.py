"""Policies of other engines, for comparison in simulations. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission.estimates import Outlook
from nvinx.admission.policy import LongestChainFirst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nvinx.admission.availability import Room
    from nvinx.admission.policy import Policy
    from nvinx.admission.step import State, Waiting
    from nvinx.jobs.claim import Claim
    from nvinx.reasons import Reason


class VramFifo(LongestChainFirst):
    """First come, first served, as many as VRAM holds; whoever fits overtakes whoever does not."""

    def __init__(self) -> None:
        super().__init__(Outlook(), patience_s=float("inf"))

    def in_line(self, waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
        return dict(waiting)

    def _line(self, state: State, at: float) -> Sequence[Iterable[Waiting]]:  # noqa: ARG002
        return [[waiting] for waiting in state.waiting.values()]

    def _promise(self, waiting: Waiting, reason: Reason, state: State, room: Room) -> None:
        """Nobody is promised anything."""


class Serial(VramFifo):
    """One GPU job at a time, first come, first served, as with `gpu=1` on every rule."""

    def __init__(self) -> None:
        super().__init__()
        self._outlook = _NoGain()


class _NoGain(Outlook):
    def gain(self, claim: Claim, residents: Sequence[Claim]) -> tuple[float, float]:  # noqa: ARG002
        return 1.0, 1.0


POLICIES: Mapping[str, Callable[[Outlook], Policy]] = {
    "nvinx": LongestChainFirst,
    "serial": lambda _: Serial(),
    "vram-fifo": lambda _: VramFifo(),
}
