"""The fakes of a ledger, of signs of life, of time, and of reading ahead."""

from __future__ import annotations

import select
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission.job import Waiting
from nvinx.admission.waiting_queue import position
from nvinx.errors import LeaseExistsError, LookOnlyError
from nvinx.leases.ports import EngineEntry
from nvinx.staging.ports import Warmed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nvinx.admission.job import Budget, Placement
    from nvinx.leases.ports import Lease, QueuedRequest
    from nvinx.staging.ports import File

_TICK_S = 0.002


@dataclass
class _Rows:
    leases: dict[str, Lease] = field(default_factory=dict)
    requests: dict[str, QueuedRequest] = field(default_factory=dict)
    engines: dict[str, EngineEntry] = field(default_factory=dict)
    questions: dict[str, float] = field(default_factory=dict)
    change: int = 0


class MemoryLedger:
    """A ledger in memory: the same contract as SQLite's, for one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._committed = _Rows()

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        with self._lock:
            old = self._committed
            draft = _Rows(
                dict(old.leases),
                dict(old.requests),
                dict(old.engines),
                dict(old.questions),
                old.change,
            )
            yield MemoryTransaction(draft)
            self._committed = draft

    @contextmanager
    def look(self) -> Iterator[MemoryTransaction]:
        with self._lock:
            yield MemoryTransaction(self._committed, writes=False)


class MemoryTransaction:
    def __init__(self, rows: _Rows, *, writes: bool = True) -> None:
        self._there = rows
        self._writes = writes

    @property
    def _rows(self) -> _Rows:
        """What is to be changed."""
        if not self._writes:
            raise LookOnlyError
        return self._there

    def leases(self) -> tuple[Lease, ...]:
        return tuple(sorted(self._there.leases.values(), key=lambda x: (x.since, x.id)))

    def requests(self, but: str = "", most: int | None = None) -> tuple[QueuedRequest, ...]:
        others = [r for r in self._there.requests.values() if r.job.engine != but]
        others.sort(key=lambda r: position(Waiting(r.job, r.since))[2:])
        if most is None:
            return tuple(others)
        standing = [r for r in others if r.reason is None or not r.reason.of_machine]
        alone = [r for r in standing if r.job.claim.is_wide]
        oldest = sorted(alone, key=lambda r: r.since)[:most]
        return tuple({r.id: r for r in (*standing[:most], *oldest)}.values())

    def shown_by(self, engine: str) -> tuple[QueuedRequest, ...]:
        return tuple(r for r in self._there.requests.values() if r.job.engine == engine)

    def engines(self, ids: Collection[str] | None = None) -> dict[str, EngineEntry]:
        return {i: e for i, e in self._there.engines.items() if ids is None or i in ids}

    def change(self) -> int:
        return self._there.change

    def questions(self, since: float) -> tuple[str, ...]:
        return tuple(name for name, asked in self._there.questions.items() if asked >= since)

    def question(self, name: str, at: float) -> None:
        self._rows.questions[name] = at

    def requested_by(self, job_ids: Collection[str]) -> dict[str, str]:
        return {i: r.job.engine for i, r in self._there.requests.items() if i in job_ids}

    def hold(self, lease: Lease) -> None:
        if lease.id in self._rows.leases:
            raise LeaseExistsError(lease.id)
        self._rows.leases[lease.id] = lease
        self._rows.change += 1

    def note(self, lease: Lease) -> None:
        if lease.id in self._rows.leases:
            self._rows.leases[lease.id] = lease

    def give_back(self, lease_id: str, placement: Placement) -> None:
        if lease_id in self._rows.leases:
            lease = self._rows.leases[lease_id]
            self._rows.leases[lease_id] = replace(lease, placement=placement)

    def rebudget(self, lease: Lease) -> None:
        if lease.id in self._rows.leases:
            self._rows.leases[lease.id] = lease
            self._rows.change += 1

    def move(self, lease: Lease) -> None:
        if lease.id in self._rows.leases:
            seen = self._rows.leases[lease.id].seen
            self._rows.leases[lease.id] = replace(lease, seen=seen)
            self._rows.change += 1

    def drop(self, lease_id: str) -> None:
        self._rows.change += self._rows.leases.pop(lease_id, None) is not None

    def enqueue(self, request: QueuedRequest) -> None:
        self._rows.requests[request.id] = request

    def dequeue(self, request_id: str) -> None:
        self._rows.change += self._rows.requests.pop(request_id, None) is not None

    def answer(self, engine: str, waiting: int, at: float) -> None:
        old = self._rows.engines.get(engine)
        asked = () if old is None else (old.asked_at, old.asked_by)
        self._rows.engines[engine] = EngineEntry(engine, waiting, self._rows.change, at, *asked)

    def ask(self, engine: str, by: str, at: float) -> None:
        old = self._rows.engines.get(engine)
        if old is not None and not old.owes_answer:
            self._rows.engines[engine] = replace(old, asked_at=at, asked_by=by)

    def leave(self, engine: str) -> None:
        for request in [r for r in self._rows.requests.values() if r.job.engine == engine]:
            self.dequeue(request.id)
        self._rows.engines.pop(engine, None)


@dataclass
class FakeBudgets:
    """Jobs that are told what they may use, and answer by decree."""

    told: dict[str, Budget] = field(default_factory=dict)
    kept: dict[str, Budget] = field(default_factory=dict)
    heard: dict[str, Budget] = field(default_factory=dict)

    def tell(self, token: str, budget: Budget, seen: Collection[tuple[int, int]] = ()) -> None:  # noqa: ARG002
        if token not in self.told or self.told[token].number <= budget.number:
            self.told[token] = budget

    def is_kept(self, token: str, budget: Budget) -> bool:
        return self._is_same(self.kept.get(token), budget)

    def is_heard(self, token: str, budget: Budget) -> bool:
        return self._is_same(self.heard.get(token), budget)

    def _is_same(self, answer: Budget | None, budget: Budget) -> bool:
        return answer is not None and (answer.mib, answer.number) == (budget.mib, budget.number)

    def answer(self, token: str) -> None:
        """The job keeps to what it was told last."""
        self.kept[token] = self.told[token]

    def listen(self, token: str) -> None:
        """A process of the job was told by a signal."""
        self.heard[token] = self.told[token]


class FakeLiveness:
    """Signs of life by decree: what `announce` said, plus the tokens and processes you add."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.lingering: set[str] = set()
        self.notified: set[str] = set()
        self.processes: dict[int, tuple[str | None, int]] = {}

    def announce(self, token: str) -> None:
        self.tokens.add(token)

    def retire(self, token: str) -> None:
        self.tokens.discard(token)

    def notify(self, token: str) -> None:
        self.notified.add(token)

    def listen(self, token: str) -> None:
        """Whoever asks is told."""

    def await_notice(self, token: str, timeout_s: float, wake: int | None = None) -> bool:
        end = time.monotonic() + timeout_s
        files = [] if wake is None else [wake]
        while token not in self.notified and time.monotonic() < end:
            if select.select(files, [], [], _TICK_S)[0]:
                break
        was_notified = token in self.notified
        self.notified.discard(token)
        return was_notified

    def outlived(self, token: str) -> bool:
        return token in self.lingering

    def alive(self, tokens: Collection[str]) -> set[str]:
        return set(tokens) & (self.tokens | self.lingering)

    def owners(self, pids: Collection[int]) -> dict[int, str]:
        known = {pid: self.processes[pid][0] for pid in pids if pid in self.processes}
        return {pid: token for pid, token in known.items() if token is not None}

    def started(self, pid: int) -> int | None:
        return self.processes[pid][1] if pid in self.processes else None


class FakeClock:
    """Seconds that pass only when told."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FakeStager:
    """Reads nothing, and says so as if it had: at once, or when `busy` is over."""

    def __init__(self) -> None:
        self.busy = False
        self.problem: str | None = None
        self.reading: tuple[File, ...] = ()
        self.begun: list[tuple[str, ...]] = []

    def begin(self, files: Sequence[File], floor_mib: int) -> None:  # noqa: ARG002
        self.reading = tuple(files)
        self.begun.append(tuple(file.path for file in files))

    def result(self) -> Warmed | None:
        if self.busy or not self.reading:
            return None
        read, self.reading = self.reading, ()
        return Warmed(sum(file.size_bytes for file in read), 1.0, self.problem)

    def stop(self) -> None:
        self.reading = ()
