"""Parts coruns and repeats: who slows whom, by the runner that `nvinx calibrate` uses.

Each program runs in a process of its own: alone, beside each other one, three together, and alone
again. A slowdown is of one session: rates alone are never taken from another start.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import time
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

from campaign import child, models, mps, plain, slices
from campaign.steps import MeasurementError, MissingError, Step
from nvinx.calibration.campaign import Campaign
from nvinx.calibration.programs import Program
from nvinx.calibration.results import Failed
from nvinx.calibration.tasks import Solo, Together, Windows
from nvinx.gpu import meter
from nvinx.leases import client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from campaign.steps import Part
    from nvinx.calibration.tasks import Task

TIME_SLICING, SLICE, MPS = "time-slicing", "slice", "mps"
WAYS = (TIME_SLICING, SLICE, MPS)
SLICE_SMS, SLICE_MIB = 16, 4096
PATIENCE_S = 60.0
SHORT, LONG = Windows(0.2, 3, 0.1), Windows(3.0, 3, 1.0)
LOAD_S = 30.0
ROOMY_MIB = 24_000  # of a card that holds all programs at once


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. way: how the programs share. repeat: 0 in the first round."""

    programs: Mapping[str, Program]
    pairs: Sequence[tuple[str, str]]
    triples: Sequence[tuple[str, ...]]
    windows: Windows
    way: str = TIME_SLICING
    repeat: int = 0

    @property
    def names(self) -> list[str]:
        """The programs that take part."""
        return list(dict.fromkeys(name for group in self.groups for name in group))

    @property
    def groups(self) -> list[tuple[str, ...]]:
        return [*self.pairs, *self.triples]

    @property
    def takes_s(self) -> float:
        """About how long one measurement takes."""
        return self.windows.warm_up_s + self.windows.count * self.windows.seconds + 2.0

    def key(self, *words: str) -> str:
        return "/".join(("coruns", self.way, str(self.repeat), *words))

    def left(self, part: Part) -> Plan:
        """The same without the groups that are measured already."""
        pairs = [pair for pair in self.pairs if not part.records.has(self.key(*pair))]
        triples = [three for three in self.triples if not part.records.has(self.key(*three))]
        return Plan(self.programs, pairs, triples, self.windows, self.way, self.repeat)


def plan(part: Part, way: str, repeat: int = 0, programs: str | None = None) -> Plan:
    """All pairs of the programs, and some triples; the toys of `plain` where there is no torch.

    programs: `torch` or `plain`, torch's where there is one by default.
    """
    has_torch = importlib.util.find_spec("torch") is not None
    module = models if (programs or ("torch" if has_torch else "plain")) == "torch" else plain
    windows = SHORT if part.small else LONG
    pairs = list(combinations([loader.__name__ for loader in module.LOADERS], 2))
    triples = () if repeat else module.TRIPLES
    return Plan(_programs(module), pairs, triples, windows, way, repeat)


def _programs(module: ModuleType) -> dict[str, Program]:
    names = [loader.__name__ for loader in module.LOADERS]
    return {name: Program(name, loader=f"{module.__name__}:{name}") for name in names}


@contextlib.contextmanager
def steps(part: Part, whole: Plan) -> Iterator[list[Step]]:
    """The measurements that are left; programs run as long as the block does."""
    todo = whole.left(part)
    with contextlib.ExitStack() as stack:
        try:
            running = campaign(part, todo, stack)
        except (MissingError, MeasurementError) as error:
            yield [Step(todo.key(*group), _raising(error), 0) for group in todo.groups]
            return
        stack.callback(running.close)
        yield list(_steps(part, todo, running))


