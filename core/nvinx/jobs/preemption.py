"""The hint `preemptible`: how a job gives its card back before it is done. Pure."""

from __future__ import annotations

import re
from enum import Enum

from msgspec import Struct

from nvinx.errors import HintError
from nvinx.formatting import value_text, word_of

HINT = "preemptible"
MOST_TIMES = 3  # that one job is made to give a card back
URGENT_PRIORITY, URGENT_MARGIN = 10**6, 1  # of a job that is merely said to be urgent
SIGNALS = ("USR1", "USR2", "TERM", "INT", "HUP", "CONT")
LONGEST_GRACE_S = 3600.0
REQUEUE_GRACE_S = 0.5
_SIGNAL_GRACE_S = 30.0
_OFF = {"", "0", "false", "no", "off", "none", "never"}
_ON = {"1", "true", "yes", "on"}
_SIGNAL = r"(?i)signal(?::(?:SIG)?(?P<name>[A-Z0-9]*)(?:@(?P<grace>\d{1,4}))?)?"
_FIX = "write preemptible='requeue', 'signal', 'signal:USR2@60' or 'suspend', or leave it out"


class Mode(Enum):
    """What becomes of a job that gives its card back."""

    REQUEUE = "requeue"
    SIGNAL = "signal"
    SUSPEND = "suspend"


class Preemptible(Struct, frozen=True):
    """How a job gives its card back. signal: which one it is told by; grace_s: its time to end."""

    mode: Mode
    signal: str | None = None
    grace_s: float = REQUEUE_GRACE_S

    @property
    def suspends(self) -> bool:
        """Whether the job keeps what it has done, in RAM, and goes on from there."""
        return self.mode is Mode.SUSPEND

    @property
    def hint(self) -> str:
        """As it is written in a hint: `signal:USR1@30`."""
        how = f":{self.signal}@{self.grace_s:g}" if self.mode is Mode.SIGNAL else ""
        return f"{self.mode.value}{how}"


class Preempted(Struct, frozen=True):
    """How often a job gave its cards back, when last, in boot seconds, and how long it had run.

    cards: the ids of those that it left then.
    """

    times: int
    at: float
    ran_s: float
    cards: tuple[str, ...] = ()


def once_more(
    before: Preempted | None, at: float, ran_s: float, cards: tuple[str, ...]
) -> Preempted:
    """A job gives these cards back now, once more than before. at, ran_s: as in `Preempted`."""
    return Preempted(1 + (0 if before is None else before.times), at, ran_s, cards)


def named(rule: str, value: object, hint: str = HINT) -> Preemptible | None:
    """What the hint agrees to; None where there is none, or it is a switch that stands at off.

    Raises HintError.
    """
    word = "" if value is None else word_of(value)
    if word.lower() in _OFF:
        return None
    if word.lower() in _ON or word.lower() == Mode.REQUEUE.value:
        return Preemptible(Mode.REQUEUE)
    if word.lower() == Mode.SUSPEND.value:
        return Preemptible(Mode.SUSPEND)
    found = re.fullmatch(_SIGNAL, word)
    stated = f"{hint}={value_text(value)}"
    if found is None:
        problem = "is not a way to give up a card"
        raise HintError(rule, stated, problem, _FIX)
    return _with_signal(rule, stated, found)


def _with_signal(rule: str, stated: str, found: re.Match[str]) -> Preemptible:
    name, grace_s = (found["name"] or "USR1").upper(), float(found["grace"] or _SIGNAL_GRACE_S)
    if name not in SIGNALS:
        problem = f"names a signal that is not one of {', '.join(SIGNALS)}"
        raise HintError(rule, stated, problem, "write it like preemptible='signal:USR1'")
    if not 0 < grace_s <= LONGEST_GRACE_S:
        problem = f"gives no time of 1 to {LONGEST_GRACE_S:.0f} seconds"
        raise HintError(rule, stated, problem, "write it like preemptible='signal:USR1@60'")
    return Preemptible(Mode.SIGNAL, name, grace_s)
