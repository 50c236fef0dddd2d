"""Which rule ends the known work soonest: a few are played, then one is changed bit by bit. Pure.

Bounded by how often jobs are asked in all plays together, so that the same work gives the same plan
on any machine.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from nvinx.admission.estimates import WORTHWHILE
from nvinx.admission.planner.play import Played, play
from nvinx.admission.planner.rule import TODAY, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.planner.work import Work

MOST_ASKED = 14_000
MOST_WAIT = (
    1.5  # times its run time: a plan has no wide job wait for longer, if today's rules do not
)
WORTH = 2e-3  # of what is left: a smaller gain is no reason to leave today's rules
GAINS = (WORTHWHILE, 1.1, 1.2, 0.97)
MOST_MOVED = 24  # jobs that are tried on the CPU one by one
MOST_CHANGES = 150  # of the rule, in one search
_A_PLAY = 30  # it costs as much as asking all of its jobs and so many more, to begin and end
_LEAST = 1e-9
_TO_CPU = 0.3  # of the changes send a job to the CPU or back, where there are CPU versions
_OTHER_GAIN = 0.05  # of the changes are to what sharing must gain
_HOT, _COLD = 3e-3, 8e-4  # of what is left: how much longer it may get, at first and at last


class Found(Struct, frozen=True):
    """The best rule, when the work ends by it, and when it would end by today's.

    on_cpu: who goes to the CPU by it though a card would do. awaited: who starts at once though it
    is not queued yet.
    """

    rule: Rule
    on_cpu: frozenset[int]
    awaited: tuple[int, ...]
    end_s: float
    today_s: float
    asked: int


def search(
    work: Work, before: Rule | None = None, most_asked: int = MOST_ASKED, seed: int = 0
) -> Found:
    """before: the rule that was found for what was known before. seed: of the changes."""
    looking = _Search(work, most_asked, seed)
    looking.try_rules(before)
    looking.move_to_cpu()
    looking.anneal()
    return looking.found()


class _Search:
    def __init__(self, work: Work, most_asked: int, seed: int) -> None:
        self._work, self._most, self._draw = work, most_asked, random.Random(seed)
        self._asked = 0
        self._stays = False
        self._most_wait_s: dict[int, float] = {}
        self._today = self._play(TODAY)
        today_s = self._today.waited_s
        self._most_wait_s = {
            n: max(today_s.get(n, 0.0) + _LEAST, MOST_WAIT * job.length_s)
            for n, job in enumerate(work.jobs)
            if job.is_gang
        }
        self._best, self._rule = self._today, TODAY
        jobs = enumerate(work.jobs)
        self._waiting = [n for n, job in jobs if job.cards is None]
        self._both = [n for n in self._waiting if work.jobs[n].has_choice]

    def found(self) -> Found:
        worth_s = WORTH * (self._today.end_s - self._work.at)
        pays = self._stays or self._best.end_s < self._today.end_s - worth_s
        best, rule = (self._best, self._rule) if pays else (self._today, TODAY)
        on_cpu = best.on_cpu if rule.on_cpu is None else rule.on_cpu
        return Found(rule, on_cpu, best.awaited, best.end_s, self._today.end_s, self._asked)

    def try_rules(self, before: Rule | None) -> None:
        """That of before, then orders, then what sharing must gain, then who may overtake."""
        if before is not None:
            self._stay_with(before)
        for order in (by_chain(self._work), by_chain_and_area(self._work)):
            self._attempt(Rule(order))
        for gain in GAINS:
            self._attempt(replace(self._in_order(), gain=gain))
        self._attempt(replace(self._in_order(), binding=True))

    def _stay_with(self, before: Rule) -> None:
        """As long as today's rules are not better: what is foreseen of them holds less closely."""
        limit_s = self._today.end_s + _LEAST
        played = self._play(before, limit_s)
        if played.end_s <= limit_s:
            self._best, self._rule, self._stays = played, before, True

    def move_to_cpu(self) -> None:
        """Single jobs, those first that lose least there."""
        jobs = self._work.jobs
        by_loss = sorted(
            self._both, key=lambda n: ((jobs[n].cpu_s or 0.0) / (jobs[n].card_s or 1.0), n)
        )
        for n in by_loss[:MOST_MOVED]:
            self._move(n)

    def anneal(self) -> None:
        """Change the rule as long as there is work left; one that ends later is kept too, the less
        often the later it ends and the less work is left (simulated annealing).
        """
        if len(self._waiting) <= 1:
            return
        begun, left_s = self._asked, self._best.end_s - self._work.at
        end_s, rule = self._best.end_s, self._as_places()
        for k in range(MOST_CHANGES):
            if self._asked >= self._most:
                return
            done = max(k / MOST_CHANGES, (self._asked - begun) / (self._most - begun))
            warmth_s = left_s * _HOT * (_COLD / _HOT) ** done
            limit_s = end_s - warmth_s * math.log(1.0 - self._draw.random())
            changed = self._changed(rule)
            played = self._play(changed, limit_s)
            if played.end_s <= limit_s:
                end_s, rule = played.end_s, changed
                self._keep_if_better(played, changed)

    def _as_places(self) -> Rule:
        """The best so far, with a place for each job, and with those named who go to the CPU."""
        rule = self._in_order()
        return replace(rule, order=_places(line_of(rule.order or ())), on_cpu=self._there())

    def _in_order(self) -> Rule:
        """The best so far with an order of its own, as only such a rule can be told as a plan."""
        rule = self._rule
        return rule if rule.order is not None else replace(rule, order=by_turn(self._work))

    def _changed(self, rule: Rule) -> Rule:
        """One job goes to the CPU or back, or takes another place, or sharing must gain so much."""
        draw = self._draw
        what = draw.random()
        if self._both and what < _TO_CPU:
            return replace(rule, on_cpu=(rule.on_cpu or frozenset()) ^ {draw.choice(self._both)})
        if what > 1.0 - _OTHER_GAIN:
            return replace(rule, gain=draw.choice(GAINS), binding=draw.choice((True, False)))
        return replace(rule, order=_places(self._moved(line_of(rule.order or ()))))

    def _moved(self, line: list[int]) -> list[int]:
        """Two jobs change places, or one takes another."""
        one, other = self._draw.choice(self._waiting), self._draw.choice(self._waiting)
        if self._draw.choice((True, False)):
            k, m = line.index(one), line.index(other)
            line[k], line[m] = other, one
        else:
            line.remove(one)
            line.insert(self._draw.randrange(len(line) + 1), one)
        return line

    def _move(self, n: int) -> None:
        self._attempt(replace(self._in_order(), on_cpu=self._there() ^ {n}))

    def _there(self) -> frozenset[int]:
        """Who goes to the CPU by the best so far."""
        return self._best.on_cpu if self._rule.on_cpu is None else self._rule.on_cpu

    def _attempt(self, rule: Rule) -> None:
        """The rule takes the place of the best so far, if it is better."""
        if self._asked < self._most:
            self._keep_if_better(self._play(rule, self._best.end_s - _LEAST), rule)

    def _keep_if_better(self, played: Played, rule: Rule) -> None:
        if played.end_s < self._best.end_s - _LEAST:
            self._best, self._rule = played, rule

    def _play(self, rule: Rule, limit_s: float = math.inf) -> Played:
        left = self._most - self._asked if self._asked else math.inf
        played = play(self._work, rule, limit_s, left, self._most_wait_s)
        self._asked += played.asked + len(self._work.jobs) + _A_PLAY
        return played


