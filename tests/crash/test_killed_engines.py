"""A lease outlives its engine for as long as anything of the job lives, and not much longer."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from family import words
from waiting import GIVE_UP_S, eventually

from nvinx.leases.markers import Markers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine, Machine

WATCHED_S = 0.7
FOR_AN_HOUR = "for n in {1..36000}; do sleep 0.1; done"


@pytest.fixture
def orphan(machine: Machine, tmp_path: Path) -> Callable[[str], tuple[int, int]]:
    """Kill an engine whose job runs a script; gives the pids of its shell and in its $PID."""
    note = tmp_path / "pid"
    machine.environ["PID"] = str(note)

    def make(script: str) -> tuple[int, int]:
        doomed = machine.engine("doomed")
        assert doomed.ask("job")
        shell = doomed.run("job", script)
        assert eventually(lambda: note.exists() and note.read_text().endswith("\n"))
        doomed.kill()
        return shell, int(note.read_text())

    return make


def _condition(pid: int) -> str:
    """The letter in /proc: R, S, T for stopped, Z for dead but not buried; empty when gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(") ")[2][0]
    except OSError:
        return ""


def _lives(pid: int) -> bool:
    return _condition(pid) not in ("", "Z")


def _is_asleep(pid: int) -> bool:
    """Whether it has become the program that sleeps: what starts that is another one before."""
    return words(psutil.Process(pid)) == ["sleep", "3600"]


def _demand_kept_then_freed(machine: Machine, pid: int) -> Engine:
    """The card is the dead engine's job's until this process dies, and then another's soon."""
    other = machine.engine("other")
    assert not other.ask("job", 900)
    assert not other.is_admitted_within(WATCHED_S, "job")
    assert machine.leases() == {"doomed.job"}
    os.kill(pid, signal.SIGKILL)
    assert other.is_admitted_within(GIVE_UP_S, "job")
    assert machine.leases() == {"other.job"}
    return other


def test_a_job_keeps_the_card_when_its_engine_is_killed(machine: Machine, orphan) -> None:
    shell, _ = orphan(f"echo $$ > $PID; {FOR_AN_HOUR}")

    other = _demand_kept_then_freed(machine, shell)
    other.finish("job")
    other.leave()
    assert machine.leases() == set()


def test_a_grandchild_in_a_session_of_its_own_keeps_the_card(machine: Machine, orphan) -> None:
    shell, grandchild = orphan("(setsid sleep 3600 & echo $! > $PID)")
    assert eventually(lambda: not _lives(shell))

    _demand_kept_then_freed(machine, grandchild)


def test_a_grandchild_keeps_the_card_when_the_jobs_shell_is_killed(
    machine: Machine, orphan
) -> None:
    shell, grandchild = orphan(f"(setsid sleep 3600 & echo $! > $PID); {FOR_AN_HOUR}")
    os.kill(shell, signal.SIGKILL)
    assert eventually(lambda: not _lives(shell))

    _demand_kept_then_freed(machine, grandchild)


def test_a_grandchild_that_closed_the_lock_keeps_the_card_by_its_marker(
    machine: Machine, orphan
) -> None:
    shell, grandchild = orphan("(setsid sleep 3600 243>&- & echo $! > $PID)")
    assert eventually(lambda: not _lives(shell))
    assert eventually(lambda: _is_asleep(grandchild))
    assert "243" not in os.listdir(f"/proc/{grandchild}/fd")

    _demand_kept_then_freed(machine, grandchild)


def test_a_grandchild_that_lost_its_marker_keeps_the_card_by_the_lock(
    machine: Machine, orphan
) -> None:
    shell, grandchild = orphan("(env -u NVINX_JOB setsid sleep 3600 & echo $! > $PID)")
    assert eventually(lambda: not _lives(shell))
    assert eventually(lambda: _is_asleep(grandchild))
    with open(f"/proc/{grandchild}/environ") as environ:
        assert "NVINX_JOB" not in environ.read()

    _demand_kept_then_freed(machine, grandchild)


