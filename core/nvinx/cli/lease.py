"""`nvinx lease`: what the guard of a Nextflow task asks; each verb speaks for one task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nvinx.formatting import plain

_OPEN_AGAIN = 75


@click.group(name="lease")
def command() -> None:
    """Take leases for the tasks of shell scripts, as the guard of a Nextflow task does."""


@command.command(short_help="Wait for the card, and write the task's environment")
@click.option("--fd", type=int, help="The caller's descriptor of the lease's file.")
@click.option(
    "--waiting-pid", "waiting", type=int, required=True, help="The process that wants the lease."
)
@click.option("--apart", is_flag=True, help="Hold the lease in a separate process, and exit.")
@click.option(
    "--launch-dir",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where to look for a bench file.",
)
@click.option("--bench", default="", help="The bench file to use, instead.")
@click.option("--run-began", default="", help="When the task's run began.")
@click.option("--run-command", default="", help="The command of the task's run.")
@click.option("--name", required=True, help="The task's name.")
@click.option("--accelerators", default="", help="How many cards it asks for: 2, or 1-2.")
@click.option("--accelerator-type", default="", help="What they are called.")
@click.option("--unknown-ext", default="", help="Its settings that nvinx does not know.")
@click.option("--mode", default="shared", help="shared, exclusive, overflow or cpu.")
@click.option("--vram-gb", default="", help="VRAM it needs, in GB.")
@click.option("--gpu-share", default="", help="The part of a card it needs, such as 1/3.")
@click.option("--model", default="", help="A model of the bench file or of the calibration.")
@click.option("--memory", type=int, default=0, help="RAM that it has, in bytes.")
@click.option("--disk", type=int, default=0, help="Disk that it has, in bytes.")
@click.option("--cpu-fallback", type=bool, default=False, help="It may run on the CPU instead.")
@click.option("--urgent", type=bool, default=False, help="It may preempt jobs that agreed to it.")
@click.option("--attempt", type=int, default=1, help="1 for the first.")
@click.option("--previous-exit", type=int, default=0, help="Exit status of the attempt before.")
def acquire(  # noqa: PLR0913  (one argument per option)
    *,
    fd: int | None,
    waiting: int,
    apart: bool,
    launch_dir: Path,
    bench: str,
    run_began: str,
    run_command: str,
    **asked: Any,
) -> None:
    """Wait for the card, and write the task's environment to this folder.

    With a descriptor the caller then owns the lease; exit status 75 asks it to open the file again.
    Without one the lease is held until the guard of this folder's task takes it. A process stays
    until the task ends, and writes what it measured to .nvinx.trace.
    """
    from nvinx.nextflow.task import Task
    from nvinx.nextflow.task_lease import Place, TaskLease
    from nvinx.nextflow.waiting_process import WaitingProcess
    from nvinx.runs.shared_trace import SharedTrace

    asked |= {"name": plain(asked["name"]), "command": (run_command,) if run_command else ()}
    asked["unknown_ext"] = tuple(map(plain, asked["unknown_ext"].split()))
    place = Place(Path.cwd(), launch_dir, Path(bench) if bench else None)
    book = SharedTrace(launch_dir, run_began)
    task_lease = TaskLease(Task(**asked), WaitingProcess(waiting), place, _say, book)
    if fd is None:
        task_lease.prepare(apart=apart)
    elif not task_lease.take(fd):
        raise SystemExit(_OPEN_AGAIN)


@command.command()
def is_around() -> None:
    """Exit with 0 inside a live job that nvinx placed, else with 1."""
    import os

    from nvinx.leases import outer

    raise SystemExit(outer.find(os.environ) is None)


@command.command(short_help="Exit with 0 if a program ran out of GPU memory")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--status", type=int, required=True, help="The exit status of the program.")
@click.option("--name", default="", help="The task's name, as in the bench file's oom_patterns.")
@click.option("--bench", default="", help="The bench file to use.")
@click.option(
    "--launch-dir",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where to look for a bench file.",
)
def is_oom(files: tuple[Path, ...], status: int, name: str, bench: str, launch_dir: Path) -> None:
    """Exit with 0 if a program that wrote FILES ran out of GPU memory, else with 1."""
    from nvinx.bench import machine
    from nvinx.bench.oom_words import words_for
    from nvinx.host.files import tail
    from nvinx.jobs import out_of_memory, outcome

    patterns = machine.bench(Path(bench) if bench else None, launch_dir).oom_patterns
    own = words_for(patterns, name.partition(" (")[0])
    texts = [tail(file, outcome.TAIL_BYTES) for file in files]
    found = out_of_memory.evidence(texts, status, own) if status else None
    if found is not None and not found.is_vram:
        from nvinx.admission import explain

        _say(explain.lacks_ram(name or "the program", found))
    raise SystemExit(found is None or not found.is_vram)


def _say(line: str) -> None:
    click.echo(line, err=True)
