"""Measure on a card what nvinx claims about cards: one part at a time, or all.

    python evidence/run.py PART|all [--out FOLDER] [--deadline SECONDS] [--small]
        [--device cpu]

Each measurement is a process of its own and one JSON line in FOLDER/PART.jsonl, written at once.
The same command goes on where the last one stopped. README.md beside this says the rest.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

os.environ.setdefault("NVINX_BENCH", "")  # the card as it is, whatever this user declared

from campaign import corpus, coruns, facts, offload, publish, setting, suspend, workflows
from campaign.records import Records
from campaign.steps import Deadline, Part, Step, carry_out

LEFT = 75  # EX_TEMPFAIL: run it again
OUT = Path("gpu-evidence")
FOLDERS = ("--out", "--scratch")
PARTS = (
    *(["facts"], ["corpus"], ["coruns"], ["workflows"], ["offload"], ["suspend"]),
    *(["coruns", "--way", "slice"], ["coruns", "--way", "mps"], ["coruns", "--repeat", "1"]),
)


def say(text: str) -> None:
    click.echo(text, err=True)


def asked(name: str, how: dict[str, Any]) -> Part:
    """A part as it was asked for, by the options that all have."""
    card = None if how["device"] == "cpu" else setting.real_card(how["card"])
    if card is None and how["device"] == "cuda":
        say("No card here: what needs one is written down as needing one.")
    where = setting.here(card, said(), small=how["small"])
    scratch = how["scratch"] or Path(tempfile.gettempdir()) / "nvinx-gpu-evidence"
    scratch.mkdir(parents=True, exist_ok=True)
    say(f"{name}: {where.card or 'CPU workers, no card'}, session {where.session}")
    records = Records(how["out"] / f"{name}.jsonl", name, where)
    deadline = Deadline(how["deadline"])
    return Part(card, how["small"], scratch.resolve(), records, deadline, say, how["only"])


def said() -> str:
    """The command that was given, without folders of this machine."""
    words = iter(sys.argv[1:])
    kept = (word for word in words if word not in FOLDERS or not next(words))
    return shlex.join(["run.py", *kept])


def finish(name: str, left: list[str], path: Path) -> None:
    """Say what is left; the exit status says whether anything is."""
    if left:
        say(f"{name}: {len(left)} left ({', '.join(left[:4])}, ...); the same command goes on")
        sys.exit(LEFT)
    say(f"{name}: all is in {path}")


OPTIONS = (
    click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True),
    click.option("--scratch", type=click.Path(path_type=Path), help="For models of some GB."),
    click.option("--deadline", type=float, help="Begin nothing that would end after SECONDS."),
    click.option("--small", is_flag=True, help="Toys and short times, to try the campaign."),
    click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda"),
    click.option("--only", default="*", metavar="PATTERN", help="Measurements by their keys."),
    click.option("--card", type=int, help="The card's position, if there are several."),
)


def options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.group()
def main() -> None:
    """The campaign on a card."""


def simple(name: str, steps: Callable[[Part], Iterable[Step]], words: str) -> None:
    """A part whose measurements know nothing of each other."""

    @main.command(name=name, help=words)
    @options
    def command(**how: Any) -> None:
        part = asked(name, how)
        finish(name, carry_out(steps(part), part), part.records.path)


simple("facts", facts.steps, "Contexts, bandwidths, NVML, MPS and green contexts.")
simple("corpus", corpus.steps, "Programs that run out of memory, caps, and peaks.")
simple("offload", offload.steps, "A model that is partly off the card, and loading it.")
simple("suspend", suspend.steps, "A job's memory to RAM and back, by the driver.")
simple("workflows", workflows.steps, "Real workflows with and without nvinx.")

WAY = click.option("--way", type=click.Choice(coruns.WAYS), default=coruns.TIME_SLICING)
PROGRAMS = click.option("--programs", type=click.Choice(["torch", "plain"]))


@main.command(name="coruns")
@options
@WAY
@PROGRAMS
@click.option("--repeat", type=click.IntRange(min=0), default=0, help="A further round.")
def run_coruns(way: str, programs: str | None, repeat: int, **how: Any) -> None:
    """Who slows whom: all pairs, and triples; --repeat 1 for the noise floor."""
    part = asked("coruns", how)
    with coruns.steps(part, coruns.plan(part, way, repeat, programs)) as steps:
        left = carry_out(steps, part)
    finish(f"coruns, {way}", left, part.records.path)


@main.command(name="all")
@options
@PROGRAMS
def run_all(programs: str | None, **how: Any) -> None:
    """Every part, what tells most first; --deadline is for all together."""
    deadline, left = Deadline(how["deadline"]), False
    for name, *words in PARTS:
        given = {**how, "deadline": deadline.left_s}
        if name == "coruns":
            given["programs"] = programs
        command = [sys.executable, __file__, name, *words, *as_words(given)]
        ended = subprocess.run(command, check=False).returncode
        left |= ended == LEFT
        if ended not in (0, LEFT):
            sys.exit(ended)
    sys.exit(LEFT if left else 0)


def as_words(given: dict[str, Any]) -> list[str]:
    """Options as they are typed."""
    flags = [f"--{name}" for name, value in given.items() if value is True]
    told = {name: value for name, value in given.items() if not isinstance(value, bool | None)}
    return [*flags, *(word for name, value in told.items() for word in (f"--{name}", str(value)))]


@main.command(name="publish")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--docs", type=click.Path(path_type=Path), help="Where the page goes; by default FOLDER."
)
@click.option("--traces", type=click.Path(path_type=Path), help="Write traces for tests here.")
def run_publish(folder: Path, docs: Path | None, traces: Path | None) -> None:
    """Make the page of what lies in FOLDER, and traces that tests replay."""
    try:
        lines = publish.lines_in(folder)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if publish.card_of(lines) is None and docs is not None:
        raise click.ClickException("these are CPU workers; only what a card showed goes into docs")
    click.echo(publish.write_page(lines, docs or folder))
    for path in publish.write_traces(lines, traces) if traces else ():
        click.echo(path)


if __name__ == "__main__":
    main()
