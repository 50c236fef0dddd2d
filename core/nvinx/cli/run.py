"""`nvinx run`: a command of any kind waits for its share of the card, and then runs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from nvinx.cli import options
from nvinx.errors import GaveUpError, HintError, ImpossibleJobError
from nvinx.formatting import few_names, plain
from nvinx.jobs.preemption import URGENT_MARGIN, URGENT_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nvinx.admission.retry import RetryStep
    from nvinx.bench.resolve import Bench
    from nvinx.jobs.claim import Claim
    from nvinx.jobs.outcome import Outcome
    from nvinx.jobs.preemption import Preempted
    from nvinx.leases.client import HeldLease, LeaseClient
    from nvinx.leases.outer import Outer

_INTERRUPTED = 130
_GAVE_UP = 75
_FAILED = 1
_SIZES = {"vram", "gpu_share", "residency", "model"}


@click.command(name="run", context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--vram",
    metavar="SIZE",
    help="VRAM it needs: 900MB, 2GiB, auto to learn it, or 2-6GB if it can make do with less.",
)
@click.option("--gpu-share", metavar="PART", help="The part of a card it needs: 1/3, 0.33, 50%.")
@click.option("--gpus", "gpu", metavar="N", help="How many cards at once: 2, 1-2, or a100:2.")
@click.option(
    "--size", "nvinx_size", type=float, help="Size of its input, in a unit that suits it."
)
@click.option("--residency", help="gpu_shared, gpu_exclusive, gpu_ram_overflow or cpu_only.")
@click.option("--model", help="A model of the bench file or of the calibration.")
@click.option("--name", help="What to call it; by default the command's name.")
@click.option("--cpu-fallback", is_flag=True, help="It may run on the CPU instead.")
@click.option("--ram-overflow", is_flag=True, help="It may spill to RAM (with --mem-mb).")
@click.option("--mem-mb", type=float, help="RAM that it needs, in MB.")
@click.option("--disk-mb", type=float, help="Disk for what fits neither card nor RAM, in MB.")
@click.option(
    "--max-slowdown",
    type=float,
    help="Never share the card if that slows it by more than this factor.",
)
@click.option("--runtime", type=float, help="Approximate run time in minutes.")
@click.option("--priority", type=int, default=0, help="Higher priorities go first.")
@click.option(
    "--urgent",
    is_flag=True,
    help="Preempt running jobs of lower priority that agreed to it, where that saves more "
    f"waiting than it loses work. Without --priority: {URGENT_PRIORITY}.",
)
@click.option(
    "--preemptible",
    metavar="HOW",
    help="Give up the card to urgent jobs, and run again later: requeue (it is ended), "
    "signal[:NAME][@SECONDS] (it gets the signal, by default USR1, and has this long, "
    "by default 30 s, to save its state), or, experimental, suspend (its GPU memory goes to RAM, "
    "and it is resumed later).",
)
@click.option(
    "--give-up",
    type=float,
    metavar="SECONDS",
    help="Stop waiting after this time (exit status 75).",
)
@click.option(
    "--caps/--no-caps", default=True, help="Limit its framework to --vram or --gpu-share."
)
@click.option(
    "--retry-oom",
    is_flag=True,
    help="If it runs out of GPU memory, run it again with more VRAM, one step each time. Its "
    "stdout and stderr are then not a terminal.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file that it should write. If the file is missing at the end, the run has "
    "failed, whatever its exit status: some programs skip outputs for lack of memory. "
    "May be repeated.",
)
@click.option("--quiet", is_flag=True, help="Print only errors.")
@options.bench
@options.state_dir
def command(*, command: tuple[str, ...], **asked: Any) -> None:
    """Run COMMAND as soon as it fits on the card, together with other nvinx programs.

    Without --vram, --gpu-share, --residency or --model it gets the whole card. With several cards
    (--gpus) this applies to each card. Its exit status is COMMAND's. Write `--` before a COMMAND
    that has options of its own.
    """
    from nvinx.leases import outer

    around = outer.find(os.environ)
    if around is not None:
        with _in_options():
            raise SystemExit(_run_as_placed(command, around, **asked))
    if left_over := outer.stale(os.environ):
        (_quiet if asked["quiet"] else _say)(f"nvinx: warning: {left_over}")
    with _in_options():
        raise SystemExit(_run(command, **asked))


@contextmanager
def _in_options() -> Iterator[None]:
    """Errors in hints are raised in the words of the options they came from."""
    try:
        yield
    except (HintError, ImpossibleJobError) as error:
        from nvinx.cli import run_words

        raise run_words.in_options(error) from None


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
    outputs: tuple[Path, ...],
    **asked: Any,
) -> int:
    from nvinx.bench import machine
    from nvinx.leases.client import LeaseClient

    bench = machine.bench(file, Path.cwd())
    called = plain(name or Path(command[0]).name)
    say = _quiet if quiet else _say
    options.tell_doubts(bench)
    with LeaseClient(bench, state_dir, source=called, caps=caps, say=say) as client:
        claim = client.suspendable(_claim(called, bench, asked), called)
        how = _Manner(called, say, give_up, retry_oom, outputs)
        return _attempts(client, claim, command, how)


def _claim(name: str, bench: Bench, asked: dict[str, Any]) -> Claim:
    """What the options ask for. Raises HintError."""
    from nvinx.jobs import hints
    from nvinx.leases.lease import CORELESS, claim_of

    runtime, is_urgent = asked.pop("runtime"), asked.pop("urgent")
    if is_urgent and not asked["priority"]:
        asked["priority"] = URGENT_PRIORITY
    common = hints.Common(
        cores=CORELESS,
        runtime_s=None if runtime is None else runtime * 60,
        kind=name,
        preempts=URGENT_MARGIN if is_urgent else None,
        **{key: asked.pop(key) for key in ("mem_mb", "disk_mb", "priority")},
    )
    return claim_of(_hints(asked), common, bench)


class _Manner(Struct, frozen=True):
    """How a command is waited for and run. limit_s: how long it waits at most."""

    name: str
    say: Callable[[str], None]
    limit_s: float | None
    retry_oom: bool
    outputs: tuple[Path, ...]


class _Tried(Struct, frozen=True):
    """How a try of the command ended, and how many processes the kernel killed meanwhile.

    by_us: it was to give up its card when its user ended it, so that we may have killed it.
    """

    held: HeldLease
    status: int
    words: list[str]
    kernel_kills: int | None
    by_us: bool


def _attempts(client: LeaseClient, claim: Claim, command: tuple[str, ...], how: _Manner) -> int:
    """Run the command, again where it ran out of memory and may; its exit status."""
    from nvinx.admission import explain
    from nvinx.bench.oom_words import words_for
    from nvinx.jobs import attempt
    from nvinx.jobs.outcome import Outcome, outcome_of

    tried: list[RetryStep] = []
    preempted: Preempted | None = None
    own = words_for(client.bench.oom_patterns, how.name)
    while True:
        told = attempt.variables(len(tried) + 1, Outcome.OUT_OF_MEMORY if tried else None)
        ended = _one_try(client, claim, command, how, told, preempted)
        ran, preempted = ended.held.job.claim, ended.held.job.preempted
        status = ended.status or _left_out(how)
        outcome = outcome_of(status, *ended.words, own=own)
        peak_mib = _given_back(client, ended.held, outcome)
        again = None
        if how.retry_oom and outcome is Outcome.OUT_OF_MEMORY:
            from nvinx.admission import retry

            again = retry.next_attempt(ran, tried, client.capacity, peak_mib)
        if again is None:
            if not ended.by_us:
                _tell_lack_of_ram(how, status, ended.words, ended.kernel_kills)
            return _explained(status, command)
        step, claim = again
        tried.append(step)
        before = explain.ran_out(ran, peak_mib)
        how.say(explain.tries_again(how.name, before, step, claim))


def _one_try(
    client: LeaseClient,
    claim: Claim,
    command: tuple[str, ...],
    how: _Manner,
    told: dict[str, str],
    before: Preempted | None,
) -> _Tried:
    """Run the command to an end of its own: from its start again where it was preempted.

    before: how often it was, in earlier tries.
    """
    from msgspec.structs import replace

    from nvinx.admission import explain
    from nvinx.host import kernel_kills
    from nvinx.leases import command as commands

    while True:
        held = _waited_for(client, claim, how, before)
        beside = client.beside(held)
        how.say(explain.started(held.job, held.placement, client.bench.cards, beside))
        kills = kernel_kills.count()
        with client.watched(held) as watch:
            placed = replace(held, exports=held.exports | told)
            ended = commands.run(command, placed, listen=how.retry_oom, told=watch.tell)
        if not watch.was_preempted or ended.was_told:
            killed = kernel_kills.since(kills)
            return _Tried(held, ended.status, ended.words, killed, watch.was_preempted)
        before = _preempted(client, held)


def _preempted(client: LeaseClient, held: HeldLease) -> Preempted:
    """Give the lease back of a command that was ended for another; it runs again."""
    from nvinx.host.clock import boot_seconds
    from nvinx.jobs.outcome import Outcome
    from nvinx.jobs.preemption import once_more

    found = once_more(held.job.preempted, boot_seconds(), client.ran_s(held), held.placement.cards)
    _given_back(client, held, Outcome.PREEMPTED)
    return found


def _left_out(how: _Manner) -> int:
    """The exit status of a command that ended well: 1 where a file is missing, which is told."""
    missing = [str(file) for file in how.outputs if not file.exists()]
    if not missing:
        return 0
    click.echo(f"nvinx: {how.name} ended with 0 but did not write {few_names(missing)}.", err=True)
    return _FAILED


def _tell_lack_of_ram(
    how: _Manner, status: int, words: list[str], kernel_kills: int | None
) -> None:
    """Where the command failed for lack of the machine's own memory, or may have, say so."""
    if status == 0:
        return
    from nvinx.admission import explain
    from nvinx.jobs.out_of_memory import evidence

    found = evidence(words, status)
    if found is not None and not found.is_vram:
        how.say(explain.lacks_ram(how.name, found, kernel_kills))


