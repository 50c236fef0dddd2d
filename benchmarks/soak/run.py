"""An hour of workflows on one simulated card, with programs killed all the while.

    python benchmarks/soak/run.py [--minutes 60] [--workflows 3] [--seed 1] [--report FILE]

Snakemake runs with nvinx in a loop, `nvinx run` between; every few seconds one of them, or the
shell of a job, gets SIGKILL. Every job says in a truth file what it takes of the card. A watcher
reads the ledger and /proc by itself: the card must never be overbooked, no lease may go while
processes of its job live, and it must be gone 2 s after the last of them.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

import click
from job import truth
from killing import killer
from scene import Soak
from watching import rows, watcher

HERE = Path(__file__).parent
ENDS_WITHIN_S = 120.0
BENCH = (
    "hardware: {cpu_cores: 4, ram_gb: 16, gpus: [{name: card, vram_gb: 4.0, simulated: true}]}\n"
)


def workflow(soak: Soak, name: str, seed: int) -> int:
    """One round of Snakemake in a fresh folder; its exit status."""
    work = soak.base / name / str(seed)
    work.mkdir(parents=True)
    shutil.copy(HERE / "Snakefile", work)
    (work / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
    config = [f"seed={seed}", f"python={sys.executable}", f"job={HERE / 'job.py'}"]
    command = [sys.executable, "-m", "snakemake", "--executor", "nvinx", "--jobs", "unlimited"]
    command += ["--cores", "4", "--keep-going", "--config", *config]
    status = soak.start(name, command, work)
    if status > 0 and b"died with <Signals.SIGKILL" not in (work / f"{name}.said").read_bytes():
        soak.fault(f"{name} round {seed} failed with {status}, see {work}")
    elif status == 0:
        shutil.rmtree(work, ignore_errors=True)
    return status


def workflows(soak: Soak, name: str, chance: random.Random) -> None:
    while not soak.stop.is_set():
        status = workflow(soak, name, chance.randrange(10**9))
        soak.rounds[
            "whole" if status == 0 else "killed" if status < 0 else "with a killed job"
        ] += 1


def commands(soak: Soak, chance: random.Random) -> None:
    """`nvinx run` after `nvinx run`, now and then for the whole card."""
    work = soak.base / "commands"
    work.mkdir()
    (work / "nvinx.yaml").write_text(BENCH, encoding="utf-8")
    while not soak.stop.is_set():
        mb = 4000 if chance.random() < 0.1 else chance.randint(500, 1500)
        need = ["--vram", f"{mb}MB"] if mb < 4000 else []
        job = [sys.executable, str(HERE / "job.py"), str(mb), str(chance.uniform(0.3, 2.0))]
        nvinx = [sys.executable, "-c", "from nvinx.cli import main; main()", "run", *need]
        status = soak.start("command", [*nvinx, "--", *job], work)
        soak.rounds["nvinx run"] += 1
        if status > 0:
            text = (work / "command.said").read_text(encoding="utf-8", errors="replace")
            soak.fault(f"nvinx run ended with {status}: {text[-300:]}")


# all of it


def crowd(soak: Soak, number: int, seed: int) -> list[threading.Thread]:
    """Workflows, commands and the killer, each with chances of its own."""
    jobs = [(workflows, (soak, f"w{n}", random.Random(seed + n))) for n in range(number)]
    jobs.append((commands, (soak, random.Random(seed + 100))))
    jobs.append((killer, (soak, random.Random(seed + 200))))
    return [threading.Thread(target=what, args=args, daemon=True) for what, args in jobs]


def soaked(soak: Soak, minutes: float, number: int, seed: int) -> None:
    """The given time, then the ends of what runs, then one clean round that sweeps up."""
    over = threading.Event()
    eye = threading.Thread(target=watcher, args=(soak, over), daemon=True)
    threads = crowd(soak, number, seed)
    end = time.monotonic() + 60 * minutes
    for thread in [eye, *threads]:
        thread.start()
    while time.monotonic() < end:
        time.sleep(min(30.0, max(end - time.monotonic(), 0.01)))
        click.echo(
            f"{dict(soak.rounds)}, kills {dict(soak.kills)}, {len(soak.faults)} faults", err=True
        )
    soak.stop.set()
    for thread in threads:
        thread.join(ENDS_WITHIN_S)
        if thread.is_alive():
            soak.fault("a program did not end")
    if workflow(soak, "last", 1) != 0:
        soak.fault("the last round, in which nobody is killed, failed")
    over.set()
    eye.join(ENDS_WITHIN_S)


def leaks(soak: Soak) -> dict[str, int]:
    """What is left in the state folder after the last round."""
    return {
        "leases": len(rows(soak, "lease")),
        "requests": len(rows(soak, "request")),
        "lock files": len(list((soak.state / "life").glob("*"))),
        "shells": len(list((soak.state / "shells").rglob("*"))),
        "other files": len([p for p in soak.state.iterdir() if p.is_file()]),
    }


def report(soak: Soak, minutes: float, number: int) -> str:
    with truth(soak.truth) as state:
        done, most, overbooked = state["done"], state["most_mb"], state["overbooked"]
    left = leaks(soak)
    kept = sum(left.values()) - left["other files"]
    well = not (soak.faults or overbooked or kept)
    lines = [
        f"# Soak of {minutes:g} minutes: {'passed' if well else 'FAILED'}",
        "",
        f"{number} workflows in a loop and `nvinx run` between, on one simulated card of 4000 MB;"
        f" ended {datetime.now().isoformat(timespec='minutes')}. Command:"
        f" `python benchmarks/soak/run.py --minutes {minutes:g}`.",
        "",
        "| what | how many |",
        "|---|---|",
        *(f"| rounds: {kind} | {count} |" for kind, count in sorted(soak.rounds.items())),
        *(f"| SIGKILLs: {kind} | {count} |" for kind, count in sorted(soak.kills.items())),
        f"| jobs done on the card | {done} |",
        f"| most held at once | {most} MB |",
        f"| overbookings | {len(overbooked)} |",
        f"| other faults | {len(soak.faults)} |",
        *(
            f"| slowest free after a killed {kind} | {max(some):.2f} s of {len(some)} leases |"
            for kind, some in sorted(soak.frees_s.items())
        ),
        f"| free as soon as somebody asked, which nobody had for 2 s | {soak.asked} |",
        *(f"| left at the end: {what} | {count} |" for what, count in left.items()),
        "",
        *(f"* {fault}" for fault in soak.faults[:50]),
    ]
    return "\n".join(lines).rstrip() + "\n"


@click.command()
@click.option("--minutes", default=60.0, help="How long.")
@click.option("--workflows", "number", default=3, help="How many loop at once.")
@click.option("--seed", default=1, help="Of what is asked for and who is killed.")
@click.option("--report", "file", type=click.Path(path_type=Path), help="Write Markdown here.")
def main(minutes: float, number: int, seed: int, file: Path | None) -> None:
    """Fails when the card was overbooked, a lease came free too early or late, or files leak."""
    base = Path(tempfile.mkdtemp(prefix="nvinx-soak-"))
    soak = Soak(base)
    soaked(soak, minutes, number, seed)
    text = report(soak, minutes, number)
    click.echo(text)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    well = ": passed" in text.splitlines()[0]
    if well:
        shutil.rmtree(base, ignore_errors=True)
    else:
        click.echo(f"kept: {base}", err=True)
    sys.exit(not well)


if __name__ == "__main__":
    main()
