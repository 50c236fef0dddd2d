"""A rule played to the end of the known work, as `policy` would play it. Pure."""

from __future__ import annotations

import math
from bisect import insort
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from nvinx.admission.planner.holdings import Holdings
from nvinx.admission.planner.reservations import Reservations
from nvinx.admission.planner.work import ON_CPU
from nvinx.admission.waiting_queue import CHAINS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.admission.planner.rule import Rule
    from nvinx.admission.planner.work import Work

_DONE_S = 1e-9
_ENDS = 4  # to look at as many costs as much as to ask a job
_Entry: TypeAlias = tuple[tuple[bool, bool, int], float, int]
_GROUP_AND_PLACE = itemgetter(0, 1)  # those let forward come first in a place, by their age


class Played(Struct):
    """How a rule went. end_s: the last end, with what comes after; infinite where it was given up.

    on_cpu: who went there though a card would do. asked: how often jobs were asked, and four ends
    that a reservation looked at count as much: what a play costs. awaited: who starts at once
    though it is not queued yet. waited_s: how long each job of several cards waited.
    """

    end_s: float
    on_cpu: frozenset[int]
    asked: int
    awaited: tuple[int, ...] = ()
    waited_s: Mapping[int, float] = {}


def play(
    work: Work,
    rule: Rule,
    limit_s: float = math.inf,
    most_asked: float = math.inf,
    most_wait_s: Mapping[int, float] | None = None,
) -> Played:
    """Play it; given up once it cannot end by `limit_s`, has cost so much, or has a job of
    several cards wait for longer than `most_wait_s`.
    """
    return _Play(work, rule, most_wait_s or {}).run(limit_s, most_asked)


