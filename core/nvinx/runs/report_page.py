"""The page of `nvinx report`: one file that needs nothing else to be looked at."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from nvinx.host import extras
from nvinx.runs import plots, report_table, report_words

if TYPE_CHECKING:
    from nvinx.runs.plots import Key, View
    from nvinx.runs.read import RecordedRun

NEEDS = ("bokeh", "report", "the page of a run")
_TEMPLATE = """
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  :root { color-scheme: light dark; }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1200px;
         padding: 0 1rem; background: Canvas; color: CanvasText; overflow-wrap: anywhere; }
  h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 1.4rem 0 .3rem; }
  p, ul { margin: .3rem 0; } .dim { opacity: .7; }
  .key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0 1.2rem; }
  .key i { display: inline-block; width: 1.3em; height: .8em; margin-right: .4em; }
  .key i.line { height: 0; vertical-align: .25em; }
  .banner { border-left: 4px solid #e69f00; padding: .3rem .8rem;
            background: color-mix(in srgb, Canvas 85%, #e69f00); }
  {{ table_css }}
</style>
{% endblock %}
{% block contents %}
{{ heading }}
{% for doc in docs %}{{ embed(doc) if doc.elementid }}{% for root in doc.roots %}
{{ sections[loop.index0] }}{{ embed(root) }}{% endfor %}{% endfor %}
<h2>Jobs</h2>
{{ table }}
{% endblock %}
"""


def render(run: RecordedRun, name: str) -> str:
    """The whole page as HTML. name: of the workflow. Raises MissingExtraError without bokeh."""
    extras.require(*NEEDS)
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    views = list(plots.plots(run))
    page: str = file_html(
        [view.plot for view in views],
        INLINE,
        title=f"nvinx: {name}",
        template=_TEMPLATE,
        template_variables={
            "heading": report_words.heading(run, name),
            "sections": list(map(_section, views)),
            "table": report_table.table(list(run.jobs.values())),
            "table_css": report_table.CSS,
        },
    )
    return page


def _section(view: View) -> str:
    """The heading of a plot, what it shows, and what its colours mean."""
    items = "".join(f"<li>{_sign(key)}{html.escape(key.label)}</li>" for key in view.key)
    key = f'<ul class="key">{items}</ul>' if items else ""
    note = f'<p class="dim">{html.escape(view.note)}</p>' if view.note else ""
    return f"<h2>{html.escape(view.title)}</h2>{note}{key}"


def _sign(key: Key) -> str:
    if key.line is None:
        return f'<i style="background: {key.colour}"></i>'
    return f'<i class="line" style="border-top: 2.5px {key.line} {key.colour}"></i>'
