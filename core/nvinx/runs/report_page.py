"""The page of `nvinx report`: one file that needs nothing else to be looked at."""

from __future__ import annotations

import html
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from nvinx.errors import WorkloadError
from nvinx.formatting import duration
from nvinx.host import extras
from nvinx.runs import plots, replay
from nvinx.runs import summary as run_summary
from nvinx.sizes import whole_mb

if TYPE_CHECKING:
    from nvinx.runs.read import RecordedRun

NEEDS = ("bokeh", "report", "the page of a run")
_MOST_COMPARED = 1500  # jobs that are played again for the comparison
_TABLE_PX = 420
_WIDTHS = {"job": 200, "where": 110, "why": 420}
_FORMATS = {
    "waited (s)": "0.0",
    "ran (s)": "0.0",
    "slowdown": "0.00",
    "declared (MB)": "0",
    "peak (MB)": "0",
}
_TEMPLATE = """
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  :root { color-scheme: light dark; }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1200px;
         padding: 0 1rem; background: Canvas; color: CanvasText; }
  h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 1.4rem 0 .3rem; }
  p, ul { margin: .3rem 0; } .dim { opacity: .7; }
</style>
{% endblock %}
{% block contents %}
{{ heading }}
{% for doc in docs %}{{ embed(doc) if doc.elementid }}{% for root in doc.roots %}
{{ sections[loop.index0] }}{{ embed(root) }}{% endfor %}{% endfor %}
{{ ending }}
{% endblock %}
"""
_TABLE_CSS = """
:host { color-scheme: light dark; }
.slick-row, .slick-header-column, .slick-cell { background: Canvas !important;
  color: CanvasText !important; }
.slick-row:hover .slick-cell { background: color-mix(in srgb, Canvas 85%, CanvasText) !important; }
"""


def render(run: RecordedRun, name: str) -> str:
    """The whole page as HTML. name: of the workflow. Raises MissingExtraError without bokeh."""
    extras.require(*NEEDS)
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    views = {**dict(plots.plots(run)), "Jobs": _table(run)}
    page: str = file_html(
        list(views.values()),
        INLINE,
        title=f"nvinx: {name}",
        template=_TEMPLATE,
        template_variables={
            "heading": _heading(run, name),
            "sections": [f"<h2>{html.escape(title)}</h2>" for title in views],
            "ending": _advice(run),
        },
    )
    return page


def _table(run: RecordedRun) -> Any:
    from bokeh.models import (
        ColumnDataSource,
        DataTable,
        InlineStyleSheet,
        NumberFormatter,
        TableColumn,
    )

    jobs = sorted(run.jobs.values(), key=lambda job: (job.started_s is None, job.started_s))
    data = {
        "job": [job.name for job in jobs],
        "where": [job.where or "never started" for job in jobs],
        "waited (s)": [job.waited_s for job in jobs],
        "ran (s)": [job.ran_s for job in jobs],
        "slowdown": [job.slowdown for job in jobs],
        "declared (MB)": [_mb(job.declared_mib) for job in jobs],
        "peak (MB)": [_mb(job.peak_mib) for job in jobs],
        "end": [job.end_words or (job.outcome or "").replace("_", " ") for job in jobs],
        "why": [job.why for job in jobs],
    }
    columns = []
    for title in data:
        column = TableColumn(field=title, title=title, width=_WIDTHS.get(title, 90))
        if title in _FORMATS:
            column.formatter = NumberFormatter(format=_FORMATS[title], nan_format="")
        columns.append(column)
    return DataTable(
        source=ColumnDataSource(data),
        columns=columns,
        height=min(_TABLE_PX, 60 + 25 * len(jobs)),
        sizing_mode="stretch_width",
        index_position=None,
        stylesheets=[InlineStyleSheet(css=_TABLE_CSS)],
    )


def _mb(mib: int | None) -> int | None:
    return None if mib is None else whole_mb(mib)


def _heading(run: RecordedRun, name: str) -> str:
    took_s = replay.makespan_s(run)
    lines = [f"{len(run.jobs)} jobs in {duration(took_s)}"]
    if run.over_s is None:
        lines.append("the run was killed, or is still going on")
    elif len(run.jobs) <= _MOST_COMPARED and run.cards:
        try:
            alone = duration(replay.one_at_a_time_s(run))
            lines.append(f"one GPU job at a time: about {alone}, by playing this run again")
        except WorkloadError:
            pass
    command = " ".join([PurePath(run.begun["command"][0]).name, *run.begun["command"][1:]])
    when = run.begun["date"].replace("T", " ")
    said = f"{when}, {run.begun['cores']} cores; {command}"
    return (
        f"<h1>{html.escape(name)}</h1><p>{html.escape('; '.join(lines))}</p>"
        f'<p class="dim">{html.escape(said)}</p>'
    )


def _advice(run: RecordedRun) -> str:
    found = run_summary.suggestions(run)
    if not found:
        return "<h2>What to change</h2><p>Nothing that is worth it was found.</p>"
    items = "".join(f"<li>{html.escape(text)}</li>" for text in found)
    return f"<h2>What to change</h2><ul>{items}</ul>"
