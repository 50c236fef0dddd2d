"""Which jobs are suspended here: of kinds that never failed to be, on a machine that can."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from nvinx.errors import HintError
from nvinx.formatting import plain
from nvinx.host import statedir
from nvinx.jobs import preemption

if TYPE_CHECKING:
    from pathlib import Path

    from nvinx.gpu.checkpoint_ports import Checkpoint
    from nvinx.jobs.claim import Claim

_FILE = "not-suspended.jsonl"
_MOST = 1 << 20  # bytes


class _Failed(msgspec.Struct):
    kind: str
    why: str


class Suspendable:
    """What is known in a state folder of kinds of jobs that could not be suspended."""

    def __init__(self, checkpoint: Checkpoint, state_dir: Path) -> None:
        self._checkpoint, self._file = checkpoint, state_dir / _FILE

    def judged(self, claim: Claim, name: str, kind: str = "rule") -> tuple[Claim, HintError | None]:
        """The claim as it holds here: one that can not be suspended keeps its card, and why.

        name, kind: whom the words are about.
        """
        agreed = claim.preemptible
        if agreed is None or not agreed.suspends:
            return claim, None
        why = self._why_not(claim)
        if why is None:
            return claim, None
        problem, fix = f"has no effect here, it keeps its card: {why[0]}", why[1]
        words = HintError(name, f"{preemption.HINT}={agreed.hint!r}", problem, fix, kind=kind)
        return replace(claim, preemptible=None), words

    def remember(self, kind: str, why: str) -> None:
        """A job of this kind could not be suspended, or did not come back: none is again."""
        line = msgspec.json.encode(_Failed(kind, why)) + b"\n"
        with suppress(OSError):  # then it is tried once more
            statedir.make_file(self._file)
            fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(fd, line)
            finally:
                os.close(fd)

    def failed(self, kind: str) -> str | None:
        """Why the first job of this kind could not be suspended; None where none failed."""
        with suppress(OSError), self._file.open("rb") as file:
            for line in file.read(_MOST).splitlines():
                with suppress(msgspec.DecodeError):
                    found = msgspec.json.decode(line, type=_Failed)
                    if found.kind == kind:
                        return plain(found.why)
        return None

    def _why_not(self, claim: Claim) -> tuple[str, str] | None:
        """The problem, and what to do about it."""
        if claim.is_gang:
            return "it asks for several cards", "use preemptible='requeue' or 'signal'"
        if claim.may_overflow:
            return "it may spill to RAM", "leave ram_overflow out, or use 'requeue' or 'signal'"
        failed = self.failed(claim.kind)
        if failed is not None:
            fix = f"use 'requeue' or 'signal', or remove {self._file} to have it tried again"
            return f"it failed before ({failed})", fix
        problem = self._checkpoint.problem()
        return None if problem is None else (problem.problem, problem.fix)
