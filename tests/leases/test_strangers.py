"""Who is on a card without a lease is told by name."""

import subprocess
import sys

from waiting import GIVE_UP_S

from nvinx.cli import status
from nvinx.gpu.ports import GpuInventory, GpuProcess, GpuState
from nvinx.leases import strangers


def seen(*pids):
    """What the driver shows of one card that these processes use."""
    there = tuple(GpuProcess(pid, 512) for pid in pids)
    return GpuInventory((GpuState("GPU-a", 0, "a card", 4000, 600, there),))


def asleep(folder, *words):
    """A program that works in the folder, below a shell, and the pid of it."""
    script = (
        f"{sys.executable} -c 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'"
    )
    shell = subprocess.Popen(
        ["bash", "-c", f"cd / && {script} & wait"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    return shell, int(shell.stdout.readline())


def test_a_task_of_nextflow_is_told_by_its_name_also_by_a_child_that_works_elsewhere(tmp_path):
    (tmp_path / ".command.run").write_text("#!/bin/bash\n### ---\n### name: 'FOLD (a b)'\n")
    shell, pid = asleep(tmp_path)
    try:
        (found,) = strangers.find(seen(pid), ())["GPU-a"]
        assert (found.pid, found.used_mib, found.task) == (pid, 512, "FOLD (a b)")
        assert found.folder == str(tmp_path)
        line = status._of_stranger(found)
        assert "holds no lease, of Nextflow's task FOLD (a b) in" in line
        assert strangers.find(seen(pid), {pid})["GPU-a"] == ()
    finally:
        subprocess.run(["kill", str(pid)], check=True)
        shell.wait(GIVE_UP_S)
        shell.stdout.close()


def test_any_other_program_is_told_by_its_command(tmp_path):
    shell, pid = asleep(tmp_path)
    try:
        (found,) = strangers.find(seen(pid), ())["GPU-a"]
        assert found.task == ""
        assert "import os, time" in found.command
        assert status._of_stranger(found).endswith("0.54 GB: holds no lease")
    finally:
        subprocess.run(["kill", str(pid)], check=True)
        shell.wait(GIVE_UP_S)
        shell.stdout.close()


def test_one_that_has_gone_meanwhile_is_no_error():
    (found,) = strangers.find(seen(2**22 + 1), ())["GPU-a"]
    assert found.task == ""
