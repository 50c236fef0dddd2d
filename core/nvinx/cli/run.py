"""`nvinx run`: a command of any kind waits for its share of the card, and then runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nvinx.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from nvinx.admission.retry import RetryStep
    from nvinx.leases.client import HeldLease, LeaseClient
    from nvinx.reasons import Reason

_INTERRUPTED = 130
_GAVE_UP = 75


@click.command(name="run", context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--vram", metavar="SIZE", help="VRAM it needs, such as 900MB or 2GiB.")
@click.option("--residency", help="gpu_shared, gpu_exclusive, gpu_ram_overflow or cpu_only.")
@click.option("--model", help="A model of the bench file or of the calibration.")
@click.option("--name", help="What to call it; by default the command's name.")
@click.option("--cpu-fallback", is_flag=True, help="It may run on the CPU instead.")
@click.option("--ram-overflow", is_flag=True, help="It may spill to RAM (with --mem-mb).")
@click.option("--mem-mb", type=float, help="RAM that it needs, in MB.")
@click.option("--disk-mb", type=float, help="Disk for what fits neither card nor RAM, in MB.")
@click.option("--max-slowdown", type=float, help="Never beside others if that slows it more.")
@click.option("--runtime", type=float, help="Minutes that it takes, about.")
@click.option("--priority", type=int, default=0, help="Higher ones are asked first.")
@click.option("--give-up", type=float, metavar="SECONDS", help="Wait no longer (exit status 75).")
@click.option("--caps/--no-caps", default=True, help="Hold its framework to --vram.")
@click.option(
    "--retry-oom",
    is_flag=True,
    help="If it runs out of GPU memory, run it again with more room, one step each time. Its "
    "stderr is then no terminal.",
)
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@options.bench
@options.state_dir
def command(*, command: tuple[str, ...], **asked: Any) -> None:
    """Run COMMAND as soon as the card has room for it, beside every other program of nvinx.

    Without --vram, --residency or --model it gets the whole card. Its exit status is COMMAND's.
    Write `--` before a COMMAND that has options of its own.
    """
    from nvinx import placement

    if placement.current().managed:
        raise SystemExit(_run_as_placed(command))
    raise SystemExit(_run(command, **asked))


def _run(  # noqa: PLR0913  (one argument per option)
    command: tuple[str, ...],
    *,
    file: Path | None,
    state_dir: Path | None,
    name: str | None,
    give_up: float | None,
    quiet: bool,
    caps: bool,
    retry_oom: bool,
    **asked: Any,
) -> int:
    from nvinx.admission import explain, retry
    from nvinx.bench import machine
    from nvinx.jobs import hints
    from nvinx.jobs.outcome import Outcome, outcome_of
    from nvinx.leases import command as commands
    from nvinx.leases.client import LeaseClient
    from nvinx.leases.lease import CORELESS, as_lease, claim_of

    bench = machine.bench(file, Path.cwd())
    called = name or Path(command[0]).name
    runtime = asked.pop("runtime")
    common = hints.Common(
        cores=CORELESS,
        runtime_s=None if runtime is None else runtime * 60,
        kind=called,
        **{key: asked.pop(key) for key in ("mem_mb", "disk_mb", "priority")},
    )
    with LeaseClient(bench, state_dir, source=called, caps=caps) as client:
        claim = claim_of(_hints(asked), common, bench)
        say = _quiet if quiet else _say
        tried: list[RetryStep] = []
        while True:
            with as_lease(called):
                held = _waited_for(client, claim, called, _Patience(called, give_up, say))
            say(explain.started(held.job, held.placement, bench.cards, client.beside(held)))
            status, words = commands.run(command, held, listen=retry_oom)
            outcome = outcome_of(status, words)
            peak_mib = client.release(held, outcome)
            again = None
            if retry_oom and outcome is Outcome.OUT_OF_MEMORY:
                again = retry.next_attempt(held.job.claim, tried, client.capacity, peak_mib)
            if again is None:
                return _explained(status, command)
            step, claim = again
            tried.append(step)
            how = explain.ran_out(held.job.claim, peak_mib)
            say(explain.tries_again(called, how, step, claim))


def _hints(asked: dict[str, Any]) -> dict[str, Any]:
    """The options as a rule's hints; with none that says how much, the whole card."""
    hints = {key: value for key, value in asked.items() if value not in (None, False)}
    for flag in ("cpu_fallback", "ram_overflow"):
        if flag in hints:
            hints[flag] = 1
    if not {"vram", "residency", "model"} & hints.keys():
        hints["gpu"] = 1
    return hints


class _Patience:
    """Says once why the command waits, whenever that changes, and gives up in time."""

    def __init__(self, name: str, limit_s: float | None, say: Callable[[str], None]) -> None:
        self._name, self._say = name, say
        self._end = None if limit_s is None else time.monotonic() + limit_s
        self._said = ""

    def __call__(self, reason: Reason | None) -> None:
        from nvinx.admission import explain

        text = explain.sentence(reason) if reason else "not looked at yet"
        if text != self._said:
            self._say(f"nvinx: {self._name} waits: {text}")
            self._said = text
        if self._end is not None and time.monotonic() > self._end:
            click.echo(f"nvinx: {self._name} gave up: {text}", err=True)
            raise SystemExit(_GAVE_UP)


def _waited_for(client: LeaseClient, claim: Any, name: str, patience: _Patience) -> HeldLease:
    try:
        return client.acquire(claim, name, patience)
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


def _say(line: str) -> None:
    click.echo(line, err=True)


def _quiet(line: str) -> None:
    """Says nothing."""


def _explained(status: int, command: tuple[str, ...]) -> int:
    from nvinx.leases import command as commands

    if status == commands.NOT_FOUND:
        click.echo(f"nvinx: {command[0]} was not found. Fix: check the name and PATH.", err=True)
    elif status == commands.NOT_EXECUTABLE:
        click.echo(f"nvinx: {command[0]} cannot be executed. Fix: check its rights.", err=True)
    return status


def _run_as_placed(command: tuple[str, ...]) -> int:
    """In a job that nvinx placed already, the command has its place."""
    import os

    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        return _explained(127, command)
    except OSError:
        return _explained(126, command)
