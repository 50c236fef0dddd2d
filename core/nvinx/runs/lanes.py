"""Who was busy when: the jobs of a run laid out in lanes, as lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nvinx.runs.read import Ran


@dataclass(frozen=True, slots=True)
class Span:
    """One job on a lane, in seconds since the first job was handed over."""

    job: Ran
    start_s: float
    end_s: float

    @property
    def name(self) -> str:
        return self.job.name


def lanes(jobs: Iterable[Ran]) -> dict[str, list[list[Span]]]:
    """Lanes by place (`GPU 0`, ..., `CPU`); jobs on one lane never overlap, oldest start first.

    One that was suspended is there before and after, as two.
    """
    ran = [j for j in jobs if j.started_s is not None and j.ended_s is not None]
    spans = sorted((s for j in ran for s in _spans(j)), key=lambda s: (s.start_s, s.name))
    places: dict[str, list[list[Span]]] = {}
    for span in spans:
        for place in places_of(span.job):
            _lay(span, places.setdefault(place, []))
    return dict(sorted(places.items(), key=lambda item: (item[0] == "CPU", item[0])))


def _spans(job: Ran) -> Iterator[Span]:
    """When it held its card."""
    begin, end = job.started_s or 0.0, job.ended_s or 0.0
    for left, back in job.off_card:
        yield Span(job, begin, left)
        begin = back
    if begin <= end:
        yield Span(job, begin, end)


def places_of(job: Ran) -> list[str]:
    """`GPU 0`, and `GPU 1` of a job with several cards, or `CPU`."""
    if not job.where.startswith("GPU"):
        return ["CPU"]
    return [f"GPU {index}" for index in job.where.split()[1].split("+")]


def draw(jobs: Sequence[Ran], width: int) -> list[str]:
    """Lines no wider than `width` columns: one a lane, and a time axis; none when nothing ran."""
    placed = lanes(jobs)
    if not placed:
        return []
    last_s = max(s.end_s for rows in placed.values() for row in rows for s in row)
    end_s = max(last_s, _SHORTEST_S)
    columns = max(width - _LABEL, _LABEL)
    lines = []
    for place, rows in placed.items():
        for number, row in enumerate(rows):
            label = place if number == 0 else ""
            lines.append(f"{label:<{_LABEL}}{_bars(row, columns / end_s, columns)}".rstrip())
    end = f"{end_s:.1f} s"
    lines.append(" " * _LABEL + "0" + end.rjust(columns - 1))
    return lines


_LABEL = 7
_SHORTEST_S = 1e-3
_ENOUGH = 3


def _lay(span: Span, rows: list[list[Span]]) -> None:
    for row in rows:
        if row[-1].end_s <= span.start_s:
            row.append(span)
            return
    rows.append([span])


def _bars(row: Sequence[Span], per_s: float, columns: int) -> str:
    """Each job as a bar with as much of its name as fits; no bar hides another's start."""
    cells = [" "] * columns
    for span in row:
        first = min(int(span.start_s * per_s), columns - 1)
        last = max(min(int(span.end_s * per_s), columns) - 1, first)
        bar = _bar(span.name, last - first + 1)
        cells[first : last + 1] = list(bar)
    return "".join(cells)


def _bar(name: str, size: int) -> str:
    if size < _ENOUGH:
        return "▌" * size
    return "▌" + name[: size - 2].ljust(size - 2, "─") + "▐"