def test_a_job_keeps_the_card_before_its_shell_has_taken_the_lock(
    machine: Machine, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    slow.joinpath("flock").write_text('#!/bin/sh\n: >"$0.asked"  # and it locks nothing\n')
    slow.joinpath("flock").chmod(0o755)
    machine.environ["PATH"] = f"{slow}:{os.environ['PATH']}"
    doomed = machine.engine("doomed")
    assert doomed.ask("job")
    shell = doomed.run("job", "sleep 3600")
    assert eventually(slow.joinpath("flock.asked").exists)
    doomed.kill()

    _demand_kept_then_freed(machine, shell)


def test_an_engine_killed_before_its_job_was_started_holds_nothing(machine: Machine) -> None:
    doomed = machine.engine("doomed")
    other = machine.engine("other")
    assert doomed.ask("job")
    assert not other.ask("job", 900)
    assert not other.is_admitted_within(WATCHED_S, "job")
    doomed.kill()

    assert other.is_admitted_within(GIVE_UP_S, "job")
    assert machine.leases() == {"other.job"}


def test_a_stopped_engine_keeps_its_lease(machine: Machine) -> None:
    sleepy = machine.engine("sleepy")
    other = machine.engine("other")
    assert sleepy.ask("job")
    sleepy.stop()

    assert not other.ask("job", 900)
    assert not other.is_admitted_within(WATCHED_S, "job")
    assert machine.leases() == {"sleepy.job"}


def test_a_waiting_engine_that_is_killed_is_forgotten(machine: Machine) -> None:
    holder = machine.engine("holder")
    doomed = machine.engine("doomed")
    other = machine.engine("other", patience_s=0)
    assert holder.ask("job", 900)
    assert not doomed.ask("whole")
    assert not other.ask("job", 900)
    assert not other.is_admitted_within(WATCHED_S, "job"), "it overtook an older request"
    assert machine.requests() == {"doomed.whole", "other.job"}
    doomed.kill()

    assert other.is_admitted_within(GIVE_UP_S, "job")
    assert machine.requests() == set()


def test_nothing_of_a_transaction_is_seen_when_its_engine_is_killed(machine: Machine) -> None:
    holder = machine.engine("holder")
    doomed = machine.engine("doomed")
    assert holder.ask("job", 900)
    assert doomed.told("stop_in_transaction", "doomed.job") == "stopped"
    doomed.kill()

    other = machine.engine("other")
    assert other.ask("job", 900)
    assert machine.leases() == {"holder.job", "other.job"}


def test_engines_wait_for_a_transaction_that_is_under_way_and_go_on_when_it_dies(
    machine: Machine,
) -> None:
    holder = machine.engine("holder")
    doomed = machine.engine("doomed")
    other = machine.engine("other")
    assert holder.ask("job", 900)
    assert doomed.told("stop_in_transaction", "doomed.job") == "stopped"
    other.order("ask", "other.job", "900")
    assert not other.has_answered_within(WATCHED_S)
    doomed.kill()

    assert other.has_answered_within(GIVE_UP_S)
    assert other.answer() == "other.job"
    assert machine.leases() == {"holder.job", "other.job"}


def test_the_locks_of_a_killed_engine_are_swept_up_by_the_next_but_not_its_jobs(
    machine: Machine, orphan
) -> None:
    shell, _ = orphan(f"echo $$ > $PID; {FOR_AN_HOUR}")
    engine = f"doomed{machine.mark}"
    assert eventually(lambda: not Markers().pids({engine}))  # its shells have all become others
    machine.engine("next").told("sweep")
    assert machine.lock_files() == {"doomed.job.lock"}

    other = _demand_kept_then_freed(machine, shell)
    other.finish("job")
    other.leave()
    machine.engine("last").told("sweep")
    assert machine.lock_files() == set()