class _Play:
    def __init__(self, work: Work, rule: Rule, most_wait_s: Mapping[int, float]) -> None:
        self._work, self._jobs, self._rule = work, work.jobs, rule
        self._most_wait_s = most_wait_s
        self._waited_s: dict[int, float] = {}
        self._is_too_long = False
        self._at, self._end_s = work.at, work.at
        self._held = Holdings(work)
        self._needs = [job.waits_for for job in work.jobs]
        self._since = [job.since_s for job in work.jobs]
        self._number = [job.number for job in work.jobs]
        self._next_number = max(self._number, default=0) + 1
        self._some_wide = any(job.is_wide for job in work.jobs)
        self._longest_s = max((job.chain_s for job in work.jobs), default=0.0)
        self._ready: list[_Entry] = []
        self._coming: list[tuple[float, int]] = []
        self._moved = rule.on_cpu or frozenset[int]()
        self._on_cpu: set[int] = set()
        self._asked = 0
        for n, job in enumerate(work.jobs):
            if job.cards is None and not job.waits_for:
                self._open(n)

    def run(self, limit_s: float, most_asked: float) -> Played:
        begun = len(self._held.running)
        awaited: tuple[int, ...] = ()
        while self._held.running or self._ready or self._coming:
            self._round()
            if self._at == self._work.at:
                awaited = tuple(n for n in self._held.running[begun:] if self._jobs[n].is_upcoming)
            pause = self._next_s()
            is_over = self._is_too_long or self._asked > most_asked
            if is_over or pause == math.inf or self._at + pause > limit_s:
                return Played(math.inf, frozenset(), self._asked)
            self._pass(pause)
        return Played(self._end_s, frozenset(self._on_cpu), self._asked, awaited, self._waited_s)

    def _next_s(self) -> float:
        """Until the next end, or until somebody comes."""
        left_s, pace = self._held.left_s, self._held.pace
        pause = min([left_s[n] / pace[n] for n in self._held.running], default=math.inf)
        if self._coming:
            pause = min(pause, self._coming[0][0] - self._at)
        return max(pause, 0.0)

    def _pass(self, pause: float) -> None:
        self._at += pause
        left_s, pace = self._held.left_s, self._held.pace
        for n in self._held.running:
            left_s[n] -= pause * pace[n]
        for n in [n for n in self._held.running if left_s[n] <= _DONE_S]:
            self._finish(n)
        while self._coming and self._coming[0][0] <= self._at + _DONE_S:
            self._enter(self._coming.pop(0)[1])

    def _finish(self, n: int) -> None:
        job = self._jobs[n]
        self._held.end(n)
        self._end_s = max(self._end_s, self._at + job.tail_s)
        for behind in job.behind:
            self._needs[behind] -= 1
            if not self._needs[behind]:
                self._open(behind)

    # who is ready

    def _open(self, n: int) -> None:
        """All that the job waited for has ended."""
        release_s = self._jobs[n].release_s
        if release_s > self._at + _DONE_S:
            insort(self._coming, (release_s, n))
        else:
            self._enter(n)

    def _enter(self, n: int) -> None:
        job = self._jobs[n]
        if job.is_upcoming:
            self._since[n], self._number[n] = self._at, self._next_number
            self._next_number += 1
        insort(self._ready, (job.group, self._place(n), n))

    def _place(self, n: int) -> float:
        if self._rule.order is not None:
            return self._rule.order[n]
        return self._jobs[n].turn_s(self._since[n])

    def _in_turn(self) -> list[_Entry]:
        """The ready jobs; those who are wide and were passed by are let forward."""
        if not self._some_wide:
            return self._ready
        passed = [entry for entry in self._ready if self._was_passed(entry[2])]
        if not passed:
            return self._ready
        group = min(entry[0] for entry in self._ready)
        by_age = sorted((self._since[n], self._number[n], n) for *_, n in passed)
        forward = [(group, self._forward(n), n) for *_, n in by_age]
        others = (entry for entry in self._ready if not self._was_passed(entry[2]))
        return sorted([*forward, *others], key=_GROUP_AND_PLACE)

    def _was_passed(self, n: int) -> bool:
        return self._jobs[n].goes_forward(self._at - self._since[n])

    def _forward(self, n: int) -> float:
        if self._rule.order is not None:
            return -math.inf
        return self._since[n] - CHAINS * self._longest_s

    # one round

    def _round(self) -> None:
        """Ask those who are ready in turn."""
        self._held.begin_round()
        reserved = Reservations(self._work, self._held, self._rule.gain)
        refused_s, kept = 0.0, []
        jobs, turn = self._jobs, self._in_turn()
        for entry in turn:
            n = entry[2]
            if self._starts(n, reserved, refused_s):
                continue
            kept.append(entry)
            job = jobs[n]
            refused_s += (job.card_s or 0.0) * job.least
            if not reserved.has(on_card=job.card_s is not None):
                self._reserve(n, reserved)
        self._ready = kept
        self._asked += len(turn) + reserved.looked_at // _ENDS

    def _starts(self, n: int, reserved: Reservations, refused_s: float) -> bool:
        """Where the job fits and delays nobody, it starts. refused_s: the work in front of it."""
        job, held = self._jobs[n], self._held
        if job.cores > held.cores or job.ram_mib > held.ram:
            return False
        if job.card_s is None or n in self._moved:
            return self._starts_on_cpu(n, reserved)
        of_others = reserved.cards if job.most > 1 else ()
        for after_s, cards in held.options(n, self._rule.gain, of_others):
            if reserved.allow(n, cards, after_s):
                held.start(n, cards, job.card_s)
                self._count_wait(n)
                return True
        if job.cpu_s is None or not self._is_sooner_on_cpu(job.cpu_s, job.card_s, refused_s):
            return False
        return self._starts_on_cpu(n, reserved)

    def _count_wait(self, n: int) -> None:
        """Of a job that starts, if it may have several cards."""
        if not self._jobs[n].is_gang:
            return
        waited_s = self._at - self._since[n]
        self._waited_s[n] = waited_s
        self._is_too_long |= waited_s > self._most_wait_s.get(n, math.inf)

    def _is_sooner_on_cpu(self, cpu_s: float, card_s: float, refused_s: float) -> bool:
        """As without a plan: by what is in front of it."""
        return self._rule.on_cpu is None and cpu_s < self._held.wait_s(refused_s) + card_s

    def _starts_on_cpu(self, n: int, reserved: Reservations) -> bool:
        job = self._jobs[n]
        work_s = job.cpu_s or 0.0
        if not reserved.allow(n, ON_CPU, work_s):
            return False
        self._held.start(n, ON_CPU, work_s)
        self._count_wait(n)
        if job.card_s is not None:
            self._on_cpu.add(n)
        return True

    def _reserve(self, n: int, reserved: Reservations) -> None:
        job = self._jobs[n]
        if n in self._moved:
            return
        patience_s = min(self._work.patience_s, job.length_s / 2)
        waited_s = self._at - self._since[n]
        reserved.add(n, binding=self._rule.binding or waited_s >= patience_s)
