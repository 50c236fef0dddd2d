"""engine.py STATE NAME PATIENCE_S: an engine that does what it is told on stdin, line by line.

Every order is answered by one line. What it starts, it starts as the executor does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench import CAPACITY, BareEngine, starts

from nvinx.leases.environment import variables
from nvinx.leases.ports import Lease
from snakemake_executor_plugin_nvinx.job_shell import Shells


class Engine:
    def __init__(self, state: str, name: str, patience_s: str) -> None:
        self._state = Path(state)
        self._bare = BareEngine(self._state, name, float(patience_s))
        self._placements = {}

    def obey(self, order: str, *words: str) -> str:
        return getattr(self, f"do_{order}")(*words)

    def do_ask(self, job_id: str, vram_mb: str) -> str:
        job = self._bare.job(job_id, None if vram_mb == "whole" else int(vram_mb))
        return self._started(self._bare.broker.submit([job]))

    def do_poll(self) -> str:
        return self._started(self._bare.broker.poll())

    def do_finish(self, job_id: str) -> str:
        return self._started(self._bare.broker.finish(job_id))

    def do_run(self, job_id: str, script: str) -> str:
        """The pid of the job's shell; its parent never looks after it again."""
        shells = Shells.under(self._state, self._bare.name)
        exports = variables(job_id, self._placements[job_id], CAPACITY)
        shell = shells.make(job_id, "bash", exports, self._bare.liveness.file(job_id))
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(script, shell=True, executable=shell, stdin=quiet, stdout=quiet)
        return str(process.pid)

    def do_stop_in_transaction(self, job_id: str) -> str:
        """Write a lease over the whole card, drop all others, and stop before the commit."""
        with self._bare.ledger.transaction() as entries:
            (old,) = entries.leases()
            entries.drop(old.id)
            entries.hold(Lease(self._bare.job(job_id, None), old.placement, 0.0))
            print("stopped", flush=True)
            time.sleep(600)
        return ""

    def do_sweep(self) -> str:
        """What the executor does before its first job."""
        self._bare.liveness.sweep()
        return "swept"

    def do_leave(self) -> str:
        self._bare.leave()
        return "left"

    def _started(self, decisions: tuple[object, ...]) -> str:
        new = {s.job_id: s.placement for s in starts(decisions)}
        self._placements.update(new)
        return " ".join(new)


if __name__ == "__main__":
    engine = Engine(*sys.argv[1:])
    print("up", flush=True)
    for line in sys.stdin:
        print(engine.obey(*line.rstrip("\n").split("\t")), flush=True)