def line_of(order: Sequence[float]) -> list[int]:
    """The jobs by their places."""
    return sorted(range(len(order)), key=order.__getitem__)


def _places(line: list[int]) -> list[float]:
    """Of each job, its place in the line."""
    places = [0.0] * len(line)
    for place, n in enumerate(line):
        places[n] = float(place)
    return places


def by_turn(work: Work) -> list[float]:
    """As without a plan, as far as it is known when those come who are not ready yet."""
    return [job.turn_s(work.at if job.is_upcoming else job.since_s) for job in work.jobs]


def by_chain(work: Work) -> list[float]:
    """The longest chain of known jobs behind it first."""
    chains = [0.0] * len(work.jobs)
    for n in reversed(range(len(work.jobs))):
        job = work.jobs[n]
        behind = max((chains[other] for other in job.behind), default=job.tail_s)
        chains[n] = behind + job.length_s
    return [-chain for chain in chains]


def by_chain_and_area(work: Work) -> list[float]:
    """The same, with those earlier that hold much of a card for long."""
    return [
        order - _AREA * job.least * max((mib or 0 for mib in job.needs), default=0) * job.length_s
        for order, job in zip(by_chain(work), work.jobs, strict=True)
    ]


_AREA = 1e-3  # seconds of chain that a second of holding a MiB counts for
