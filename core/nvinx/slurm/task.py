"""One job of a cluster as it is written down for its node, and the node's answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

# msgspec looks these up when it reads a task or its end.
from nvinx.admission.job import Job  # noqa: TC001
from nvinx.history.runs import PastRun  # noqa: TC001
from nvinx.jobs.outcome import Outcome  # noqa: TC001


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the node needs to know.

    card_mib: VRAM of its card that jobs may have, 0 where it gets none. card_name: what such cards
    are called in the history; as the driver calls them where it is None. logs: files in which the
    rule's own words end up. state_dir: a folder on the node's own disk. caps: hold the framework to
    what is declared. attempt, last_failure: which try it is, and how the one before ended.
    oom_patterns: what its programs write when VRAM runs out, besides what all write.
    """

    job: Job
    card_mib: int = 0
    card_name: str | None = None
    logs: tuple[str, ...] = ()
    state_dir: str | None = None
    caps: bool = True
    attempt: int = 1
    last_failure: Outcome | None = None
    oom_patterns: tuple[str, ...] = ()

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Task:
        """Raises ValueError when the text is none of ours."""
        return msgspec.json.decode(text, type=cls)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How it ended there. run: for the history; None where it never began."""

    node: str
    outcome: Outcome
    peak_mib: int | None = None
    run: PastRun | None = None

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> End:
        """Raises ValueError when the text is none of ours."""
        return msgspec.json.decode(text, type=cls)
