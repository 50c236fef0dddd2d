"""What a run did, event by event, as JSON lines: enough to see it, to explain it, to replay it.

A trace lies in the workflow's folder, where its name must fit none of the workflow's patterns: so
it has no ending, and no sign that people put between wildcards. Each line has `s`, seconds since
the first one, and `event`; docs/reference/trace.md lists the rest. It is written as things happen,
so that it is there when the run was killed.
"""

from __future__ import annotations

import json
import os
import re
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from nvinx.host import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.events import Reclaim
    from nvinx.admission.job import Job, Placement
    from nvinx.bench.capacity import Card
    from nvinx.bench.resolve import Bench
    from nvinx.host.clock import Clock
    from nvinx.jobs.outcome import Outcome
    from nvinx.reasons import Reason

FOLDER = Path(".nvinx")
SCHEMA = 1
KEPT = 10
_NAME = "trace*"
_TRACE = re.compile(r"trace[-T0-9.p]+(\.jsonl)?")  # the older with dashes and an ending
_NOT_TIME = re.compile(r"[^0-9T]")


def latest(folder: Path) -> Path | None:
    """The trace of the last run of this workflow's folder, or in it; None where there is none."""
    return max((*_all(folder / FOLDER), *_all(folder)), default=None, key=_begun)


def is_trace(path: Path) -> bool:
    """Whether a file is called as traces are."""
    return _TRACE.fullmatch(path.name) is not None


def _all(home: Path) -> list[Path]:
    return sorted(filter(is_trace, home.glob(_NAME)), key=_begun)


def _begun(path: Path) -> str:
    return _NOT_TIME.sub("", path.name)


class Trace:
    """Writes one run's events, from any thread. What cannot be written is not worth failing a run.

    Only the last few traces of a folder are kept.
    """

    def __init__(self, clock: Clock, folder: Path | None, home: Path | None = None) -> None:
        """folder: of the workflow; None: write nothing. home: where to write instead of in it."""
        self._clock, self._folder = clock, folder
        self._home = home
        self.path: Path | None = None
        self.jobs = 0  # that were submitted
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._zero: float | None = None
        self._said: dict[str, Reason] = {}

    @property
    def is_new(self) -> bool:
        """Whether the workflow's folder gets a folder of ours that was not there before."""
        return self._folder is not None and self._home is None and not self._ours.exists()

    @property
    def _ours(self) -> Path:
        return (self._folder or Path()) / FOLDER

    def begin(self, bench: Bench, cores: int, engine: str, command: Sequence[str]) -> None:
        """The first event: with what the run works."""
        if self._folder is None:
            return
        now = datetime.now().astimezone()
        try:
            home = self._made()
            for old in _all(home)[: -KEPT + 1]:
                old.unlink(missing_ok=True)
            name = f"trace{now:%Y%m%dT%H%M%S%f}p{os.getpid()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(home / name, flags, 0o666)
            self.path = home / name
        except OSError:
            return
        self._write(
            "run",
            schema=SCHEMA,
            date=now.isoformat(timespec="seconds"),
            engine=engine,
            command=list(command),
            cores=cores,
            ram_mib=bench.ram_mib,
            bench=bench.path,
            calibrated=bench.slowdowns is not None,
            cards=to_builtins(bench.cards),
        )

    def _made(self) -> Path:
        """The folder for traces. Raises OSError."""
        if self._home is not None:
            self._home.mkdir(parents=True, exist_ok=True)
            return self._home
        self._ours.mkdir(exist_ok=True)
        files.write_once(self._ours / ".gitignore", "*\n")
        return self._ours

    def submitted(self, job: Job, after: Sequence[str] = ()) -> None:
        """after: ids of the jobs of this run that made its input."""
        self.jobs += 1
        self._write("submitted", **to_builtins(job), after=list(after))

    def learned(self, job: Job) -> None:
        """While a job waited, runs taught what it needs."""
        self._write("learned", id=job.id, claim=to_builtins(job.claim))

    def waited(self, job_id: str, reason: Reason) -> None:
        """Written where the reason is another than before."""
        if self._said.get(job_id) != reason:
            self._said[job_id] = reason
            self._write("waits", id=job_id, reason=to_builtins(reason))

    def started(
        self, job: Job, placement: Placement, beside: Sequence[str], expected: float | None
    ) -> None:
        """beside: ids of who shares the card. expected: the slowdown beside these."""
        self._said.pop(job.id, None)
        place = to_builtins(placement)
        self._write("started", id=job.id, placement=place, beside=list(beside), slowdown=expected)

    def preempted(self, asked: Reclaim) -> None:
        """A running job was asked to give its card back."""
        self._write("preempted", id=asked.job_id, to=asked.to, lost_s=round(asked.lost_s, 3))

    def moved(self, job_id: str, moved: str) -> None:
        """A job that is suspended is off its card, back on it, or was not moved."""
        self._write("moved", id=job_id, moved=moved)

    def ended(self, job_id: str, outcome: Outcome, peak_mib: int | None) -> None:
        self._write("ended", id=job_id, outcome=outcome.value, peak_mib=peak_mib)

    def met(self, cards: Sequence[Card]) -> None:
        """Cards that were not there when the run began."""
        self._write("cards", cards=to_builtins(tuple(cards)))

    def sample(self, **seen: Any) -> None:
        """What the machine did at one moment."""
        self._write("sample", **seen)

    def close(self) -> None:
        self._write("over")
        with self._lock:
            self._stop()

    def _write(self, event: str, **facts: Any) -> None:
        with self._lock:
            if self._fd is None:
                return
            now = self._clock()
            self._zero = now if self._zero is None else self._zero
            line = json.dumps({"s": round(now - self._zero, 3), "event": event, **facts})
            raw = f"{line}\n".encode()
            try:
                whole = os.write(self._fd, raw) == len(raw)
            except OSError:
                whole = False
            if not whole:  # the disk is full: what is there ends here
                self._stop()

    def _stop(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
