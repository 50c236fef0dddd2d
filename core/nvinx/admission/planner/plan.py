"""What a look ahead yields: an order, how much sharing must gain, and who goes to the CPU. Pure."""

from __future__ import annotations

from itertools import chain, groupby, islice
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.admission.done import Done
from nvinx.admission.estimates import WORTHWHILE
from nvinx.admission.waiting_queue import group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nvinx.admission.job import Job, Waiting

_FRONT = 100  # jobs of a kind: a round asks no more in vain


class Plan(Struct, frozen=True):
    """For the jobs of `rank`; all others keep their place in the queue.

    rank: by job id, the smaller is asked first. gain: how much more must get done for a job to join
    a card. binding: nobody overtakes a reservation unless there is room for both. on_cpu: who goes
    to the CPU. awaited: who is about to be queued, and for whom a place is kept until then, up to
    `until_s`. end_s, without_s: when all that is known will end, with the plan and without.
    done: by those who run.
    """

    rank: Mapping[str, int]
    gain: float = WORTHWHILE
    binding: bool = False
    on_cpu: frozenset[str] = frozenset()
    awaited: tuple[Job, ...] = ()
    until_s: float = 0.0
    end_s: float = 0.0
    without_s: float = 0.0
    done: Done = Done()

    def names(self, job: Job) -> bool:
        return job.id in self.rank

    def awaited_at(self, at: float) -> tuple[Job, ...]:
        return self.awaited if at <= self.until_s else ()

    def sends_to_cpu(self, job: Job) -> bool:
        return job.id in self.on_cpu and self.names(job)

    def ordered(self, part: Iterable[Waiting]) -> Iterable[Waiting]:
        """The front of a part of the queue, in which the jobs of the plan change places by rank.

        Those of one kind and priority alone; all others keep their place.
        """
        if not self.rank:
            return part
        queue = iter(part)
        return chain(self._by_rank(list(islice(queue, _FRONT))), queue)

    def _by_rank(self, front: list[Waiting]) -> Iterator[Waiting]:
        for _, alike in groupby(front, key=lambda waiting: group(waiting.job.claim)):
            listed = list(alike)
            known = [waiting for waiting in listed if self.names(waiting.job)]
            by_rank = iter(sorted(known, key=lambda waiting: self.rank[waiting.job.id]))
            yield from (next(by_rank) if self.names(w.job) else w for w in listed)


NO_PLAN = Plan({})
