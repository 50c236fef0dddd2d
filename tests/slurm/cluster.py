"""A real Slurm for tests and trials: a controller and a few nodes, all on this machine.

Needs Debian's `slurm-wlm` and `munge`; no root, no GPU, no database. Its nodes have no cards but
say so, and Slurm counts them. `make slurm` starts one, or a test writes `with Cluster(folder)`.
"""

from __future__ import annotations

import argparse
import getpass
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from slurm_conf import TWO_NODES, Machine, Node, card_files, gres_conf, slurm_conf
from writers import abandoned, claim, kill, lives, writers

if TYPE_CHECKING:
    from collections.abc import Callable

GIVE_UP_S = 30
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
# Below the ports that the kernel gives to programs which ask for any, so that srun takes none.
PORTS = range(12_000, 30_000)


class ClusterError(Exception):
    """The cluster did not do as told; the message ends with what its daemons logged."""


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

    Unless `kept`, the next cluster that anyone starts here stops it once this process is dead.
    """

    folder: Path
    nodes: tuple[Node, ...] = TWO_NODES
    kept: bool = False

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
        self._write()
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
        done = subprocess.run(
            (tool, *words),
            env={**_clean(), **self.environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIVE_UP_S,
        )
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

    def states(self) -> dict[str, str]:
        """The state of each node: idle, mixed, allocated, down..., with `*` if it is silent."""
        lines = self.run("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
        return dict(line.split() for line in lines)

    def down(self, node: str) -> None:
        """Cut a node's power. The controller is told, or would notice after 10 s of silence."""
        kill(self.folder, f"slurmd.{node}.log")
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power")

    def up(self, node: str) -> None:
        """Switch a node on again, and wait until it takes jobs."""
        self._daemon("slurmd", "-N", node)
        self._wait(lambda: self.states()[node] in {"idle", "mixed", "allocated"}, f"{node} is up")

    def controller_stop(self) -> None:
        """End the controller. Jobs go on, and nobody answers Slurm's tools."""
        found = writers(self.folder, "slurmctld.log")
        for process in found:
            process.terminate()
        self._wait(lambda: not any(lives(p) for p in found), "the controller ends")

    def controller_start(self) -> None:
        """Start the controller again, and wait until it has heard from its nodes."""
        self._daemon("slurmctld")
        self._wait(lambda: "unknown" not in self.states().values(), "the nodes answer")

    def clear(self) -> None:
        """Cancel all jobs, and wait until the nodes are idle."""
        self.run("scancel", f"--user={getpass.getuser()}")
        self._wait(lambda: set(self.states().values()) == {"idle"}, "all nodes are idle")

    def logs(self, lines: int = 30) -> str:
        """The last lines of what daemons and jobs logged."""
        texts = []
        for log in sorted(self.folder.glob("*.log")):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            texts.append("\n".join((f"== {log.name}", *tail)))
        return "\n".join(texts)

    def _write(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        machine = Machine(self.folder, _address(), getpass.getuser(), _ports(1 + len(self.nodes)))
        for folder in ("state", "bin", *(f"spool.{node.name}" for node in self.nodes)):
            (self.folder / folder).mkdir()
        for node in self.nodes:
            for card in card_files(machine, node):
                card.symlink_to(os.devnull)
        (self.folder / "slurm.conf").write_text(slurm_conf(machine, self.nodes))
        (self.folder / "gres.conf").write_text(gres_conf(machine, self.nodes))
        if not self.kept:
            claim(self.folder)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        for tool in TOOLS:
            script = self.folder / "bin" / tool
            conf = self.environment["SLURM_CONF"]
            script.write_text(f'#!/bin/sh\nSLURM_CONF="{conf}" exec {_find(tool)} "$@"\n')
            script.chmod(0o755)

    def _daemon(self, *words: str) -> None:
        """Start a daemon, which puts itself into the background."""
        done = subprocess.run(
            (_find(words[0]), *words[1:]),
            env={**_clean(), **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIVE_UP_S,
        )
        if done.returncode:
            raise ClusterError(f"{words[0]}: {done.stderr.strip()}\n{self.logs()}")

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


def missing() -> list[str]:
    """The programs that a cluster needs and this machine lacks."""
    return [name for name in DAEMONS + TOOLS if shutil.which(name, path=SEARCH) is None]


def _find(program: str) -> str:
    path = shutil.which(program, path=SEARCH)
    if path is None:
        raise ClusterError(f"no {program} here. Fix: apt-get install slurm-wlm munge")
    return path


def _clean() -> dict[str, str]:
    """The environment without what another Slurm, or a job of it, left in it."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SRUN"))}


def _address() -> str:
    """Where Slurm listens: the address of this machine's own name, loopback on most."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError as error:
        name = socket.gethostname()
        fix = f"Fix: a line `127.0.1.1 {name}` in /etc/hosts"
        raise ClusterError(f"this machine's name, {name}, has no address. {fix}") from error


def _ports(count: int) -> tuple[int, ...]:
    """Free ports, at random, so that two clusters that start together hardly choose the same."""
    return tuple([port for port in random.sample(PORTS, 50 * count) if _is_free(port)][:count])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_address(), port))
        except OSError:
            return False
    return True


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
    words.add_argument("--cpus", type=int, default=4, help="of each node")
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
