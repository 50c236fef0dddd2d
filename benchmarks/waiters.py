"""Many `nvinx run` that wait behind one holder: what waiting costs, and how the line moves.

    python benchmarks/waiters.py [--waiters 500] [--seconds 300] [--json]

Two simulated cards. One program holds the first alone; so many others ask for most of it and wait.
Measured meanwhile: CPU seconds of a waiter in a minute, `nvinx status`, and `nvinx run` for a share
of the second card, which is free, over the same with nobody waiting. Then the holder ends: whether
the next start in the order in which they came, and how soon.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psutil
from rich.console import Console
from rich.table import Table
from scene import GIVE_UP_S, Scene

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

BENCH = """
hardware:
  cpu_cores: 2
  ram_gb: 8
  gpus:
    - {name: large, vram_gb: 8.0, simulated: true}
    - {name: small, vram_gb: 4.0, simulated: true}
"""
LARGE_MB, SMALL_MB = 5000, 500
AFTER = 5  # of those in line, how many starts are watched when the holder ends
# What a waiter does when its turn has come: it notes when it began and when it ended.
NOTE = 'began=$(date +%s.%N); echo "$1 $began $(date +%s.%N)" >> "$0"'
START_AT_ONCE = 8


def command(mb: int, *words: str) -> list[str]:
    return ["nvinx", "run", "--vram", f"{mb}MB", "--", *words]


def seconds_of(scene: Scene, words: list[str]) -> float:
    """Waited for without a limit, as Python looks but twenty times a second where there is one."""
    begin = time.monotonic()
    if scene.start(*words).wait():
        raise click.ClickException(f"{words} failed")
    return time.monotonic() - begin


@contextmanager
def crowd(scene: Scene, number: int, notes: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The waiters, one after the other in line; those that still live are ended."""
    there: list[subprocess.Popen[bytes]] = []
    try:
        for n in range(number):
            words = ["sh", "-c", NOTE, str(notes), str(n)]
            there.append(scene.start(*command(LARGE_MB, *words)))
            if n < 2 * AFTER or n % START_AT_ONCE == 0:
                await_line(scene, n + 1)
        await_line(scene, number)
        yield there
    finally:
        for waiter in there:
            waiter.kill()
        for waiter in there:
            waiter.wait()


def await_line(scene: Scene, number: int) -> None:
    end = time.monotonic() + GIVE_UP_S
    while scene.status()["waiting"] < number:
        if time.monotonic() > end:
            raise click.ClickException("the line does not fill")
        time.sleep(0.02)


def cpu_s(there: list[subprocess.Popen[bytes]]) -> float:
    times = (psutil.Process(waiter.pid).cpu_times() for waiter in there)
    return sum(t.user + t.system for t in times)


def measure(waiters: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        scene, notes = Scene(Path(folder), BENCH), Path(folder) / "notes"
        small = command(SMALL_MB, "true")
        status = ["nvinx", "status"]
        alone = {"newcomer": best(scene, small), "status": best(scene, status)}
        holder = scene.start(*command(LARGE_MB, "sleep", "86400"))
        while not scene.status()["leases"]:
            time.sleep(0.05)
        with crowd(scene, waiters, notes) as there:
            begin, before = time.monotonic(), cpu_s(there)
            time.sleep(seconds)
            minutes = (time.monotonic() - begin) / 60
            spent = (cpu_s(there) - before) / waiters / minutes
            ended = sum(waiter.poll() is not None for waiter in there)
            beside = {"newcomer": best(scene, small), "status": best(scene, status)}
            (command_of_holder,) = psutil.Process(holder.pid).children()
            at = time.time()
            command_of_holder.send_signal(signal.SIGTERM)
            holder.wait()
            starts = read(notes)
        return {
            "waiters": waiters,
            "ended_before_their_turn": ended,
            "cpu_s_per_waiter_and_minute": round(spent, 4),
            "seconds": {
                name: {"nobody waits": alone[name], "all wait": beside[name]} for name in alone
            },
            "order": [n for n, *_ in starts],
            "gaps_s": gaps_s(at, starts),
        }


def gaps_s(at: float, starts: list[tuple[int, float, float]]) -> list[float]:
    """From the end of each to the start of the next. at: when the holder's command ended."""
    ended = [at, *(end for _, _, end in starts)]
    return [round(began - end, 3) for end, (_, began, _) in zip(ended, starts, strict=False)]


def best(scene: Scene, words: list[str], times: int = 5) -> float:
    return round(statistics.median(seconds_of(scene, words) for _ in range(times)), 3)


def read(notes: Path) -> list[tuple[int, float, float]]:
    """Who began and ended when, of the first few."""
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        lines = notes.read_text().splitlines() if notes.exists() else []
        if len(lines) >= AFTER:
            words = [line.split() for line in lines[:AFTER]]
            return [(int(n), float(began), float(ended)) for n, began, ended in words]
        time.sleep(0.01)
    raise click.ClickException("nobody starts")


def show(result: dict[str, Any]) -> None:
    table = Table(title=f"{result['waiters']} wait behind one holder")
    for column in ("", "nobody waits", "all wait", "ratio"):
        table.add_column(column, justify="right")
    for name, both in result["seconds"].items():
        alone, beside = both.values()
        table.add_row(f"{name}, s", str(alone), str(beside), f"{beside / alone:.2f}")
    Console().print(table)
    print(f"CPU of a waiter: {result['cpu_s_per_waiter_and_minute']} s a minute")
    print(f"ended before their turn: {result['ended_before_their_turn']}")
    print(f"started then, in this order: {result['order']}")
    print(f"each so many seconds after the end of the one before: {result['gaps_s']}")


@click.command()
@click.option("--waiters", default=500, show_default=True)
@click.option("--seconds", default=300.0, show_default=True, help="How long to watch them wait.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(waiters: int, seconds: float, as_json: bool) -> None:
    """What it costs to wait, and to be served beside those who wait."""
    result = measure(waiters, seconds)
    print(json.dumps(result)) if as_json else show(result)
    sys.exit(bool(result["ended_before_their_turn"]))


if __name__ == "__main__":
    main()
