"""`nvinx calibrate`: measure who slows whom on this machine."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nvinx.cli import options
from nvinx.interference import p_norm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.bench.capacity import Card
    from nvinx.calibration.session import Calibration, Outcome, Place
    from nvinx.calibration.tasks import Task
    from nvinx.interference.slowdown import Prediction, SlowdownModel

MODEL_NAME = "slowdown.json"
PICTURE_NAME = "slowdown.png"
_LOAD_S = 8.0  # to load a model, until the first one was
_INTERRUPTED = 130
_WIDEST = 12


@click.command(name="calibrate")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[NAME=]MODULE:LOADER",
    help="A callable without arguments that returns a ProfileTarget. Give it again for each model.",
)
@click.option(
    "--command",
    "commands",
    multiple=True,
    metavar="NAME='CMD'",
    help="Any program that ends by itself; its rate is completions per second.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("nvinx-calibration"),
    show_default=True,
    help="The folder for measurements, model and picture; an interrupted calibration there "
    "is resumed.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=3.0,
    show_default=True,
    help="Length of a window; each rate is the median of three.",
)
@click.option(
    "--warm-up",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Seconds to run before the first window.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="NAME",
    help="Run every model together with this one, instead of its neighbours on a circle; give two.",
)
@click.option(
    "--triples",
    is_flag=True,
    help="Also measure three at a time, to learn how slowdowns from several partners combine here.",
)
@click.option("--gpu", type=click.IntRange(min=0), help="The card, if there are several.")
@click.option(
    "--cpu-core",
    type=click.IntRange(min=0),
    help="Measure on this CPU core instead of a card, to try things out.",
)
@options.bench
@options.state_dir
def command(  # noqa: PLR0913  (one argument per option)
    *,
    models: Sequence[str],
    commands: Sequence[str],
    output: Path,
    seconds: float,
    warm_up: float,
    probes: Sequence[str],
    triples: bool,
    gpu: int | None,
    cpu_core: int | None,
    file: Path | None,
    state_dir: Path | None,
) -> None:
    """Measure how much programs slow each other down on this machine's card.

    Each program runs alone and together with others, each in its own process. Ctrl-C keeps what was
    measured: repeat the command to resume, or add programs to it.
    """
    from nvinx.calibration import picture
    from nvinx.calibration.programs import parse
    from nvinx.calibration.session import Calibration
    from nvinx.calibration.tasks import Windows
    from nvinx.host import extras
    from nvinx.interference import fit

    for needs in (fit.NEEDS, picture.NEEDS):
        extras.require(*needs)

    programs = parse(models, commands)
    card = None if cpu_core is not None else _card(gpu, file)
    with ExitStack() as stack:
        place = _place(card, cpu_core, state_dir, stack)
        calibration = Calibration(
            programs, output, place, Windows(seconds, warm_up_s=warm_up), probes, triples
        )
        try:
            _measure(calibration)
        except KeyboardInterrupt:
            left = len(calibration.notebook.left(calibration.tasks))
            click.echo(
                f"\nInterrupted; {left} measurements are left. The others are in "
                f"{calibration.notebook.path}: repeat the command to resume."
            )
            raise SystemExit(_INTERRUPTED) from None
    _report(calibration.outcome(), output)


def _card(gpu: int | None, file: Path | None) -> Card | None:
    """The real card to measure on, or None where there is none."""
    from nvinx.bench import machine
    from nvinx.errors import CalibrationError

    bench = machine.bench(file, Path.cwd())
    cards = {card.index: card for card in bench.cards if not card.simulated}
    if gpu is not None and gpu not in cards:
        fix = f"name one of {', '.join(map(str, cards))}" if cards else "check the driver"
        raise CalibrationError(f"--gpu {gpu}", "there is no such card", fix)
    if not cards:
        click.echo(f"No GPU here: {bench.problem or 'all cards are simulated'}.")
        return None
    return cards[min(cards) if gpu is None else gpu]


def _place(
    card: Card | None, cpu_core: int | None, state_dir: Path | None, stack: ExitStack
) -> Place:
    """Where the programs will run; a card is held until the stack unwinds."""
    from datetime import date

    from nvinx.calibration.session import Place
    from nvinx.errors import CalibrationError
    from nvinx.interference.slowdown import Provenance

    today = date.today().isoformat()
    if card is None:
        mine = os.sched_getaffinity(0)
        core = min(mine) if cpu_core is None else cpu_core
        if core not in mine:
            fix = f"name one of {', '.join(map(str, sorted(mine)))}"
            raise CalibrationError(f"--cpu-core {core}", "this process may not use it", fix)
        click.echo(f"Measuring on CPU core {core}: this says nothing about a GPU.")
        return Place(Provenance("CPU core", None, today, "one core"), core)
    from nvinx.gpu import meter, sharing
    from nvinx.leases import client

    facts = meter.facts(card.id)
    where = Provenance(
        card.name, facts.driver if facts else None, today, sharing.sharing_mode(card.id)
    )
    from nvinx.leases.wait_messages import WaitMessages

    wait = WaitMessages("nvinx calibrate", click.echo, "Waiting for the card: ")
    exports = stack.enter_context(client.whole_card(card, "nvinx calibrate", state_dir, wait))
    click.echo(f"Measuring on {card.name} ({where.sharing}); it is reserved for this.")
    gauge = stack.enter_context(meter.NvmlMeter(card.id))
    return Place(where, None, gauge, {**os.environ, **exports})


def _measure(calibration: Calibration) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from nvinx.calibration.tasks import duration_s

    tasks, windows = calibration.tasks, calibration.windows
    done = len(calibration.notebook.results)
    if done:
        click.echo(f"{done} measurements are already done; {len(tasks)} are left.")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns) as progress:
        bar = progress.add_task(_words(tasks[0]) if tasks else "", total=len(tasks), left="")

        def show(position: int) -> None:
            seconds = duration_s(tasks[position:], windows, _LOAD_S)
            words = _words(tasks[position]) if position < len(tasks) else "done"
            left = f"at least {_clock(seconds)} left" if seconds else ""
            progress.update(bar, completed=position, description=words, left=left)

        show(0)
        for position, _ in enumerate(calibration.measure(), start=1):
            show(position)


def _words(task: Task) -> str:
    return " beside ".join(task.models) + ("" if len(task.models) > 1 else " alone")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _report(outcome: Outcome, folder: Path) -> None:
    from rich.console import Console

    from nvinx.calibration import picture
    from nvinx.interference import save_slowdown_model

    console = Console(markup=False, highlight=False, emoji=False)
    names = list(outcome.findings.solo)
    console.print(_programs_table(outcome, names))
    if len(names) <= _WIDEST:
        console.print(
            "Slowdown of the row's program when sharing with the column's (~ is predicted):"
        )
        console.print(_slowdown_table(outcome.model, names))
    if outcome.findings.groups:
        console.print("Slowdowns of three together, and predictions from their pairs:")
        console.print(_triples_table(outcome))
        console.print(p_norm.told(outcome.model.exponent))
    for warning in outcome.findings.warnings:
        console.print(f"Warning: {warning}.", style="yellow")
    for line in _accuracy(outcome):
        console.print(line, soft_wrap=True)
    save_slowdown_model(outcome.model, folder / MODEL_NAME)
    picture.heat_map(outcome.model, names, folder / PICTURE_NAME)
    console.print(f"The picture is {folder / PICTURE_NAME}. In the bench file:", soft_wrap=True)
    console.print(f"interference: {folder / MODEL_NAME}", soft_wrap=True)


def _programs_table(outcome: Outcome, names: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("program", overflow="fold")
    for title in ("alone", "busy", "slowed down by others", "slows others"):
        table.add_column(title, justify="right")
    for name in names:
        busy = outcome.findings.utilisation.get(name)
        others = [other for other in names if other != name]
        suffers = [outcome.model.predict(name, [other]).slowdown for other in others]
        hurts = [outcome.model.predict(other, [name]).slowdown for other in others]
        table.add_row(
            name,
            f"{outcome.findings.solo[name]:.3g}/s",
            "?" if busy is None else f"{busy:.0%}",
            f"{sum(suffers) / len(suffers):.2f}x",
            f"{sum(hurts) / len(hurts):.2f}x",
        )
    return table


def _slowdown_table(model: SlowdownModel, names: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for name in names:
        table.add_row(name, *(_cell(model.predict(name, [other])) for other in names))
    return table


def _triples_table(outcome: Outcome) -> Any:
    """Each program of each group, as it was measured and as its pairs foretell."""
    from dataclasses import replace

    from rich import box
    from rich.table import Table

    pairs = replace(outcome.model, groups={}, exponent=p_norm.EXPONENT)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("program", "beside", "measured", "from pairs"):
        table.add_column(title, overflow="fold", justify="left" if title < "m" else "right")
    for group in outcome.findings.groups:
        for of, beside, slowdown in group.directed:
            foretold = pairs.predict(of, beside).slowdown
            table.add_row(of, ", ".join(beside), f"{slowdown:.2f}", f"~{foretold:.2f}")
    return table


def _cell(prediction: Prediction) -> str:
    return f"{'' if prediction.source == 'measured' else '~'}{prediction.slowdown:.2f}"


def _accuracy(outcome: Outcome) -> list[str]:
    check = outcome.validation
    if check is None:
        return ["Too few pairs to say how well unmeasured ones are predicted."]
    others = ", ".join(f"{name} {each.mean_pct:.1f} %" for name, each in check.baselines.items())
    return [
        (
            f"Each pair predicted from the others: {check.summary.mean_pct:.1f} % error on "
            f"average, {check.summary.p90_pct:.1f} % at p90, {check.summary.coverage:.0%} of the "
            "slowdowns inside their 90 % interval."
        ),
        f"Simpler models on the same pairs: {others}.",
    ]
