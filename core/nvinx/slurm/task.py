"""One job of a cluster as it is written down for its node, and the node's answer. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nvinx.admission import serialize
from nvinx.jobs.outcome import Outcome

if TYPE_CHECKING:
    from nvinx.admission.state import Job
    from nvinx.history.runs import PastRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the node needs to know.

    card_mib: VRAM of its card that jobs may have, 0 where it gets none. card_name: what such
    cards are called in the history; as the driver calls them where it is None. logs: files in which
    the rule's own words end up. state_dir: a folder on the node's own disk. caps: hold the
    framework to what is declared.
    """

    job: Job
    card_mib: int = 0
    card_name: str | None = None
    logs: tuple[str, ...] = ()
    state_dir: str | None = None
    caps: bool = True

    def text(self) -> str:
        plain = {
            "job": serialize.plain_job(self.job),
            "card_mib": self.card_mib,
            "card_name": self.card_name,
            "logs": list(self.logs),
            "state_dir": self.state_dir,
            "caps": self.caps,
        }
        return json.dumps(plain)

    @classmethod
    def read(cls, text: str) -> Task:
        """Raises ValueError, KeyError or TypeError when the text is none of ours."""
        plain: dict[str, Any] = json.loads(text)
        job, logs = serialize.job_from(plain.pop("job")), tuple(plain.pop("logs"))
        return cls(job=job, logs=logs, **plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How it ended there. run: for the history; None where it never began."""

    node: str
    outcome: Outcome
    peak_mib: int | None = None
    run: PastRun | None = None

    def text(self) -> str:
        run = None if self.run is None else serialize.plain_run(self.run)
        return json.dumps(
            {
                "node": self.node,
                "outcome": self.outcome.value,
                "peak_mib": self.peak_mib,
                "run": run,
            }
        )

    @classmethod
    def read(cls, text: str) -> End:
        """Raises ValueError, KeyError or TypeError when the text is none of ours."""
        plain = json.loads(text)
        run = None if plain["run"] is None else serialize.run_from(plain["run"])
        return cls(
            node=plain["node"],
            outcome=Outcome(plain["outcome"]),
            peak_mib=plain["peak_mib"],
            run=run,
        )
