"""Which running jobs would give up cards to an urgent one, with the least work lost. Pure.

All or nothing: as many cards as it needs at once, or nobody is chosen. Who holds several cards is
lost once, and frees all of them. Nobody who did not agree is chosen, nor anybody more often than
`MOST_TIMES` or twice within the time that it takes.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission import card_sets, suspending
from nvinx.jobs.preemption import MOST_TIMES, Mode
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nvinx.admission.allocation import Allocation
    from nvinx.admission.availability import Availability
    from nvinx.admission.job import Job
    from nvinx.bench.capacity import Card
    from nvinx.jobs.claim import Claim

_MOST_TRIED = 8  # jobs of a card, of which every choice is looked at
_MOST_GANGS = 4  # the same of those that hold several cards


class Choice(Struct, frozen=True):
    """Who would give these cards up, who would stay there, and the work lost, in seconds.

    leaving: those that do so already. staying: by the id of each card.
    """

    cards: tuple[Card, ...]
    victims: tuple[Allocation, ...]
    leaving: tuple[Allocation, ...]
    staying: dict[str, list[Allocation]]
    lost_s: float

    @property
    def is_help(self) -> bool:
        return bool(self.victims or self.leaving)

    @property
    def grace_s(self) -> float:
        return max((grace_s(one) for one in self.victims), default=0.0)

    @property
    def free(self) -> int:
        """How many of the cards the job could have without anybody's help."""
        held = {
            card_id for one in (*self.victims, *self.leaving) for card_id in one.placement.cards
        }
        return sum(card.id not in held for card in self.cards)


class _Part(Struct, frozen=True):
    """What it takes for one card to hold the job: who is on no other card and leaves."""

    card: Card
    victims: tuple[Allocation, ...]
    staying: list[Allocation]
    lost_s: float
    ram_mib: int


def choose(
    job: Job,
    residency: Residency,
    cards: Iterable[Card],
    free: Availability,
    *,
    any_ram: bool = False,
) -> Choice | None:
    """With whose help the job could start on these cards; None where nobody's is enough.

    any_ram: as if there were as much RAM as is needed for whoever is suspended.
    """
    ram_mib = None if any_ram else free.ram_beside(job)
    search = _Search(job, residency, tuple(cards), free, ram_mib)
    found = None
    for gone in _subsets(search.gangs, _MOST_GANGS):
        choice = search.without(gone)
        if choice is not None and (found is None or choice.lost_s < found.lost_s):
            found = choice
    return found if found is not None and found.is_help else None


def agrees(one: Allocation, urgent: Claim, at: float) -> bool:
    """Whether a running job gives its card back to this one; not one that starts just now."""
    claim, before = one.job.claim, one.job.preempted
    if one.since >= at:
        return False
    if claim.preemptible is None or not urgent.may_preempt(claim) or not _is_at_work(one):
        return False
    if before is None:
        return True
    length_s = before.ran_s if claim.runtime_s is None else claim.runtime_s
    return before.times < MOST_TIMES and at - before.at >= length_s


def loss_s(one: Allocation, at: float) -> float:
    """Seconds of work that are lost where a job gives its card back: of one that may save what it
    has, its time for that; of one that is suspended, the time to copy its memory off and back.
    """
    if suspending.suspends(one.job.claim):
        return 2 * suspending.copy_s(one.placement)
    return grace_s(one) or max(at - one.since, 0.0)


def grace_s(one: Allocation) -> float:
    """Its time to save what it has, and to end or to leave the card."""
    if suspending.suspends(one.job.claim):
        return suspending.copy_s(one.placement)
    agreed = one.job.claim.preemptible
    return agreed.grace_s if agreed is not None and agreed.mode is Mode.SIGNAL else 0.0


def images_mib(victims: Iterable[Allocation]) -> int:
    """The RAM that those of them take which would be suspended."""
    suspended = (one for one in victims if suspending.suspends(one.job.claim))
    return sum(suspending.image_mib(one.placement) for one in suspended)


