"""A rule by which jobs are played: in which order, who may share, who goes to the CPU. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission.estimates import WORTHWHILE

if TYPE_CHECKING:
    from collections.abc import Sequence


class Rule(Struct, frozen=True):
    """One way to go on from here.

    order: of each job, the smaller is asked first; None: by chain and age, as without a plan.
    gain: how much more must get done for a job to join a card. binding: nobody overtakes a
    reservation unless there is room for both. on_cpu: who goes there; None: whoever is done sooner
    there than by waiting.
    """

    order: Sequence[float] | None = None
    gain: float = WORTHWHILE
    binding: bool = False
    on_cpu: frozenset[int] | None = None


TODAY = Rule()
