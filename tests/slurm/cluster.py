"""A real Slurm for tests and trials: a controller and a few nodes, all on this machine.

Needs Debian's `slurm-wlm` and `munge`; no root, no GPU, no database. Its nodes have no cards but
say so, and Slurm counts them. `make slurm` starts one, or a test writes `with Cluster(folder)`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from cluster_folder import make_folder, user
from programs import ClusterError, find
from slurm_conf import TWO_NODES, Node
from writers import abandoned, kill, lives, with_children, writers

if TYPE_CHECKING:
    from collections.abc import Callable

GIVE_UP_S = 900  # as in tests/waiting.py, which `make slurm` does not see


@dataclass(frozen=True, slots=True)
class Queued:
    """A job as `squeue` shows it, also some minutes after its end."""

    id: str
    state: str  # PENDING, RUNNING, COMPLETED, FAILED, NODE_FAIL...
    node: str  # empty while it waits
    tres: str  # what it asked for, such as "gres:shard:1"; empty if neither GPU nor shard
    features: str
    reason: str
    name: str
    comment: str


SQUEUE = ("JobArrayID", "State", "NodeList", "tres-per-job", "tres-per-node", "Feature", "Reason")
SQUEUE += ("Name", "Comment")


@dataclass
class Cluster:
    """A Slurm that keeps all it has in one folder; two of them do not know of each other.

    more: further lines of its slurm.conf.
    Unless `kept`, the next cluster that anyone starts here stops it once this process is dead.
    """

    folder: Path
    nodes: tuple[Node, ...] = TWO_NODES
    kept: bool = False
    more: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    def __enter__(self) -> Cluster:
        for folder in abandoned():
            kill(folder)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to use this Slurm, and no other.

        The tools on `PATH` know their cluster without `SLURM_CONF`: the slurm-jobstep executor
        calls srun without any variable that begins with SLURM_.
        """
        return {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    def start(self) -> None:
        """Bring all daemons up, and wait until every node is idle.

        Raises ClusterError if that takes longer than GIVE_UP_S seconds.
        """
        self.stop()
        make_folder(self.folder, self.nodes, self.kept, self.more)
        self._daemon(
            "munged",
            "--force",  # the folder's parents may be closed to others
            f"--socket={self.folder / 'munge.socket'}",
            f"--key-file={self.folder / 'munge.key'}",
            f"--pid-file={self.folder / 'munged.pid'}",
            f"--log-file={self.folder / 'munged.log'}",
            f"--seed-file={self.folder / 'munge.seed'}",
        )
        self._daemon("slurmctld")
        for node in self.nodes:
            self._daemon("slurmd", "-N", node.name)
        self._wait(lambda: set(self.states().values()) == {"idle"}, "all nodes are idle")

    def stop(self) -> None:
        """End all daemons and all jobs, also those of a cluster here that nobody stopped."""
        kill(self.folder)

    def run(self, tool: str, *words: str) -> str:
        """What one of Slurm's tools prints. Raises ClusterError with its words if it fails."""
        done = self._call(tool, *words)
        if done.returncode:
            raise ClusterError(f"{tool} {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def submit(self, command: str, *words: str) -> str:
        """The number of a new job that runs a shell command; its output is among the logs."""
        log = f"--output={self.folder / 'job.%j.log'}"
        return self.run("sbatch", "--parsable", log, *words, f"--wrap={command}").strip()

    def squeue(self) -> list[Queued]:
        """All jobs that the controller remembers, those of the last ten minutes included."""
        form = ",".join(f"{name}:|" for name in SQUEUE)
        lines = self.run("squeue", "--noheader", "--states=all", f"--Format={form}").splitlines()
        return [_queued(line) for line in lines]

    def job(self, number: str) -> Queued:
        return next(job for job in self.squeue() if job.id == number)

    def runs(self, number: str) -> bool:
        """Whether a job's own process is there: Slurm says RUNNING before it is.

        A job whose node goes down in between was never launched, and Slurm queues it again even
        where it was told not to.
        """
        steps = (p for p in writers(self.folder, "slurmd.*.log") if f"[{number}." in _words(p))
        return any(len(with_children([step])) > 1 for step in steps)

    def states(self) -> dict[str, str]:
        """The state of each node: idle, mixed, allocated, down..., with `*` if it is silent."""
        lines = self.run("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
        return dict(line.split() for line in lines)

    def down(self, node: str) -> None:
        """Cut a node's power. The controller is told, or would notice after 10 s of silence."""
        kill(self.folder, f"slurmd.{node}.log")
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power")

    def up(self, node: str) -> None:
        """Switch on a node that is down, and wait until it takes jobs."""
        self._daemon("slurmd", "-N", node)
        self.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self._wait(lambda: self.states()[node] in {"idle", "mixed", "allocated"}, f"{node} is up")

    def controller_stop(self) -> None:
        """End the controller. Jobs go on, and nobody answers Slurm's tools."""
        found = writers(self.folder, "slurmctld.log")
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):  # a child that ended with another
                process.terminate()
        self._wait(lambda: not any(lives(p) for p in found), "the controller ends")

    def controller_start(self) -> None:
        """Start the controller again, and wait until it has heard from its nodes."""
        self._daemon("slurmctld")
        self._wait(lambda: "unknown" not in self.states().values(), "the nodes answer")

    def clear(self) -> None:
        """Cancel all jobs, switch on what is down, and wait until the nodes are idle."""
        self.run("scancel", f"--user={user()}")
        for node, state in self.states().items():
            if state.startswith("down"):
                self.up(node)
        self._wait(lambda: set(self.states().values()) == {"idle"}, "all nodes are idle")

    def logs(self, lines: int = 30) -> str:
        """The last lines of what daemons and jobs logged."""
        texts = []
        for log in sorted(self.folder.glob("*.log")):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            texts.append("\n".join((f"== {log.name}", *tail)))
        return "\n".join(texts)

    def _daemon(self, *words: str) -> None:
        """Start a daemon, which puts itself into the background."""
        done = self._call(find(words[0]), *words[1:])
        if done.returncode:
            raise ClusterError(f"{words[0]}: {done.stderr.strip()}\n{self.logs()}")

    def _call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env={**_clean(), **self.environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIVE_UP_S,
        )

    def _wait(self, question: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + GIVE_UP_S
        while not self._ask(question):
            if time.monotonic() > end:
                raise ClusterError(f"after {GIVE_UP_S} s it is not so that {what}\n{self.logs()}")
            time.sleep(0.05)

    def _ask(self, question: Callable[[], bool]) -> bool:
        """The answer; no while the controller does not answer."""
        try:
            return question()
        except ClusterError:
            return False


def _clean() -> dict[str, str]:
    """The environment without what another Slurm, or a job of it, left in it."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SRUN"))}


def _words(process: psutil.Process) -> str:
    """Its command line; empty if it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def _queued(line: str) -> Queued:
    number, state, node, per_job, per_node, features, *rest = (
        "" if word in {"N/A", "(null)"} else word for word in line.split("|")
    )
    tres = ",".join(word for word in (per_job, per_node) if word)
    return Queued(number, state, node, tres, features, *rest[:3])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    words.add_argument("what", choices=("start", "stop"))
    words.add_argument("folder", type=Path)
    words.add_argument("--shards", type=int, default=4, help="of each card; 0 for none")
    words.add_argument("--cpus", type=int, default=8, help="of each node")
    asked = words.parse_args()
    nodes = tuple(replace(node, shards=asked.shards, cpus=asked.cpus) for node in TWO_NODES)
    cluster = Cluster(asked.folder, nodes, kept=True)
    if asked.what == "stop":
        cluster.stop()
        return
    try:
        cluster.start()
    except ClusterError as error:
        cluster.stop()
        sys.exit(str(error))
    conf, bin_folder = cluster.environment["SLURM_CONF"], cluster.folder / "bin"
    print(f'export SLURM_CONF={conf} PATH={bin_folder}:"$PATH"')


if __name__ == "__main__":
    main()
