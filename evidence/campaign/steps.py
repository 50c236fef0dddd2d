"""Measurements one after the other: those that are there are skipped, time is kept to."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from campaign.records import NEEDS, PROBLEM
from nvinx.errors import NvinxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from campaign.records import Records
    from nvinx.bench.capacity import Card

A_CARD = "a card"


class MissingError(Exception):
    """This machine lacks what the measurement needs, in two or three words."""


class MeasurementError(Exception):
    """A measurement that failed, and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement. takes_s: about how long; it is not begun when less is left.

    spare: where there is no time for it, nothing is left undone.
    """

    key: str
    run: Callable[[], Mapping[str, Any]]
    takes_s: float = 30.0
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by which to be done; None: take your time."""

    seconds: float | None
    began: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float | None:
        return None if self.seconds is None else self.seconds - (time.monotonic() - self.began)

    def has(self, seconds: float) -> bool:
        """Whether so many seconds are left."""
        return self.left_s is None or seconds <= self.left_s


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the campaign as it was asked for. card: None for CPU workers.

    small: tiny programs and short times. scratch: a folder on a disk with room for models, kept
    from one part to the next. only: a pattern of the keys that are wanted, as the shell has them.
    """

    card: Card | None
    small: bool
    scratch: Path
    records: Records
    deadline: Deadline
    say: Callable[[str], None]
    only: str = "*"

    @property
    def device(self) -> str:
        """As torch calls it."""
        return "cpu" if self.card is None else "cuda"

    def demand_card(self) -> Card:
        """The card. Raises MissingError without one."""
        if self.card is None:
            raise MissingError(A_CARD)
        return self.card

    def on_card(self, **more: str) -> dict[str, str]:
        """The environment of a program that sees this card alone. Raises MissingError."""
        return {**os.environ, "CUDA_VISIBLE_DEVICES": self.demand_card().id, **more}


def carry_out(steps: Iterable[Step], part: Part) -> list[str]:
    """Measure what is not there yet, as long as there is time; the keys that are left."""
    wanted = (step for step in steps if fnmatchcase(step.key, part.only))
    todo = [step for step in wanted if not part.records.has(step.key)]
    left: list[Step] = []
    for number, step in enumerate(todo, start=1):
        if left or not part.deadline.has(step.takes_s):
            left.append(step)
            continue
        part.say(f"{number} of {len(todo)}: {step.key}")
        data = _data(step)
        part.records.add(step.key, data)
        if PROBLEM in data:
            part.say(f"  {data[PROBLEM].splitlines()[-1][:200]}")
    return [step.key for step in left if not step.spare]


def _data(step: Step) -> Mapping[str, Any]:
    try:
        return step.run()
    except MissingError as error:
        return {NEEDS: str(error)}
    except (MeasurementError, NvinxError, OSError) as error:
        return {PROBLEM: str(error) or type(error).__name__}
