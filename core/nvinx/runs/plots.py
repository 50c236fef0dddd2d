"""The plots of a run's page: lanes, VRAM, CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.formatting import duration, gb
from nvinx.runs import looks
from nvinx.runs import summary as run_summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nvinx.bench.capacity import Card
    from nvinx.runs.read import Ran, RecordedRun

_LANE_PX, _STEPS_PX, _MOST_PX = 26, 180, 900
_NAMED_SHARE = 0.04  # of the run: a job that takes less has no room for its name
_LETTERS = 160  # that fit the page's width
_LEFT_PX = 80


def plots(run: RecordedRun) -> Iterator[tuple[str, Any]]:
    """Each plot with its heading; they share one axis of seconds."""
    from bokeh.models import Range1d

    bars = run_summary.bars(run.jobs.values())
    end_s = max((bar.job.ended_s or 0.0 for bar in bars), default=1.0)
    time = Range1d(0, max(end_s, 0.001), bounds=(0, max(end_s, 0.001)))
    yield "What ran where", _lanes(bars, time)
    for card in run.cards:
        yield f"VRAM of GPU {card.index}, {card.name}", _vram(run, card, time)
    if run.samples:
        yield "CPU", _cpu(run, time)


def _lanes(bars: Sequence[run_summary.Bar], time: Any) -> Any:
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure

    lanes = list(dict.fromkeys(bar.lane for bar in bars)) or ["nothing ran"]
    plot = figure(
        x_range=time,
        y_range=list(reversed(lanes)),
        height=min(_LANE_PX * len(lanes) + 90, _MOST_PX),
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
                line_width=1.5,
                legend_label=looks.NAMES[residency],
            )
            hover.append(drawn)
    _name(plot, [bar for bar in bars if (bar.job.ran_s or 0.0) > _NAMED_SHARE * time.end])
    plot.add_tools(HoverTool(renderers=hover, tooltips=_TOOLTIPS))
    if hover:
        _legend_above(plot)
    return _plain(plot)


def _legend_above(plot: Any) -> None:
    plot.add_layout(plot.legend[0], "above")
    plot.legend[0].orientation = "horizontal"


def _name(plot: Any, bars: Sequence[run_summary.Bar]) -> None:
    """Write the names of the longest jobs on their bars."""
    for bar in bars:
        plot.text(
            x=[bar.job.started_s],
            y=[bar.lane],
            text=[bar.job.name[: round(_LETTERS * (bar.job.ran_s or 0.0) / plot.x_range.end)]],
            x_offset=4,
            text_baseline="middle",
            text_font_size="11px",
            text_color="#ffffff",
        )


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
        "edge": [looks.FAILED if job.ok is False else "#ffffff" for job in jobs],
        "name": [job.name for job in jobs],
        "where": [job.where for job in jobs],
        "ran": [duration(job.ran_s or 0.0) for job in jobs],
        "waited": [duration(job.waited_s or 0.0) for job in jobs],
        "why": [job.why for job in jobs],
        "beside": [_co_residency(job) for job in jobs],
        "peak": ["not seen" if job.peak_mib is None else gb(job.peak_mib) for job in jobs],
        "outcome": [job.end_words or (job.outcome or "").replace("_", " ") for job in jobs],
    }


def _co_residency(job: Ran) -> str:
    if not job.beside:
        return "nobody, as it began"
    slower = f", {job.slowdown:.2f} times as long expected" if job.slowdown else ""
    return f"{len(job.beside)} as it began{slower}"


def _vram(run: RecordedRun, card: Card, time: Any) -> Any:
    plot = _steps_plot(time, "GB")
    held, seen = run_summary.reserved(run, card), run_summary.measured(run, card)
    plot.varea_step(
        x=[*held.times_s, time.end],
        y1=[0.0] * (len(held.values) + 1),
        y2=[*held.values, held.values[-1]],
        step_mode="after",
        fill_color=looks.COLOURS["gpu_shared"],
        fill_alpha=0.35,
        legend_label="held by jobs",
    )
    said = run_summary.declared(run, card)
    plot.step(
        [*said.times_s, time.end],
        [*said.values, said.values[-1]],
        mode="after",
        color=looks.INK,
        line_dash="dashed",
        legend_label="declared",
    )
    if seen.times_s:
        plot.line(
            seen.times_s,
            seen.values,
            color="#d55e00",
            line_width=2,
            legend_label="in use, measured",
        )
    limit = gb(card.shareable_mib)
    plot.title.text = (
        f"{limit} to share; a job was there {run_summary.busy_share(run, card):.0%} of the time"
        + ("" if seen.times_s else "; what was really used nobody measured")
    )
    plot.y_range.start = 0
    _legend_above(plot)
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
    plot.title.text_color, plot.title.text_font_style = looks.INK, "normal"
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = looks.INK
        axis.major_label_text_color = axis.axis_label_text_color = looks.INK
    for legend in plot.legend:
        legend.background_fill_color = legend.border_line_color = None
        legend.label_text_color = looks.INK
    plot.toolbar.logo = None
    plot.min_border_left = _LEFT_PX
    return plot
