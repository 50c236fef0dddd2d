"""Whatever becomes of the ledger while a command runs, its exit status and its words are its own."""

from __future__ import annotations

import signal
import sys

import pytest
from waiting import GIVE_UP_S

RUINS = {
    "garbage": "for f in ledger.db ledger.db-wal ledger.db-shm; do echo garbage > $f; done",
    "gone": "rm -rf $PWD",
    "a folder in its place": "rm -f ledger.db*; mkdir ledger.db",
    "empty": ": > ledger.db",
}


@pytest.mark.parametrize("status", [0, 7])
@pytest.mark.parametrize("ruin", RUINS.values(), ids=RUINS)
def test_the_status_is_the_commands_though_the_ledger_was_lost(bench, ruin, status):
    script = f"cd '{bench.state}'; {ruin}; echo words; exit {status}"
    done = bench.run("run", "--", "bash", "-c", script)
    assert (done.returncode, done.stdout) == (status, "words\n"), done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_that_cannot_be_used_at_the_end_is_warned_of(bench):
    ruin = RUINS["a folder in its place"]
    done = bench.run("run", "--", "bash", "-c", f"cd '{bench.state}'; {ruin}")
    assert done.returncode == 0
    assert "nvinx: warning: state folder" in done.stderr


def test_a_command_that_a_signal_ended_is_told_so_though_the_ledger_was_lost(bench):
    script = f"cd '{bench.state}'; {RUINS['garbage']}; echo up; sleep 3600"
    process = bench.start("run", "--", "bash", "-c", script)
    assert process.stdout.readline() == "up\n"
    process.terminate()
    _, complaint = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == 128 + signal.SIGTERM, complaint


def test_an_error_of_a_block_comes_through_though_the_ledger_was_lost(bench):
    program = f"""
import nvinx, subprocess
try:
    with nvinx.lease(vram_mb=900):
        subprocess.run(["bash", "-c", "cd '{bench.state}'; {RUINS["garbage"]}"], check=True)
        raise KeyError("mine")
except KeyError as error:
    print(error)
"""
    process = bench.family.start((sys.executable, "-c", program), bench.folder, bench.environment())
    said, _ = process.communicate(timeout=GIVE_UP_S)
    assert said.splitlines()[-1] == "'mine'", said
    assert "Traceback" not in said
