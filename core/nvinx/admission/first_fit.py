"""First fit in the order of arrival: a policy that believes nothing of slowdowns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.admission.availability import Availability
    from nvinx.admission.job import Waiting
    from nvinx.admission.state import State
    from nvinx.reasons import Reason


class VramFifo(LongestChainFirst):
    """First come, first served, as many as VRAM holds; whoever fits overtakes whoever does not."""

    def __init__(self) -> None:
        super().__init__(Estimates(), patience_s=float("inf"))

    def _queue(
        self,
        state: State,
        at: float,  # noqa: ARG002
        free: Availability,  # noqa: ARG002
    ) -> Iterable[Iterable[Waiting]]:
        return ([one] for one in state.waiting.as_they_came())

    def _reserve(self, waiting: Waiting, reason: Reason, state: State, free: Availability) -> None:
        """Nothing is reserved for anybody."""
