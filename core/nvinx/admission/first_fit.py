"""First fit in the order of arrival: a policy that believes nothing of slowdowns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nvinx.admission.availability import Availability
    from nvinx.admission.state import State, Waiting
    from nvinx.reasons import Reason


class VramFifo(LongestChainFirst):
    """First come, first served, as many as VRAM holds; whoever fits overtakes whoever does not."""

    def __init__(self) -> None:
        super().__init__(Estimates(), patience_s=float("inf"))

    def in_order(self, waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
        return dict(sorted(waiting.items(), key=lambda item: item[1].since))

    def _queue(self, state: State, at: float) -> Sequence[Iterable[Waiting]]:  # noqa: ARG002
        return [[waiting] for waiting in state.waiting.values()]

    def _reserve(self, waiting: Waiting, reason: Reason, state: State, free: Availability) -> None:
        """Nothing is reserved for anybody."""
