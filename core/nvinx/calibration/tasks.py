"""What a calibration measures and in which order. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Solo:
    """One program alone; `again` when it is measured once more after its last co-run."""

    model: str
    again: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)


@dataclass(frozen=True, slots=True)
class Together:
    """Two programs side by side."""

    a: str
    b: str

    @property
    def models(self) -> tuple[str, ...]:
        return (self.a, self.b)


@dataclass(frozen=True, slots=True)
class Group:
    """Three programs side by side, in order of names."""

    models: tuple[str, ...]


Task = Solo | Together | Group


def plan(models: Sequence[str], probes: Sequence[str] = ()) -> list[Task]:
    """2N co-runs of N models, each model alone before its first and after its last.

    Without probes each model meets its next and next but one on a circle, so four others; with
    probes it meets those (docs/decisions/calibration-plan.md says which errs less). Programs stay
    loaded from one task to the next where they can. Raises ValueError for fewer than two models.
    """
    if len(models) < 2:  # noqa: PLR2004
        raise ValueError("a co-run needs two models; name at least two")
    return _in_order(list(dict.fromkeys(_against(models, probes) if probes else _circle(models))))


def plan_triples(models: Sequence[str], probes: Sequence[str] = ()) -> list[Task]:
    """Three at a time, each beside two whose pairs `plan` measures too: next ones, or probes.

    Raises ValueError for fewer than three models.
    """
    if len(models) < 3:  # noqa: PLR2004
        raise ValueError("three together need three programs; name at least three")
    two, around = tuple(probes[:2]), [*models, *models[:2]]
    threes: Iterable[tuple[str, ...]] = (
        [(*two, name) for name in models if name not in two]
        if len(two) > 1
        else zip(around, around[1:], around[2:], strict=False)
    )
    return [Group(names) for names in dict.fromkeys(tuple(sorted(three)) for three in threes)]


def plan_newcomers(models: Sequence[str], partners: Sequence[str]) -> list[Task]:
    """Co-runs of models that come later, with partners that are known already."""
    pairs = [(partner, model) for model in models for partner in partners if partner != model]
    return [task for task in _in_order(pairs) if set(task.models) & set(models)]


def _in_order(pairs: Sequence[tuple[str, str]]) -> list[Task]:
    """The co-runs, each model alone before its first and after its last."""
    met: list[str] = [name for pair in pairs for name in pair]
    tasks: list[Task] = []
    begun: set[str] = set()
    for position, (a, b) in enumerate(pairs):
        later = met[2 * position + 2 :]
        tasks += [Solo(name) for name in (a, b) if name not in begun]
        begun |= {a, b}
        tasks.append(Together(a, b))
        tasks += [Solo(name, again=True) for name in (a, b) if name not in later]
    return tasks


@dataclass(frozen=True, slots=True)
class Windows:
    """How long is measured: `count` windows of `seconds`, after `warm_up_s` of running."""

    seconds: float = 3.0
    count: int = 3
    warm_up_s: float = 2.0


def duration_s(tasks: Sequence[Task], windows: Windows, load_s: float) -> float:
    """About how long the tasks will take, when loading a program takes `load_s`."""
    loaded: set[str] = set()
    total = 0.0
    for task in tasks:
        fresh = set(task.models) - loaded
        total += windows.seconds * windows.count + windows.warm_up_s + load_s * len(fresh)
        loaded = set(task.models) | (loaded if len(task.models) == 1 else set())
    return total


def _circle(models: Sequence[str]) -> Iterator[tuple[str, str]]:
    n = len(models)
    for k in range(n):
        for step in (1, 2):
            other = models[(k + step) % n]
            if other != models[k] and _first(k, step, n):
                yield models[k], other


def _first(k: int, step: int, n: int) -> bool:
    """Whether going round has not met this pair from its other end already."""
    back = (n - step) % n
    return back not in (1, 2) or (k, step) <= ((k + step) % n, back)


def _against(models: Sequence[str], probes: Sequence[str]) -> Iterator[tuple[str, str]]:
    for k, probe in enumerate(probes):
        for model in models:
            if model != probe and model not in probes[:k]:
                yield probe, model