def _steps(part: Part, todo: Plan, campaign: Campaign) -> Iterator[Step]:
    session = part.records.session

    def alone(name: str, *, again: bool) -> Step:
        key = todo.key(name, "again" if again else "alone", session)
        return Step(key, lambda: _run(campaign, Solo(name, again)), todo.takes_s, spare=True)

    if not todo.names:
        return
    # All alone and one pair: with less time than that a session would measure nothing.
    least_s = LOAD_S + (len(todo.names) + 1) * todo.takes_s
    if campaign.loaded_at_once >= len(todo.names):
        key = todo.key("loaded", session)
        yield Step(key, lambda: _load(campaign, todo.names), least_s, spare=True)
    yield from (alone(name, again=False) for name in todo.names)
    if todo.way == MPS:
        yield Step(todo.key("clients", session), lambda: _clients(campaign), 1, spare=True)
    for pair in todo.pairs:
        task = Together(*pair)
        yield Step(todo.key(*pair), partial(_run, campaign, task), todo.takes_s)
    for three in todo.triples:
        yield Step(todo.key(*three), partial(_crowd, campaign, three), todo.takes_s)
    yield from (alone(name, again=True) for name in todo.names)


def _load(campaign: Campaign, names: Sequence[str]) -> dict[str, Any]:
    """Seconds to load all programs at once."""
    began = time.monotonic()
    with _closing_if_it_fails(campaign):
        campaign.load(names)
    return {"seconds": round(time.monotonic() - began, 2)}


def _run(campaign: Campaign, task: Task) -> dict[str, Any]:
    with _closing_if_it_fails(campaign):
        result = campaign.run(task)
    kind = type(result).__name__.lower()
    if isinstance(result, Failed):
        return {"kind": kind, "problem": result.problem}
    return {"kind": kind, **asdict(result)}


@contextlib.contextmanager
def _closing_if_it_fails(campaign: Campaign) -> Iterator[None]:
    """Programs that are left in whatever state are ended, and loaded anew by the next step."""
    try:
        yield
    except Exception:
        campaign.close()
        raise


def _crowd(campaign: Campaign, names: Sequence[str]) -> dict[str, Any]:
    return {"kind": "crowd", "models": list(names), "rates": campaign.side_by_side(names)}


def _clients(campaign: Campaign) -> dict[str, Any]:
    """How many programs the daemon knows: without it they would share without MPS, and not say."""
    return {"clients": len(mps.clients(campaign.environ or {}))}


def _patience(say: Callable[[str], None]) -> Callable[[Any], None]:
    """Says once that the card is waited for; after a while raises MeasurementError."""
    said: list[Any] = []
    began = time.monotonic()

    def waiting(reason: Any) -> None:
        if not said:
            said.append(reason)
            say("waiting for the card, which other jobs of nvinx hold")
        if time.monotonic() - began > PATIENCE_S:
            raise MeasurementError(f"the card was not free within {PATIENCE_S:.0f} s: {reason}")

    return waiting


def _raising(error: Exception) -> Callable[[], Mapping[str, Any]]:
    def run() -> Mapping[str, Any]:
        raise error

    return run


def campaign(part: Part, todo: Plan, stack: contextlib.ExitStack) -> Campaign:
    """The runner for these programs. Raises MissingError when they cannot share so here."""
    if todo.way != TIME_SLICING:
        part.demand_card()
    environ = _environ(part, todo, stack)
    logs = part.scratch / "programs"
    logs.mkdir(parents=True, exist_ok=True)
    if part.card is None:
        core = min(os.sched_getaffinity(0))
        return Campaign(todo.programs, logs, todo.windows, core=core, environ=environ)
    waiting = _patience(part.say)
    environ |= stack.enter_context(client.whole_card(part.card, "evidence", None, waiting))
    gauge = stack.enter_context(meter.NvmlMeter(part.card.id))
    most = len(todo.programs) if part.card.total_mib >= ROOMY_MIB else 2
    return Campaign(todo.programs, logs, todo.windows, gauge, environ=environ, loaded_at_once=most)


def _environ(part: Part, todo: Plan, stack: contextlib.ExitStack) -> dict[str, str]:
    """What the programs find in their environment, the way to share with it."""
    _command, environ = child.python("-")
    environ |= {models.DEVICE: part.device} | ({models.SMALL: "1"} if part.small else {})
    if todo.way == SLICE:
        environ |= slices.variables(SLICE_SMS, SLICE_MIB)
    if todo.way == MPS:
        environ |= stack.enter_context(mps.daemon())
    return environ
