"""The plots of a run's page: lanes, VRAM, CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nvinx.formatting import duration, gb
from nvinx.runs import looks
from nvinx.runs import summary as run_summary
from nvinx.sizes import gb_from_mib

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nvinx.bench.capacity import Card
    from nvinx.runs.read import Ran, RecordedRun

_LANE_PX, _LEAST_LANE_PX, _STEPS_PX, _MOST_PX = 26, 12, 180, 1400
# Beside the colours, for whoever cannot tell them apart.
_HATCHES = {
    "gpu_shared": None,
    "gpu_exclusive": "right_diagonal_line",
    "gpu_ram_overflow": "dot",
    "cpu_only": "horizontal_line",
}
_LEFT_PX = 80


@dataclass(frozen=True, slots=True)
class View:
    """A plot with its heading. key: what each colour and line means. note: what it shows."""

    title: str
    plot: Any
    key: tuple[Key, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A colour's or line's meaning. line: solid, dashed or dotted; None for an area."""

    label: str
    colour: str
    line: str | None = None


def plots(run: RecordedRun) -> Iterator[View]:
    """Each plot of the page; they share one axis of seconds."""
    from bokeh.models import Range1d

    bars = run_summary.bars(run.jobs.values())
    end_s = max((bar.job.ended_s or 0.0 for bar in bars), default=1.0)
    time = Range1d(0, max(end_s, 0.001), bounds=(0, max(end_s, 0.001)))
    there = {looks.residency(bar.job) for bar in bars}
    kinds = [kind for kind in looks.COLOURS if kind in there]
    key = tuple(Key(looks.NAMES[kind], looks.COLOURS[kind]) for kind in kinds)
    yield View("What ran where", _lanes(bars, time), key)
    for card in run.cards:
        yield _vram(run, card, time)
    if any(job.waited_s for job in run.jobs.values()):
        yield View("Jobs that wait", _waiting(run, time), _WAITING)
    if run.samples:
        yield View("CPU", _cpu(run, time))