def _given_back(client: LeaseClient, held: HeldLease, outcome: Outcome) -> int | None:
    """Its peak in MiB. The command has ended, so an interrupt says nothing about it any more."""
    try:
        return client.release(held, outcome)
    except KeyboardInterrupt:
        return None


def _hints(asked: dict[str, Any]) -> dict[str, Any]:
    """The options as a rule's hints; with none that says how much, the whole card."""
    hints = {key: value for key, value in asked.items() if value not in (None, False)}
    for flag in ("cpu_fallback", "ram_overflow"):
        if flag in hints:
            hints[flag] = 1
    if not _SIZES & hints.keys():
        hints.setdefault("gpu", 1)
    return hints


def _waited_for(
    client: LeaseClient, claim: Claim, how: _Manner, before: Preempted | None
) -> HeldLease:
    from nvinx.leases.lease import as_lease
    from nvinx.leases.wait_messages import WaitMessages

    try:
        with as_lease(how.name):
            wait = WaitMessages(how.name, how.say, limit_s=how.limit_s)
            return client.acquire(claim, how.name, wait, preempted=before)
    except GaveUpError as error:
        click.echo(f"nvinx: {error}", err=True)
        raise SystemExit(_GAVE_UP) from None
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


def _say(line: str) -> None:
    click.echo(line, err=True)


def _quiet(line: str) -> None:
    """Says nothing."""


def _explained(status: int, command: tuple[str, ...]) -> int:
    from nvinx.leases import command as commands

    program = plain(command[0])
    if status == commands.NOT_FOUND:
        click.echo(f"nvinx: {program} was not found. Fix: check the name and PATH.", err=True)
    elif status == commands.NOT_EXECUTABLE:
        click.echo(f"nvinx: {program} cannot be executed. Fix: check its permissions.", err=True)
    return status


def _run_as_placed(
    command: tuple[str, ...],
    around: Outer,
    *,
    file: Path | None,
    name: str | None,
    **asked: Any,
) -> int:
    """In a job that nvinx placed already, the command has its place, if it asks for no more."""
    from nvinx.bench import machine
    from nvinx.leases import outer

    for unused in ("state_dir", "give_up", "quiet", "caps", "retry_oom", "outputs"):
        asked.pop(unused)
    if any(asked[size] for size in (*_SIZES, "gpu")):
        called = plain(name or Path(command[0]).name)
        claim = _claim(called, machine.bench(file, Path.cwd()), asked)
        outer.demand_within(claim, around, called)
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        return _explained(127, command)
    except (OSError, ValueError):
        return _explained(126, command)
