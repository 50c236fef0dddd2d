"""The fakes of a ledger, of signs of life, of time, and of reading ahead."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nvinx.errors import LeaseExistsError
from nvinx.staging.ports import Warmed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nvinx.leases.ports import Lease, QueuedRequest
    from nvinx.staging.ports import File


class MemoryLedger:
    """A ledger in memory: the same contract as SQLite's, for one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._committed = MemoryTransaction({}, {})

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        with self._lock:
            draft = self._committed.copy()
            yield draft
            self._committed = draft


class MemoryTransaction:
    def __init__(self, leases: dict[str, Lease], requests: dict[str, QueuedRequest]) -> None:
        self._leases = leases
        self._requests = requests

    def copy(self) -> MemoryTransaction:
        return MemoryTransaction(dict(self._leases), dict(self._requests))

    def leases(self) -> tuple[Lease, ...]:
        return tuple(sorted(self._leases.values(), key=lambda x: (x.since, x.id)))

    def requests(self, but: Collection[str] = ()) -> tuple[QueuedRequest, ...]:
        there = (request for request in self._requests.values() if request.id not in but)
        return tuple(sorted(there, key=lambda request: request.since))

    def hold(self, lease: Lease) -> None:
        if lease.id in self._leases:
            raise LeaseExistsError(lease.id)
        self._leases[lease.id] = lease

    def note(self, lease: Lease) -> None:
        if lease.id in self._leases:
            self._leases[lease.id] = lease

    def drop(self, lease_id: str) -> None:
        self._leases.pop(lease_id, None)

    def enqueue(self, request: QueuedRequest) -> None:
        self._requests[request.id] = request

    def dequeue(self, request_id: str) -> None:
        self._requests.pop(request_id, None)


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

    def was_notified(self, token: str) -> bool:
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
