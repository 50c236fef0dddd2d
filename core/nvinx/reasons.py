"""Why a job is where it is, or why it waits: data first, the sentences are in `explain`."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Why(Enum):
    """One cause. The value is stable: it stands in JSON output and in the ledger."""

    # placed
    WHOLE_CARD = "whole_card"
    RAN_OUT = "ran_out"
    FITS_BESIDE_OTHERS = "fits_beside_others"
    MEASURED_ALONE = "measured_alone"
    TRIED_TOGETHER = "tried_together"
    NO_END_IN_SIGHT = "no_end_in_sight"
    NEEDS_NO_GPU = "needs_no_gpu"
    NO_GPU_ON_BENCH = "no_gpu_on_bench"
    LARGER_THAN_CARD = "larger_than_card"
    TOO_FEW_CARDS = "too_few_cards"
    NO_CARD_OF_THAT_NAME = "no_card_of_that_name"
    TOO_LARGE_TO_SPLIT = "too_large_to_split"
    SPILLS_TO_RAM = "spills_to_ram"
    DURING_EXCLUSIVE = "during_exclusive"
    SOONER_ON_CPU = "sooner_on_cpu"
    # waiting
    CARD_HELD_EXCLUSIVELY = "card_held_exclusively"
    WANTS_CARD_ALONE = "wants_card_alone"
    CARDS_NOT_FREE = "cards_not_free"
    NOT_ENOUGH_VRAM = "not_enough_vram"
    NOT_ENOUGH_CORES = "not_enough_cores"
    NOT_ENOUGH_RAM = "not_enough_ram"
    BEHIND_OLDER_JOB = "behind_older_job"
    CARD_USED_BY_OTHERS = "card_used_by_others"
    NO_GAIN_FROM_SHARING = "no_gain_from_sharing"
    BREAKS_MAX_SLOWDOWN = "breaks_max_slowdown"
    OTHER_IS_MEASURED = "other_is_measured"
    LESSON_AWAITED = "lesson_awaited"
    CARD_ASKED_BACK = "card_asked_back"
    CARD_GIVEN_BACK = "card_given_back"
    PREEMPTION_LOSES_MORE = "preemption_loses_more"
    ROOM_ASKED = "room_asked"
    NO_RAM_TO_SUSPEND = "no_ram_to_suspend"
    # unscheduled
    CANNOT_SHARE = "cannot_share"
    NO_CPU_FALLBACK = "no_cpu_fallback"


class Reason(Struct, frozen=True):
    """A cause with its numbers.

    job: who it is about. need, have: what is asked and what is there, in the cause's own unit
    (MiB for memory, a count of cores or cards), None where the cause has no number: cards that are
    given back are counted where several are needed at once. behind: names of the jobs in the way,
    oldest first. factor, limit: the predicted figure of sharing and what it is held against: work
    per time together and without the newcomer, or a slowdown and its maximum, or seconds of work
    that a preemption would lose and of waiting that it would save.
    """

    job: str
    why: Why
    need: int | None = None
    have: int | None = None
    behind: tuple[str, ...] = ()
    factor: float | None = None
    limit: float | None = None

    @property
    def of_machine(self) -> bool:
        """True when the job's own engine lacks cores or RAM, so no card could help."""
        return self.why in (Why.NOT_ENOUGH_CORES, Why.NOT_ENOUGH_RAM)

    @property
    def of_judgement(self) -> bool:
        """True when only what the job's own engine believes of sharing is in the way."""
        return self.why in (Why.NO_GAIN_FROM_SHARING, Why.BREAKS_MAX_SLOWDOWN)
