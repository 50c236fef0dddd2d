"""The table of a run's jobs as HTML: every column sorts, by the pointer and by the keyboard."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from nvinx.sizes import whole_mb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.runs.read import Ran

_MOST = 2000  # nobody reads further, and a browser takes long to lay out more
_COLUMNS = (
    "job",
    "where",
    "waited (s)",
    "ran (s)",
    "expected slowdown",
    "declared (MB)",
    "peak (MB)",
    "end",
    "why",
)
CSS = """
  .jobs { overflow: auto; max-height: 40rem; overflow-wrap: break-word; }
  .jobs thead { position: sticky; top: 0; background: Canvas; }
  .jobs table { border-collapse: collapse; width: 100%; }
  .jobs th, .jobs td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
    border-bottom: 1px solid color-mix(in srgb, Canvas 80%, CanvasText); }
  .jobs td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .jobs td:first-child { overflow-wrap: anywhere; min-width: min(15rem, 35vw); }
  .jobs td:nth-child(2) { white-space: nowrap; }
  .jobs td:last-child { min-width: 14rem; }
  .jobs th button { font: inherit; font-weight: 600; text-align: left; background: none;
    border: 0; padding: 0; color: inherit; cursor: pointer; }
  .jobs th[aria-sort=ascending] button::after { content: " ▲"; }
  .jobs th[aria-sort=descending] button::after { content: " ▼"; }
  .jobs tr.failed td { color: light-dark(#b00000, #ff8080); }
"""
SCRIPT = """<script>
document.querySelectorAll(".jobs th button").forEach((button, column) => {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0];
    const falls = head.getAttribute("aria-sort") === "ascending";
    head.parentElement.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const both = (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
    const rows = [...body.rows].sort((a, b) => falls ? both(b, a) : both(a, b));
    body.replaceChildren(...rows);
  });
});
</script>"""


def table(jobs: Sequence[Ran]) -> str:
    """The jobs in the order in which they started; of very many the first ones."""
    ordered = sorted(jobs, key=lambda job: (job.started_s is None, job.started_s or 0.0))
    head = "".join(f'<th scope="col"><button>{title}</button></th>' for title in _COLUMNS)
    body = "".join(map(_row, ordered[:_MOST]))
    more = len(ordered) - _MOST
    rest = f"<p>... and {more} more; nvinx jobs --json lists all.</p>" if more > 0 else ""
    rows = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="jobs" tabindex="0">{rows}</div>{rest}{SCRIPT}'


def _row(job: Ran) -> str:
    cells = [
        _text(job.name),
        _text(job.where or "never started"),
        _number(job.waited_s, ".1f"),
        _number(job.ran_s, ".1f"),
        _number(job.slowdown, ".2f"),
        _number(_mb(job.declared_mib), "d"),
        _number(_mb(job.peak_mib), "d"),
        _text(job.outcome_words),
        _text(job.why),
    ]
    failed = ' class="failed"' if job.ok is False else ""
    return f"<tr{failed}>{''.join(cells)}</tr>"


def _text(value: str) -> str:
    return f"<td>{html.escape(value)}</td>"


def _number(value: float | None, how: str) -> str:
    """-1 sorts what is not known before all that is."""
    if value is None:
        return '<td class="number" data-key="-1"></td>'
    return f'<td class="number" data-key="{value:.3f}">{value:{how}}</td>'


def _mb(mib: int | None) -> int | None:
    return None if mib is None else whole_mb(mib)
