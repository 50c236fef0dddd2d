"""Whether this process belongs to a Slurm job, which has to be more than a word in its environment.

SLURM_JOB_ID may be left over, too, or stand in a shell that only waits for an allocation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nvinx.host import proc

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE = "SLURM_JOB_ID"


def is_around(job_id: str, line: Iterable[int]) -> bool:
    """Whether the job's step manager started one of these processes, or its cgroup has this one.

    line: this process and those that it descends from. The manager's title is `slurmstepd:
    [JOB.STEP]`; its cgroups are named `job_JOB` below one that is named after Slurm.
    """
    if not job_id.isdecimal():
        return False
    title = f"slurmstepd: [{job_id}.".encode()
    if any(proc.command_line(pid).startswith(title) for pid in line):
        return True
    return re.search(rb"slurm.*/job_%b(/|$)" % job_id.encode(), proc.groups(), re.M) is not None
