"""A simulated workload, shown: lanes and table for people, plain values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from nvinx.admission.estimates import Estimates
    from nvinx.bench.capacity import Capacity
    from nvinx.bench.resolve import Bench
    from nvinx.runs.read import Ran
    from nvinx.simulation.simulate import Simulation
    from nvinx.simulation.workload import Workload

_MOST_SHOWN = 60


def lower_bound_s(work: Workload, capacity: Capacity, truth: Estimates) -> float | None:
    """Seconds that no policy can be below; None, and a line on stderr, where scipy is missing."""
    import click

    from nvinx.errors import MissingExtraError
    from nvinx.host import extras
    from nvinx.simulation import lower_bound

    try:
        extras.require("scipy", "calibrate", "the lower bound")
    except MissingExtraError as error:
        click.echo(f"nvinx: {error}", err=True)
        return None
    return lower_bound.lower_bound_s(work, capacity, truth)


def plain(played: Simulation, least_s: float | None) -> dict[str, Any]:
    """Makespan, lower bound, busy time, and each job, in seconds."""
    from msgspec import to_builtins

    return {
        "makespan_s": played.makespan_s,
        "lower_bound_s": least_s,
        "gpu_busy_s": sum(played.gpu_busy_s.values()),
        "lost_s": played.lost_s,
        "preempted": [
            {"name": t.name, "start_s": t.start_s, "end_s": t.end_s, "to": t.preempted_for}
            for t in played.preempted
        ],
        "jobs": [
            {
                "name": task.name,
                "start_s": task.start_s,
                "end_s": task.end_s,
                "placement": task.placement.residency.value,
                "card": task.placement.card,
                "cards": list(task.placement.cards),
                "why": task.placement.why.value,
                "is_guessed": task.is_guessed,
                "partners": list(task.partners),
                "waited_s": task.start_s - task.ready_s,
                "waited_for": to_builtins(task.waited_for),
            }
            for task in sorted(played.tasks, key=lambda t: (t.start_s, t.name))
        ],
    }


def rows(played: Simulation, bench: Bench) -> list[Ran]:
    """The played tasks as a finished run records its jobs."""
    from msgspec import to_builtins

    from nvinx.admission import explain
    from nvinx.jobs.outcome import Outcome
    from nvinx.runs.read import Ran

    return [
        Ran(
            name=task.name,
            submitted_s=task.ready_s,
            started_s=task.start_s,
            ended_s=task.end_s,
            placement=to_builtins(task.placement),
            where=explain.where(task.placement, bench.cards),
            why=explain.guessed(task.placement)
            if task.is_guessed
            else explain.start_reason(task.placement, task.start_s - task.ready_s, task.waited_for),
            ok=None if task.preempted_for else True,
            outcome=Outcome.PREEMPTED.value if task.preempted_for else None,
            preempted_for=task.preempted_for,
        )
        for task in sorted((*played.tasks, *played.preempted), key=lambda t: (t.start_s, t.name))
    ]


def show(played: Simulation, least_s: float | None, bench: Bench, *, whole: bool = True) -> None:
    """Print lanes, jobs (of a large workload the first ones, unless whole), and the sums."""
    import click

    from nvinx.cli.jobs import show as show_jobs
    from nvinx.formatting import duration

    listed = rows(played, bench)
    if whole:
        show_jobs(listed)
    else:
        show_jobs(listed, _MOST_SHOWN)
    busy_s, makespan_s = sum(played.gpu_busy_s.values()), played.makespan_s
    ratio = f" ({makespan_s / least_s:.2f} of it)" if least_s else ""
    bound = "" if least_s is None else f"; no policy can be below {duration(least_s)}{ratio}"
    click.echo(f"Takes {duration(makespan_s)}{bound}.")
    if bench.cards and makespan_s:
        on_cards_s = makespan_s * len(bench.cards)
        idle_s = on_cards_s - busy_s
        cards = "The card is" if len(bench.cards) == 1 else f"The {len(bench.cards)} cards are"
        click.echo(
            f"{cards} busy for {duration(busy_s)}, {busy_s / on_cards_s:.0%} of the time, "
            f"and idle for {duration(idle_s)}."
        )
    if played.preempted:
        click.echo(
            f"Urgent jobs preempt others {len(played.preempted)} times, which loses "
            f"{duration(played.lost_s)} of work."
        )


def demand_picture() -> None:
    """Raises MissingExtraError where no picture can be drawn; to be asked before a long play."""
    from nvinx.host import extras
    from nvinx.runs import lanes_picture

    extras.require(*lanes_picture.NEEDS)


def draw(played: Simulation, bench: Bench, path: Path) -> None:
    """Draw the lanes as a picture; the suffix (.png, .svg, .pdf) says which kind."""
    from nvinx.runs import lanes_picture

    lanes_picture.draw(rows(played, bench), path)
