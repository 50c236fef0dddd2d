"""`nvinx history --model`: who slows whom, how sure that is, and from what it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import Struct

from nvinx.formatting import duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nvinx.bench.resolve import Bench
    from nvinx.interference.belief import Belief, Pair

_UNUSUAL = 0.1  # of an exponent


class Line(Struct, frozen=True):
    """One profile beside one other: the slowdown, its 90 % interval, and what it rests on.

    calibrated: as it was measured, None where it was not. contradicted: runs speak against that.
    together_s: seconds of runs that were together so.
    """

    of: str
    beside: str
    slowdown: float
    low: float
    high: float
    calibrated: float | None
    contradicted: bool
    together_s: float

    @property
    def source(self) -> str:
        """In words."""
        parts = [] if self.calibrated is None else [f"calibrated {self.calibrated:.2f}"]
        if self.contradicted:
            parts = [f"{parts[0]}, which runs contradict"]
        if self.together_s > 0:
            parts.append(f"{duration(self.together_s)} together")
        return ", ".join(parts) or "from other pairs"


def show(bench: Bench, state: Path, rule: str | None, picture: Path | None, as_json: bool) -> None:
    """Print it, or draw it. rule: only what concerns this one."""
    belief = _belief(bench, state)
    lines = [] if belief is None else [line for line in lines_of(belief) if _is_of(line, rule)]
    if as_json:
        import json

        from msgspec import to_builtins

        click.echo(json.dumps(to_builtins(lines), indent=2))
    elif not lines:
        about = f" of {rule}" if rule else ""
        click.echo(f"No run on a card of this bench is remembered{about}, so nothing is learned.")
    else:
        _print(lines)
        _print_exponent(belief)
    if picture is not None and belief is not None:
        _draw(belief, picture)


def _belief(bench: Bench, state: Path) -> Belief | None:
    from nvinx.history.past import Past

    past = Past.read(state, [card.name for card in bench.cards], bench.slowdowns)
    past.learn()
    if past.problem is not None:
        click.echo(f"nvinx: {past.problem}", err=True)
    return past.statistics.belief


def lines_of(belief: Belief) -> Iterator[Line]:
    """All pairs, in order of names."""
    for of, pairs in sorted(belief.pairs.items()):
        for beside, pair in sorted(pairs.items()):
            yield _line(of, beside, pair)


def _line(of: str, beside: str, pair: Pair) -> Line:
    low, high = pair.interval
    return Line(
        of,
        beside,
        1 + pair.excess,
        low,
        high,
        pair.measured,
        pair.contradicted,
        pair.together_s,
    )


def _is_of(line: Line, rule: str | None) -> bool:
    return rule is None or rule in (line.of, line.beside, _short(line.of), _short(line.beside))


def _short(profile: str) -> str:
    """Without what tells a kind from others of its name."""
    return profile.partition("@")[0]


def _print(lines: list[Line]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("job", overflow="fold")
    table.add_column("beside", overflow="fold")
    for column in ("takes", "90 %"):
        table.add_column(column, justify="right")
    table.add_column("known from", overflow="fold")
    for line in lines:
        between = f"{line.low:.2f} to {line.high:.2f}"
        times = f"{line.slowdown:.2f}x"
        table.add_row(_short(line.of), _short(line.beside), times, between, line.source)
    Console(markup=False, highlight=False, emoji=False).print(table)


def _print_exponent(belief: Belief | None) -> None:
    """Only where runs or a calibration show another than the usual one."""
    from nvinx.interference import p_norm

    if belief is not None and abs(belief.exponent - p_norm.EXPONENT) > _UNUSUAL:
        click.echo(p_norm.told(belief.exponent))


def _draw(belief: Belief, path: Path) -> None:
    from nvinx.calibration import picture

    names = sorted(belief.pairs)
    cells = [
        [
            (1 + pair.excess, pair.measured is not None or pair.together_s > 0)
            for pair in (belief.pairs[of][beside] for beside in names)
        ]
        for of in names
    ]
    title = "Slowdowns, from runs and calibration\nbold: seen together, plain: predicted"
    picture.draw(cells, [_short(name) for name in names], title, path)
