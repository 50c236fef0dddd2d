"""The work that is known at one moment, as numbers that are quick to play. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from nvinx.admission.job import Job  # noqa: TC001  (msgspec looks it up)
from nvinx.admission.waiting_queue import CHAINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.planner.companies import Companies

Cards: TypeAlias = tuple[int, ...]  # by their numbers
ON_CPU: Cards = ()
LONG = 10.0  # times the patience, or the run time if that is more: how long plans may pass one by


class Upcoming(Struct, frozen=True):
    """A job that is not ready: after these, by id, and not before `release_s`."""

    job: Job
    after: tuple[str, ...] = ()
    release_s: float = 0.0


class KnownJob(Struct):
    """One job. Times in seconds, memory in MiB.

    card_s: alone on a card; None: on the CPU only. cpu_s: on the CPU; None: not there. group: by
    kind and priority, the smaller is asked first. needs: on each card, None where it cannot be.
    size: the most of them and the least, larger for those alone. is_wide: others that pass it by
    have it let forward. is_upcoming: it is not ready yet. tail_s: what comes after it that is not
    known job by job. behind: who waits for it, by number. since_s: when it became ready. number: in
    the order in which they came. least, most: how many cards it has at once. cards: where it runs,
    None while it waits. left_s: of its work, alone. is_late: it runs on for longer than was
    expected.
    """

    id: str
    card_s: float | None
    cpu_s: float | None
    cores: int
    ram_mib: int
    species: int
    alone: bool
    group: tuple[bool, bool, int]
    needs: tuple[int | None, ...]
    chain_s: float
    size: tuple[int, int]
    is_wide: bool = False
    is_upcoming: bool = False
    tail_s: float = 0.0
    behind: tuple[int, ...] = ()
    waits_for: int = 0
    since_s: float = 0.0
    number: int = 0
    release_s: float = 0.0
    least: int = 1
    most: int = 1
    cards: Cards | None = None
    left_s: float = 0.0
    is_late: bool = False

    @property
    def is_gang(self) -> bool:
        """Whether it may have several cards at once."""
        return self.most > 1 and self.card_s is not None

    @property
    def has_choice(self) -> bool:
        """Whether it could run on a card and on the CPU."""
        return self.card_s is not None and self.cpu_s is not None

    @property
    def length_s(self) -> float:
        """On a card, or where it cannot use one on the CPU."""
        return (self.cpu_s if self.card_s is None else self.card_s) or 0.0

    def turn_s(self, since_s: float) -> float:
        """Its place without a plan, where it has waited since then; the smaller is asked first."""
        return since_s - CHAINS * self.chain_s

    def was_passed(self, at: float, patience_s: float) -> bool:
        """Whether it has waited for many times its patience and its own run time, or for half its
        run time where it is wide.
        """
        waited_s = at - self.since_s
        is_long = waited_s > LONG * max(patience_s, self.card_s or 0.0, self.cpu_s or 0.0)
        return is_long or self.goes_forward(waited_s)

    def goes_forward(self, waited_s: float) -> bool:
        """Whether it is let forward after such a wait: half its run time, where it is wide."""
        return self.is_wide and waited_s > self.length_s / 2


class Work(Struct):
    """All jobs that are planned for, and what they share. ram_mib: None where nobody counts it.

    budgets: MiB of each card for those who share it. patience_s: as in the policy.
    """

    at: float
    jobs: Sequence[KnownJob]
    budgets: tuple[int, ...]
    cores: int
    ram_mib: int | None
    companies: Companies
    patience_s: float
