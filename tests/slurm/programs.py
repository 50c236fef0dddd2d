"""The programs of which a Slurm is made, and the error that any of them may end in."""

from __future__ import annotations

import os
import shutil

# Debian has the daemons where a plain user's PATH does not lead.
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")


class ClusterError(Exception):
    """The cluster did not do as told; the message ends with what its daemons logged."""


def missing() -> list[str]:
    """The programs that a cluster needs and this machine lacks."""
    return [name for name in DAEMONS + TOOLS if shutil.which(name, path=SEARCH) is None]


def find(program: str) -> str:
    """The path of a program. Raises ClusterError if there is none."""
    path = shutil.which(program, path=SEARCH)
    if path is None:
        raise ClusterError(f"no {program} here. Fix: apt-get install slurm-wlm munge")
    return path