class _Search:
    """Looks for the cards on which the least is lost. gangs: who would leave several at once."""

    def __init__(
        self,
        job: Job,
        residency: Residency,
        cards: tuple[Card, ...],
        free: Availability,
        ram_mib: int | None,
    ) -> None:
        self._job, self._residency, self._cards = job, residency, cards
        self._free, self._ram_mib = free, ram_mib
        there = {one.job.id: one for card in cards for one in free.allocations(card.id)}
        self.gangs = self._willing(one for one in there.values() if _is_gang(one))
        self._known: dict[tuple[str, tuple[str, ...]], list[_Part]] = {}

    def without(self, gone: tuple[Allocation, ...]) -> Choice | None:
        """The best choice where these give up all their cards."""
        each = [self._parts(card, gone) for card in self._cards]
        able = [parts[0].card for parts in each if parts]
        claim, least = self._job.claim, card_sets.fewest(self._job.claim, self._residency, able)
        if least is None:
            return None
        spills = self._residency is Residency.GPU_RAM_OVERFLOW
        most = min(claim.cards.most, len(able)) if spills else least
        found = _least_lost(each, most, self._ram_mib)
        for some in (some for number in range(least, most + 1) for some in found[number]):
            chosen = [part.card for part in some]
            if card_sets.fewest(claim, self._residency, chosen) is not None:
                return self._joined(some, gone)
        return None

    def _joined(self, parts: tuple[_Part, ...], gone: tuple[Allocation, ...]) -> Choice:
        cards = tuple(part.card for part in parts)
        there = [one for card in cards for one in self._free.allocations(card.id)]
        leaving = {one.job.id: one for one in there if self._is_leaving(one)}
        victims = (*(one for part in parts for one in part.victims), *gone)
        staying = {part.card.id: part.staying for part in parts}
        lost_s = _lost_s(parts) + sum(loss_s(one, self._free.at) for one in gone)
        return Choice(cards, victims, tuple(leaving.values()), staying, lost_s)

    def _parts(self, card: Card, gone: tuple[Allocation, ...]) -> list[_Part]:
        """What it may take for this card, less RAM each time and more work lost."""
        there = [one for one in self._free.allocations(card.id) if not self._is_leaving(one)]
        absent = {one.job.id for one in gone}
        key = (card.id, tuple(one.job.id for one in there if one.job.id in absent))
        if key not in self._known:
            self._known[key] = self._found(card, [o for o in there if o.job.id not in absent])
        return self._known[key]

    def _found(self, card: Card, rest: Sequence[Allocation]) -> list[_Part]:
        found: list[_Part] = []
        willing = self._willing(one for one in rest if not _is_gang(one))
        for victims in sorted(_subsets(willing, _MOST_TRIED), key=self._lost_s):
            ram_mib = images_mib(victims)
            if found and ram_mib >= found[-1].ram_mib:
                continue
            left = {one.job.id for one in victims}
            staying = [one for one in rest if one.job.id not in left]
            if self._free.refuses_beside(card, self._job, self._residency, staying) is None:
                found.append(_Part(card, victims, staying, self._lost_s(victims), ram_mib))
                if not ram_mib:
                    break
        return found

    def _willing(self, there: Iterable[Allocation]) -> list[Allocation]:
        claim, at = self._job.claim, self._free.at
        agreed = (one for one in there if agrees(one, claim, at))
        return sorted(agreed, key=lambda one: loss_s(one, at))

    def _lost_s(self, victims: Iterable[Allocation]) -> float:
        return sum(loss_s(one, self._free.at) for one in victims)

    def _is_leaving(self, one: Allocation) -> bool:
        given_back = one.placement.given_back
        return given_back is not None and given_back.is_awaited(self._free.at)


def _least_lost(
    each: Sequence[Sequence[_Part]], most: int, ram_mib: int | None
) -> list[list[tuple[_Part, ...]]]:
    """By number of cards: what it takes for so many of them, the least lost first.

    More is lost only where that takes less RAM, and nothing takes more than there is.
    """
    found: list[list[tuple[_Part, ...]]] = [[()], *([] for _ in range(most))]
    for parts in each:
        for number in reversed(range(most)):
            more = [(*some, part) for some in found[number] for part in parts]
            found[number + 1] = _front([*found[number + 1], *more], ram_mib)
    return found


def _front(sums: Iterable[tuple[_Part, ...]], ram_mib: int | None) -> list[tuple[_Part, ...]]:
    front: list[tuple[_Part, ...]] = []
    least_mib = float("inf") if ram_mib is None else ram_mib + 1
    for some in sorted(sums, key=_lost_s):
        takes_mib = sum(part.ram_mib for part in some)
        if takes_mib < least_mib:
            front.append(some)
            least_mib = takes_mib
    return front


def _lost_s(parts: Iterable[_Part]) -> float:
    return sum(part.lost_s for part in parts)


def _subsets(willing: Sequence[Allocation], most: int) -> Iterator[tuple[Allocation, ...]]:
    """Every choice of a few, and all of them."""
    few = willing[:most]
    for number in range(len(few) + 1):
        yield from combinations(few, number)
    if len(willing) > len(few):
        yield tuple(willing)


def _is_gang(one: Allocation) -> bool:
    return len(one.placement.cards) > 1


def _is_at_work(one: Allocation) -> bool:
    """Whether nobody has asked for its card yet, and it can do what it agreed to."""
    placement = one.placement
    if placement.given_back is not None or placement.suspension is not None:
        return False
    return not suspending.suspends(one.job.claim) or suspending.can_leave(placement)