def _lanes(bars: Sequence[run_summary.Bar], time: Any) -> Any:
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure

    lanes = list(dict.fromkeys(bar.lane for bar in bars)) or ["nothing ran"]
    lane_px = max(_LEAST_LANE_PX, min(_LANE_PX, _MOST_PX // len(lanes)))
    plot = figure(
        x_range=time,
        y_range=list(reversed(lanes)),
        height=lane_px * len(lanes) + 90,
        tools="xpan,xwheel_zoom,box_zoom,reset,save",
        active_scroll=None,
        output_backend="webgl",
        sizing_mode="stretch_width",
        x_axis_label="seconds",
    )
    hover = []
    for residency, colour in looks.COLOURS.items():
        some = [bar for bar in bars if looks.residency(bar.job) == residency]
        if some:
            drawn = plot.hbar(
                y="lane",
                left="start",
                right="end",
                height=0.8,
                source=ColumnDataSource(_columns(some)),
                color=colour,
                line_color="edge",
                line_width=1,
                hatch_pattern=_HATCHES[residency],
                hatch_color="#000000",
                hatch_alpha=0.2,
                hatch_scale=8,
            )
            hover.append(drawn)
    _name(plot, bars)
    plot.add_tools(HoverTool(renderers=hover, tooltips=_TOOLTIPS))
    return _plain(plot)


def _name(plot: Any, bars: Sequence[run_summary.Bar]) -> None:
    """Write on each bar as much of its job's name as fits, also after a zoom and on a phone."""
    from bokeh.models import ColumnDataSource, CustomJS

    columns = _columns(bars)
    named = {key: columns[key] for key in ("lane", "start", "end", "name")}
    source = ColumnDataSource({**named, "text": [""] * len(bars)})
    plot.text(
        x="start",
        y="lane",
        text="text",
        source=source,
        x_offset=4,
        text_baseline="middle",
        text_font_size="11px",
        text_color="#ffffff",
    )
    fit = CustomJS(args={"plot": plot, "source": source}, code=_FIT_NAMES)
    plot.js_on_change("inner_width", fit)
    plot.x_range.js_on_change("end", fit)


_FIT_NAMES = """
const { start, end, name } = source.data;
const px_per_s = plot.inner_width / (plot.x_range.end - plot.x_range.start);
source.data = { ...source.data, text: Array.from(name, (whole, n) => {
  const letters = Math.floor(((end[n] - start[n]) * px_per_s - 8) / 6.3);
  return whole.length <= letters ? whole : letters < 4 ? "" : whole.slice(0, letters - 1) + "…";
}) };
"""
_TOOLTIPS = [
    ("job", "@name"),
    ("where", "@where"),
    ("ran", "@ran"),
    ("waited", "@waited"),
    ("why", "@why"),
    ("beside it", "@beside"),
    ("peak VRAM", "@peak"),
    ("end", "@outcome"),
]


def _columns(bars: Sequence[run_summary.Bar]) -> dict[str, list[Any]]:
    jobs = [bar.job for bar in bars]
    return {
        "lane": [bar.lane for bar in bars],
        "start": [job.started_s for job in jobs],
        "end": [job.ended_s for job in jobs],
        "edge": [looks.FAILED if job.ok is False else looks.INK for job in jobs],
        "name": [job.name for job in jobs],
        "where": [job.where for job in jobs],
        "ran": [duration(job.ran_s or 0.0) for job in jobs],
        "waited": [duration(job.waited_s or 0.0) for job in jobs],
        "why": [job.why for job in jobs],
        "beside": [_co_residency(job) for job in jobs],
        "peak": ["not seen" if job.peak_mib is None else gb(job.peak_mib) for job in jobs],
        "outcome": [job.outcome_words for job in jobs],
    }


def _co_residency(job: Ran) -> str:
    if not job.beside:
        return "none when it started"
    slower = f", {job.slowdown:.2f} times as long expected" if job.slowdown else ""
    return f"{len(job.beside)} when it started{slower}"


def _vram(run: RecordedRun, card: Card, time: Any) -> View:
    plot = _steps_plot(time, "GB")
    held, seen = run_summary.reserved(run, card), run_summary.measured(run, card)
    said = run_summary.declared(run, card)
    plot.varea_step(
        x=[*held.times_s, time.end],
        y1=[0.0] * (len(held.values) + 1),
        y2=[*held.values, held.values[-1]],
        step_mode="after",
        fill_color=looks.COLOURS["gpu_shared"],
        fill_alpha=0.35,
    )
    times, values = [*said.times_s, time.end], [*said.values, said.values[-1]]
    plot.step(times, values, mode="after", color=looks.INK, line_dash="dashed")
    if seen.times_s:
        plot.line(seen.times_s, seen.values, color=_USED.colour, line_width=2)
    limits = _limits(card)
    for key, height in limits.items():
        ends = [time.start, time.end]
        plot.line(ends, [height] * 2, color=key.colour, line_dash=key.line, line_width=2)
    most = max(gb_from_mib(card.total_mib), *held.values, *said.values, *seen.values)
    plot.y_range.start, plot.y_range.end = 0, 1.08 * most
    busy = f"{run_summary.busy_share(run, card):.0%}"
    note = f"{gb(card.shareable_mib)} can be shared; jobs ran on it {busy} of the time"
    note += "" if seen.times_s else "; actual use was not measured"
    keys = (_HELD, _DECLARED, *([_USED] if seen.times_s else []), *limits)
    return View(f"VRAM of GPU {card.index}, {card.name}", _plain(plot), keys, f"{note}.")


def _limits(card: Card) -> dict[Key, float]:
    """All that the card has, and what of it jobs may share where that is less, in GB."""
    limits = {Key("the whole card", looks.INK, "solid"): gb_from_mib(card.total_mib)}
    if card.shareable_mib < card.total_mib:
        share = Key("what jobs may share", looks.INK, "dotted")
        limits[share] = gb_from_mib(card.shareable_mib)
    return limits


_HELD = Key("held by jobs", "#0072b259")
_DECLARED = Key("declared", looks.INK, "dashed")
_USED = Key("in use, measured", "#d55e00", "solid")
_WAITING = (
    Key("for the card", looks.COLOURS["gpu_shared"], "solid"),
    Key("for cores or RAM", looks.COLOURS["cpu_only"], "dashed"),
)


def _waiting(run: RecordedRun, time: Any) -> Any:
    plot = _steps_plot(time, "jobs")
    for key, on_card in zip(_WAITING, (True, False), strict=True):
        jobs = [job for job in run.jobs.values() if job.where.startswith("GPU") is on_card]
        times, counts = looks.waiting(jobs)
        plot.step(
            [*times, time.end],
            [*counts, counts[-1]],
            mode="after",
            color=key.colour,
            line_width=2,
            line_dash=key.line,
        )
    plot.y_range.start = 0
    return _plain(plot)


def _cpu(run: RecordedRun, time: Any) -> Any:
    plot = _steps_plot(time, "share of all cores")
    steps = run_summary.cpu(run)
    plot.line(steps.times_s, steps.values, color=looks.COLOURS["cpu_only"], line_width=2)
    plot.y_range.start, plot.y_range.end = 0, 1.02
    return _plain(plot)


def _steps_plot(time: Any, unit: str) -> Any:
    from bokeh.plotting import figure

    return figure(
        x_range=time,
        height=_STEPS_PX,
        tools="xpan,box_zoom,reset,save",
        sizing_mode="stretch_width",
        y_axis_label=unit,
    )


def _plain(plot: Any) -> Any:
    """No colours of its own but those of the data, so that it suits light and dark pages."""
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    plot.grid.grid_line_color, plot.grid.grid_line_alpha = looks.INK, 0.25
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = looks.INK
        axis.major_label_text_color = axis.axis_label_text_color = looks.INK
    plot.toolbar.logo = None
    plot.min_border_left = _LEFT_PX
    return plot
