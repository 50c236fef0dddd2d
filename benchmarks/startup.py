"""What it costs to start `nvinx run` and `nvinx lease`, over a Python that does nothing.

    python benchmarks/startup.py [--rounds 20] [--json]

CPU time of the process and all it started, as the kernel counts it, on a bench with one simulated
card and a ledger that nobody else uses. The sides take turns. nvinx is compiled to byte code first,
as `pip install` leaves it.
"""

import compileall
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

import click
from rich.console import Console
from rich.table import Table

import nvinx

BENCH = "hardware: {vram_gb: 4, simulated: true}\n"
NOTHING = "python -c pass"
IS_OOM = "nvinx lease is-oom"
_NO = 1  # its exit status for an end of another kind
NVINX = (sys.executable, "-c", "from nvinx.__main__ import main; main()")
TASK = ("--waiting-pid", str(os.getpid()), "--name", "task", "--vram-gb", "0.1")
LEASE = 'exec 9<>"$0" && exec "$@"'  # as a task's guard opens the lease's file


def sides(folder: Path) -> dict[str, tuple[str, ...]]:
    """What is started, by how it is called in the table."""
    file = folder / "state" / "life" / "task.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    acquire = (*NVINX, "lease", "acquire", "--fd", "9", *TASK)
    return {
        NOTHING: (sys.executable, "-c", "pass"),
        "nvinx run -- true": (*NVINX, "run", "--quiet", "--", "true"),
        "nvinx run --vram 10MB -- true": (*NVINX, "run", "--quiet", "--vram", "10MB", "--", "true"),
        "nvinx lease acquire": ("bash", "-c", LEASE, str(file), *acquire),
        IS_OOM: (*NVINX, "lease", "is-oom", "--status", "1", os.devnull),
    }


def cpu_ms(name: str, command: tuple[str, ...], folder: Path) -> float:
    """CPU time of one process and its children, which must have been started by it."""
    environ = {**os.environ, "NVINX_STATE_DIR": str(folder / "state")}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (_NO if name == IS_OOM else 0):
        raise click.ClickException(f"{name} ended with {process.returncode}")
    return 1000 * (used.ru_utime + used.ru_stime)


def measure(rounds: int) -> dict[str, list[float]]:
    """CPU milliseconds of each side, round by round."""
    for package in nvinx.__path__:
        compileall.compile_dir(package, quiet=1)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        (folder / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
        commands = sides(folder)
        for name, command in commands.items():
            cpu_ms(name, command, folder)
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                took[name].append(cpu_ms(name, command, folder))
    return took


@click.command()
@click.option("--rounds", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(rounds: int, as_json: bool) -> None:
    """CPU time of a start, over that of a Python that does nothing."""
    took = measure(rounds)
    if as_json:
        click.echo(json.dumps(took))
        return
    table = Table(title="one start, CPU time (ms)")
    for column in ("", "mean", "least", f"mean over {NOTHING}"):
        table.add_column(column, justify="right")
    for name, times in took.items():
        over = mean(times) / mean(took[NOTHING])
        table.add_row(name, f"{mean(times):.1f}", f"{min(times):.1f}", f"{over:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
