"""What a small Slurm on one machine is told, as text: slurm.conf and gres.conf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is only a name, a port and what it claims to have."""

    name: str
    cpus: int = 8
    memory_mib: int = 8000
    cards: int = 1
    shards: int = 4  # of each card; 0 for a card that cannot be shared
    features: tuple[str, ...] = ()

    @property
    def gres(self) -> str:
        """As in `Gres=`; empty for a node without a card."""
        counts = {"gpu": self.cards, "shard": self.cards * self.shards}
        return ",".join(f"{kind}:{count}" for kind, count in counts.items() if count)


TWO_NODES = (Node("node1", features=("first",)), Node("node2", features=("second",)))


@dataclass(frozen=True, slots=True)
class Machine:
    """Where all daemons run: one address, one user, one folder; a port for each daemon."""

    folder: Path
    address: str
    user: str
    ports: tuple[int, ...]  # the controller's, then those of the nodes

    @property
    def munge_socket(self) -> Path:
        return self.folder / "munge.socket"


def slurm_conf(machine: Machine, nodes: tuple[Node, ...], more: tuple[str, ...] = ()) -> str:
    """The cluster, with a scheduler that looks every second and a node that is missed after 10.

    more: further lines, such as other partitions.
    `NoInAddrAny` makes every daemon and srun listen at the machine's own address only.
    """
    folder = machine.folder
    settings = {
        "ClusterName": "nvinx",
        "SlurmctldHost": f"localhost({machine.address})",
        "SlurmctldPort": machine.ports[0],
        "SlurmUser": machine.user,
        "SlurmdUser": machine.user,
        "AuthType": "auth/munge",
        # A job that is requeued waits until the credential of its first try is void.
        "AuthInfo": f"socket={machine.munge_socket},cred_expire=5",
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool.%n",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.%n.pid",
        "SlurmctldLogFile": folder / "slurmctld.log",
        "SlurmdLogFile": folder / "slurmd.%n.log",
        "SlurmdParameters": "config_overrides",
        "SlurmdTimeout": 10,
        "ReturnToService": 1,
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "MailProg": "/bin/true",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": 64,
        "GresTypes": "gpu,shard" if any("shard" in node.gres for node in nodes) else "gpu",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "batch_sched_delay=0,bf_interval=1,sched_interval=1",
        "MinJobAge": 600,
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    lines += [
        _node(machine, node, port) for node, port in zip(nodes, machine.ports[1:], strict=True)
    ]
    lines += ["PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP", *more]
    return "\n".join(lines) + "\n"


def _node(machine: Machine, node: Node, port: int) -> str:
    words = [f"NodeName={node.name} NodeHostname=localhost NodeAddr={machine.address} Port={port}"]
    words += [f"CPUs={node.cpus} RealMemory={node.memory_mib}"]
    words += [f"Gres={node.gres}"] if node.gres else []
    words += [f"Features={','.join(node.features)}"] if node.features else []
    return " ".join(words)


def card_files(machine: Machine, node: Node) -> list[Path]:
    """Where a node's cards are said to be: a device each, which nobody opens."""
    return [machine.folder / f"{node.name}.card{index}" for index in range(node.cards)]


def gres_conf(machine: Machine, nodes: tuple[Node, ...]) -> str:
    lines = []
    for node in nodes:
        for card in card_files(machine, node):
            lines += [f"NodeName={node.name} Name=gpu File={card}"]
            if node.shards:
                lines += [f"NodeName={node.name} Name=shard Count={node.shards} File={card}"]
    return "\n".join(lines) + "\n"
