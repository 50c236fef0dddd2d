"""Many engines at one card: never too much at once, everybody's turn comes, nothing is left."""

from __future__ import annotations

import fcntl
from collections import Counter
from typing import TYPE_CHECKING

from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Machine, Process

CARD_MB, JOB_MB = 4000, 900
ROUNDS = 20


def _moments(log: Path) -> Iterator[set[str]]:
    """Who holds the card, after each line of the log."""
    holders: set[str] = set()
    for line in log.read_text().splitlines():
        what, name = line.split()
        if what == "start":
            assert name not in holders
            holders.add(name)
        elif what == "end":
            holders.remove(name)
        else:
            holders = {job for job in holders if not job.startswith(f"{name}.")}
        yield set(holders)


def _begin(machine: Machine, log: Path, engines: int) -> dict[str, Process]:
    """Start engines that begin together once all are there."""
    log.touch()
    storms = {f"e{n:02}": machine.storm(f"e{n:02}", log, ROUNDS) for n in range(engines)}
    for storm in storms.values():
        assert storm.answer() == "up"
    for storm in storms.values():
        storm.order("go")
    return storms


def _finished(log: Path) -> Counter[str]:
    ends = [line for line in log.read_text().splitlines() if line.startswith("end ")]
    return Counter(line.split()[1].split(".")[0] for line in ends)


def test_sixteen_engines_share_one_card_and_every_job_gets_its_turn(
    machine: Machine, tmp_path: Path
) -> None:
    log = tmp_path / "card.log"
    storms = _begin(machine, log, 16)
    for storm in storms.values():
        machine.text(storm.popen)
    assert {storm.popen.returncode for storm in storms.values()} == {0}

    moments = list(_moments(log))
    assert 1 < max(map(len, moments)) <= CARD_MB // JOB_MB
    assert moments[-1] == set()
    assert _finished(log) == dict.fromkeys(storms, ROUNDS)
    assert machine.leases() == set()
    assert machine.requests() == set()
    assert machine.lock_files() == set()


def test_engines_killed_in_a_crowd_leave_their_room_to_the_others(
    machine: Machine, tmp_path: Path
) -> None:
    log = tmp_path / "card.log"
    storms = _begin(machine, log, 9)
    doomed = sorted(storms)[::3]
    for share, name in enumerate(doomed, start=1):
        assert eventually(lambda share=share: _finished(log).total() >= 25 * share)
        _kill_and_note(storms[name], name, log)
    survivors = {name: storms[name] for name in storms if name not in doomed}
    for storm in survivors.values():
        machine.text(storm.popen)
    assert {storm.popen.returncode for storm in survivors.values()} == {0}

    assert max(map(len, _moments(log))) <= CARD_MB // JOB_MB
    finished = _finished(log)
    assert {name: finished[name] for name in survivors} == dict.fromkeys(survivors, ROUNDS)
    assert machine.requests() == set()


def _kill_and_note(storm: Process, name: str, log: Path) -> None:
    """Kill it while nobody can note anything, so that the log stays in order."""
    with log.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        storm.kill()
        file.write(f"gone {name}\n")
