"""On a node of a cluster: what Slurm has placed gets the environment that a bench gives it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.admission import explain
from nvinx.admission.first_fit import VramFifo
from nvinx.bench.capacity import Card
from nvinx.bench.resolve import Bench
from nvinx.errors import StateDirError
from nvinx.gpu.nvml import NvmlProbe
from nvinx.host import resources
from nvinx.host.files import tail, write
from nvinx.jobs import attempt
from nvinx.jobs.outcome import TAIL_BYTES, outcome_of
from nvinx.leases import command as commands
from nvinx.leases.client import LeaseClient
from nvinx.leases.wait_messages import WaitMessages
from nvinx.slurm.task import End, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nvinx.gpu.ports import GpuInventory

BEGUN, ENDED = ".node", ".end"


def run(file: Path, command: Sequence[str], say: Callable[[str], None]) -> int:
    """Run a command as the job that a task file describes; its exit status, as a shell gives it.

    Which node it is stands in a file beside the task's, and how it ended in another. A lease is
    entered in the node's own ledger, so that whoever else uses nvinx there knows; it waits only
    where such a program, or one outside nvinx, holds the VRAM that Slurm believes to be free.
    Raises NvinxError.
    """
    task = Task.read(file.read_text(encoding="utf-8"))
    _tell(node_name(os.environ), file.with_suffix(BEGUN), say)
    bench = bench_here(task, os.environ, NvmlProbe().read())
    before = "nvinx: Slurm has placed this job, and it waits on its node: "
    wait = WaitMessages(task.job.name, say, before)
    with _client(bench, task) as client:
        held = client.acquire(task.job.claim, task.job.name, wait)
        say(explain.started(held.job, held.placement, bench.cards, client.beside(held)))
        told = attempt.variables(task.attempt, task.last_failure)
        held = replace(held, exports=held.exports | told)
        ended = commands.run(command, held, listen=True)
        logs = (tail(Path(log), TAIL_BYTES) for log in task.logs)
        outcome = outcome_of(ended.status, *ended.words, *logs, own=task.oom_patterns)
        peak_mib = client.release(held, outcome)
        run = client.ended[-1] if client.ended else None
    end = End(node=node_name(os.environ), outcome=outcome, peak_mib=peak_mib, run=run)
    _tell(end.text(), file.with_suffix(ENDED), say)
    return ended.status


def _tell(text: str, file: Path, say: Callable[[str], None]) -> None:
    """Write to the run. Where that fails the job is none the worse: Slurm tells how it ended."""
    try:
        write(text, file)
    except FileNotFoundError:
        pass  # the run is over, and took the folder with it
    except OSError as error:
        say(f"nvinx: {file} cannot be written ({error.strerror}), so less is learned of this job.")


def _client(bench: Bench, task: Task) -> LeaseClient:
    """Raises StateDirError that names the option for nodes."""
    try:
        return LeaseClient(
            bench, state_dir(task), source="slurm", caps=task.caps, placed_by=VramFifo()
        )
    except StateDirError as error:
        fix = "name a folder on the nodes' own disks with --nvinx-slurm-node-state-dir"
        problem = f"{error.problem} (on node {node_name(os.environ)})"
        raise StateDirError(error.path, problem, fix) from error


def node_name(environ: Mapping[str, str]) -> str:
    return environ.get("SLURMD_NODENAME") or socket.gethostname()


def state_dir(task: Task) -> Path:
    """On this node's own disk: homes of clusters are on a network, where locks are none."""
    return Path(task.state_dir or f"/tmp/nvinx-{os.getuid()}")


def bench_here(task: Task, environ: Mapping[str, str], inventory: GpuInventory) -> Bench:
    """This node as far as it is the job's: the cards that Slurm gave it, or none.

    Where no driver tells of cards, they are such as the bench file describes. That cores and RAM
    are enough is Slurm's to judge: it may count hardware threads, or more than a job may see.
    """
    here, claim = resources.detect(), task.job.claim
    cores, ram_mib = max(here.cores, claim.cores), max(here.ram_mib, claim.ram_mib)
    granted = environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if task.job.claim.uses_gpu else []
    number = task.job.claim.cards.most
    cards = tuple(_card(task, one, environ, inventory) for one in granted[:number] if one)
    return Bench(cards=cards, cores=cores, ram_mib=ram_mib, models={}, origins={})


def _card(task: Task, granted: str, environ: Mapping[str, str], inventory: GpuInventory) -> Card:
    for gpu in inventory.gpus:
        if granted in (str(gpu.index), gpu.id):
            headroom_mib = max(gpu.total_mib - task.card_mib, 0) if task.card_mib else 0
            return Card(
                id=gpu.id,
                index=gpu.index,
                name=task.card_name or gpu.name,
                total_mib=gpu.total_mib,
                headroom_mib=headroom_mib,
            )
    index = int(granted) if granted.isdigit() else 0
    return Card(
        id=f"{node_name(environ)}-{granted}",
        index=index,
        name=task.card_name or "card",
        total_mib=max(task.card_mib, task.job.claim.vram_mib or 0),
        simulated=True,
    )
