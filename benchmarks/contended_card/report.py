"""What was measured on the contended card, as a table and as a picture."""

from statistics import fmean
from typing import Any

import matplotlib as mpl
from contenders import CONTENDERS
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

LABELS = {contender.name: contender.label for contender in CONTENDERS}
# Okabe and Ito's colours, told apart with any colour vision; lost jobs are hatched and said, too.
OURS, OTHERS, LOST, INK = "#0072B2", "#B0B0B0", "#E69F00", "#333333"


def note(rounds: list[dict[str, Any]]) -> str | None:
    """Why a run has no figures, if it has none."""
    return next((one["note"] for one in rounds if "note" in one), None)


def span_s(rounds: list[dict[str, Any]]) -> float:
    """Mean span."""
    return fmean(one["span_s"] for one in rounds)


def lost(rounds: list[dict[str, Any]], jobs: int) -> int:
    """Most jobs that did not succeed in one round."""
    return max(jobs - one["succeeded"] for one in rounds)


def ratio(measured: dict[str, Any], name: str) -> str:
    """nvinx's span over this one, where both did all jobs."""
    results, jobs = measured["results"], measured["jobs"]
    both = [results.get("nvinx", []), results[name]]
    if not all(both) or any(note(rounds) for rounds in both):
        return ""
    if any(lost(rounds, jobs) for rounds in both):
        return "lost jobs"
    return f"{span_s(both[0]) / span_s(both[1]):.2f}"


def each(values: list[str]) -> str:
    """Values of all rounds; one where they agree."""
    return ", ".join(values if len(set(values)) > 1 else values[:1])


def row(measured: dict[str, Any], name: str) -> list[str]:
    """A table's row."""
    rounds = measured["results"][name]
    label = LABELS.get(name, name)
    if why := note(rounds):
        return [label, why]
    spans = ", ".join(f"{one['span_s']:.1f}" for one in rounds)
    done = each([str(one["succeeded"]) for one in rounds])
    out_of_memory = each([str(one["out_of_memory"]) for one in rounds])
    return [label, spans, f"{done} of {measured['jobs']}", out_of_memory, ratio(measured, name)]


def show(measured: dict[str, Any]) -> None:
    """Print the table of one set."""
    copies, size = measured["copies"], measured["actual_mb"]
    title = f"contended card, {measured['set']} set, {copies} at once, small jobs take {size} MB"
    table = Table(title=title)
    table.add_column("run", no_wrap=True)
    for column in ("span (s)", "jobs done", "OOM", "nvinx / this"):
        table.add_column(column, justify="right")
    for name in measured["results"]:
        table.add_row(*row(measured, name))
    Console().print(table)
    print(f"lower bound: {measured['lower_bound_s']:.1f} s")


def draw_bar(axes: Axes, at: int, name: str, rounds: list[dict[str, Any]], jobs: int) -> None:
    """A bar as long as the mean span, a dot for each round, and the span in figures."""
    if why := note(rounds):
        axes.text(0.5, at, why, va="center", color=INK, fontsize=8)
        return
    gone, mean = lost(rounds, jobs), span_s(rounds)
    colour = LOST if gone else OURS if name.startswith("nvinx") else OTHERS
    axes.barh(at, mean, color=colour, height=0.62, hatch="//" if gone else "", edgecolor="white")
    spans = [one["span_s"] for one in rounds]
    axes.plot(spans, [at] * len(spans), "o", color=INK, markersize=3)
    text = f"{mean:.1f} s" + (f", {gone} of {jobs} jobs lost" if gone else "")
    axes.text(max(spans) + 0.6, at, text, va="center", color=INK, fontsize=9)


def draw_set(axes: Axes, measured: dict[str, Any]) -> None:
    """One set: a bar for each run, and the lower bound."""
    results, bound = measured["results"], measured["lower_bound_s"]
    for at, (name, rounds) in enumerate(results.items()):
        draw_bar(axes, at, name, rounds, measured["jobs"])
    axes.axvline(bound, color=INK, linestyle="--", linewidth=1)
    axes.set_title(f"{measured['set']} set (dashed: lower bound, {bound:.0f} s)", fontsize=10)
    axes.set_yticks(range(len(results)), [LABELS.get(name, name) for name in results])
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.set_xlabel("first start to last end (s)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def draw(sets: list[dict[str, Any]], file: str) -> None:
    """Draw all sets side by side; the file's name says in which format."""
    rows = max(len(measured["results"]) for measured in sets)
    figure = Figure(figsize=(1.6 + 4.4 * len(sets), 1.2 + 0.36 * rows), layout="constrained")
    axes = figure.subplots(1, len(sets), sharex=True, sharey=len(sets) > 1, squeeze=False)[0]
    for one, measured in zip(axes, sets, strict=True):
        draw_set(one, measured)
    axes[0].set_xlim(0, axes[0].get_xlim()[1] * 1.12)
    # Text stays text, so that a browser can search it; and the same data give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "nvinx"}):
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.endswith(".svg") else None)
