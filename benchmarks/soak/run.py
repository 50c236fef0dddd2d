"""An hour of workflows on one simulated card, with programs killed all the while.

    python benchmarks/soak/run.py [--minutes 60] [--workflows 3] [--seed 1] [--report FILE]

Snakemake runs with nvinx in a loop, `nvinx run` between; every few seconds one of them, or the
shell of a job, gets SIGKILL. Every job says in a truth file what it takes of the card. A watcher
reads the ledger and /proc by itself: the card must never be overbooked, no lease may go while
processes of its job live, and it must be gone 2 s after the last of them.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click
import psutil
from job import truth

HERE = Path(__file__).parent
FREE_WITHIN_S = 2.0
LOOK_S = 0.1
KILL_EVERY_S = (2.0, 6.0)
ENDS_WITHIN_S = 120.0
MARK = "NVINX_JOB"
BENCH = (
    "hardware: {cpu_cores: 4, ram_gb: 16, gpus: [{name: card, vram_gb: 4.0, simulated: true}]}\n"
)


@dataclass(slots=True)
class Watched:
    """A job whose program or shell was killed. Times of time.monotonic(); None: not yet."""

    kind: str
    dead_since: float | None = None


@dataclass
class Soak:
    """What all threads share."""

    base: Path
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    frees_s: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def truth(self) -> Path:
        return self.base / "truth.json"

    def fault(self, text: str) -> None:
        with self.lock:
            self.faults.append(f"{datetime.now().isoformat(timespec='seconds')} {text}")

    def start(self, name: str, command: list[str], cwd: Path) -> int:
        """Run a program to its end, where the killer can see it; its exit status."""
        environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NVINX_STATE_DIR": str(self.state),
            "SOAK_TRUTH": str(self.truth),
        }
        with (cwd / f"{name}.said").open("wb") as said:
            process = subprocess.Popen(command, cwd=cwd, env=environ, stdout=said, stderr=said)
        with self.lock:
            self.programs[name] = process
        status = process.wait()
        with self.lock:
            del self.programs[name]
        return status


# the programs


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


# the killer


def token_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.environ().get(MARK, "")
    return ""


def victim(soak: Soak, kind: str, chance: random.Random) -> psutil.Process | None:
    """A program of that kind that lives, or the shell of a job of one."""
    with soak.lock:
        named = {name: process.pid for name, process in soak.programs.items()}
    # Most of them only wait; seven in ten kills are for one that holds a lease.
    waits_too = chance.random() < 0.3
    running = [pid for name, pid in named.items() if name == "command"]
    ours = {"nvinx run": [pid for pid in running if waits_too or shells(pid)]}
    ours["Snakemake"] = [pid for name, pid in named.items() if name != "command"]
    ours["shell"] = [shell for pid in ours["Snakemake"] for shell in shells(pid)]
    with contextlib.suppress(psutil.Error):
        return psutil.Process(chance.choice(ours[kind])) if ours[kind] else None
    return None


def shells(pid: int) -> list[int]:
    """The jobs' shells of one Snakemake: the first of its line to carry a marker."""
    with contextlib.suppress(psutil.Error):
        line = psutil.Process(pid).children(recursive=True)
        marked = {p.pid: p for p in line if token_of(p)}
        return [p.pid for p in marked.values() if p.ppid() not in marked]
    return []


def kill(soak: Soak, kind: str, chance: random.Random) -> None:
    """SIGKILL for one process alone; the jobs it leaves are watched from now on."""
    process = victim(soak, kind, chance)
    if process is None:
        return
    with contextlib.suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        tokens = {token for token in map(token_of, family) if token}
        process.kill()
        with soak.lock:
            soak.kills[kind] += 1
            soak.watched.update({token: Watched(kind) for token in tokens})


def killer(soak: Soak, chance: random.Random) -> None:
    while not soak.stop.wait(chance.uniform(*KILL_EVERY_S)):
        kill(soak, chance.choice(["Snakemake", "shell", "nvinx run"]), chance)


# the watcher


def marked() -> set[str]:
    """The tokens that living processes carry."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                for line in (entry / "environ").read_bytes().split(b"\0"):
                    if line.startswith(b"NVINX_JOB="):
                        found.add(line.partition(b"=")[2].decode())
    return found


def rows(soak: Soak, table: str) -> list[tuple[str, int]]:
    """Ids and VRAM (MiB, 0 for a request) as they stand in the ledger."""
    vram = "json_extract(placement, '$.vram_mib')" if table == "lease" else "0"
    if not (soak.state / "ledger.db").exists():
        return []
    with contextlib.closing(sqlite3.connect(soak.state / "ledger.db", timeout=20)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []
        return db.execute(f"SELECT id, {vram} FROM {table}").fetchall()


def look(soak: Soak) -> None:
    """One look of the watcher; the processes are read after the ledger."""
    leases = dict(rows(soak, "lease"))
    alive, now = marked(), time.monotonic()
    if sum(leases.values()) * 1024**2 > 4_000_000_000:
        soak.fault(f"the ledger gives away more than there is: {leases}")
    check_leases(soak, leases)
    with soak.lock:
        watched = dict(soak.watched)
    for token, one in watched.items():
        if token in alive:
            one.dead_since = None
        elif one.dead_since is None:
            one.dead_since = now
        if token not in alive and token not in leases:
            settle(soak, token, one, now)
        elif one.dead_since is not None and now - one.dead_since > FREE_WITHIN_S:
            soak.fault(f"{token} ({one.kind} killed) still has its lease after {FREE_WITHIN_S} s")
            settle(soak, token, one, now)


def check_leases(soak: Soak, leases: dict[str, int]) -> None:
    """Whoever is on the card has a lease."""
    with truth(soak.truth) as state:
        on = {one["token"] for one in state["on"]}
    for token in on - leases.keys() - {""}:
        if token in dict(rows(soak, "lease")) or token not in marked():
            continue  # it came, or went, between two looks
        soak.fault(f"{token} is on the card without a lease")


def settle(soak: Soak, token: str, one: Watched, now: float) -> None:
    took = now - (now if one.dead_since is None else one.dead_since)
    soak.frees_s.setdefault(one.kind, []).append(took)
    with soak.lock:
        soak.watched.pop(token, None)


def watcher(soak: Soak, over: threading.Event) -> None:
    while not over.wait(LOOK_S):
        try:
            look(soak)
        except (OSError, sqlite3.Error) as error:
            soak.fault(f"the watcher could not look: {error}")


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
