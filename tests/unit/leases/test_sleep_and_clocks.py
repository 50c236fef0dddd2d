"""A machine that sleeps, an engine that is stopped, a clock that is set: nobody gains by it.

Times are seconds since boot, sleep included, so a sleep is a jump of that clock; nobody can set it.
"""

from __future__ import annotations

import os
import time

import pytest
from builders import cpu_job, exclusive_job, shared_job, simulated_card, started

from nvinx.bench.capacity import Capacity
from nvinx.leases import tokens
from nvinx.leases.broker import Broker
from nvinx.leases.everyone import UNHEARD_AFTER_S
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.ports import Ports
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger

TOKEN = f"{tokens.new()}.1"  # signs of life are seen all over the machine
CAPACITY = Capacity((simulated_card(),), 4)
NIGHT_S = 8 * 3600.0
MINUTES_S = 600.0


class Machine:
    def __init__(self):
        self.clock, self.liveness = FakeClock(1000.0), FakeLiveness()
        self._asleep_s = 0.0
        self._ports = Ports(
            MemoryLedger(), self.liveness, self.clock, asleep=lambda: self._asleep_s
        )

    def engine(self, name):
        return Broker(name, CAPACITY, self._ports)

    def pass_by(self, seconds):
        self.clock.now += seconds

    def sleep(self, seconds):
        self._asleep_s += seconds
        self.pass_by(seconds)


@pytest.fixture
def machine():
    return Machine()


def holder_and_two_waiting(machine):
    one, two, three = map(machine.engine, ("one", "two", "three"))
    assert started(one.submit([exclusive_job("a", engine="one")])) == ["a"]
    for engine, name, job_id in ((two, "two", "b"), (three, "three", "c")):
        machine.pass_by(1.0)
        assert not engine.submit([exclusive_job(job_id, engine=name)])
    return one, two, three


@pytest.mark.parametrize("seconds", [MINUTES_S, NIGHT_S, 1e9])
def test_a_lease_is_kept_however_long_the_machine_slept(machine, seconds):
    one, two, _ = holder_and_two_waiting(machine)
    machine.pass_by(seconds)
    assert not two.poll()
    assert not machine.engine("late").submit([shared_job("d", engine="late")])
    one.finish("a")
    assert started(two.poll()) == ["b"]


def test_the_line_keeps_its_order_over_a_sleep(machine):
    one, two, three = holder_and_two_waiting(machine)
    machine.pass_by(NIGHT_S)
    one.finish("a")
    assert not three.poll(), "though it is the first to look"
    assert started(two.poll()) == ["b"]
    assert not three.poll()
    two.finish("b")
    assert started(three.poll()) == ["c"]


def test_a_job_that_ran_over_a_sleep_has_the_card_alone_until_it_ends(machine):
    one, two, three = holder_and_two_waiting(machine)
    for _ in range(3):
        machine.pass_by(NIGHT_S)
        assert not two.poll()
        assert not three.poll()
    one.finish("a")
    assert started(two.poll()) == ["b"]


def test_an_engine_that_was_stopped_keeps_nobody_waiting_and_gets_its_turn_afterwards(machine):
    one, two, three = holder_and_two_waiting(machine)
    one.finish("a")
    assert not three.poll(), "room is kept for the one before"
    machine.pass_by(UNHEARD_AFTER_S + 1.0)
    assert started(three.poll()) == ["c"]
    machine.pass_by(MINUTES_S)
    assert not two.poll(), "the card is taken, however old its wish"
    late = machine.engine("late")
    assert not late.submit([exclusive_job("d", engine="late")])
    three.finish("c")
    assert not late.poll()
    assert started(two.poll()) == ["b"]


def test_a_sleep_makes_nobody_look_less_often(machine):
    _, two, _ = holder_and_two_waiting(machine)
    before = two.look_again_s
    machine.pass_by(NIGHT_S)
    assert not two.poll()
    assert two.look_again_s == before


def test_a_dead_job_is_free_after_a_sleep_as_before(machine):
    _, two, _ = holder_and_two_waiting(machine)
    machine.pass_by(NIGHT_S)
    machine.liveness.retire("a")
    assert started(two.poll()) == ["b"]


@pytest.mark.parametrize("jump_s", [-NIGHT_S, NIGHT_S])
def test_a_wall_clock_that_is_set_removes_no_sign_of_life(tmp_path, jump_s):
    liveness = ProcessLiveness(tmp_path / "life")
    liveness.announce(TOKEN)
    then = time.time() - jump_s
    os.utime(liveness.file(TOKEN), (then, then))
    liveness.sweep(older_than_s=60.0)
    assert liveness.file(TOKEN).exists()
    assert ProcessLiveness(tmp_path / "life").alive({TOKEN})
    liveness.retire(TOKEN)


@pytest.mark.parametrize(("age_s", "is_left"), [(NIGHT_S, False), (-NIGHT_S, False), (1.0, True)])
def test_what_the_dead_left_is_swept_though_the_clock_was_set_back(tmp_path, age_s, is_left):
    liveness = ProcessLiveness(tmp_path / "life")
    file = liveness.file(TOKEN)
    file.touch()
    then = time.time() - age_s
    os.utime(file, (then, then))
    liveness.sweep(older_than_s=60.0)
    assert file.exists() is is_left


@pytest.mark.parametrize("job", [cpu_job, exclusive_job, shared_job])
def test_a_night_in_which_the_machine_slept_is_no_time_that_a_job_ran(job, machine):
    machine.sleep(NIGHT_S)
    one = machine.engine("one")
    one.submit([job("a", engine="one")])
    machine.pass_by(10.0)
    machine.sleep(NIGHT_S)
    machine.pass_by(20.0)
    one.finish("a")
    (run,) = one.ended()
    assert run.ran_s == 30.0


def test_a_night_counts_for_no_pair(machine):
    one = machine.engine("one")
    one.submit([shared_job("a", engine="one"), shared_job("b", engine="one")])
    machine.pass_by(10.0)
    machine.sleep(NIGHT_S)
    one.finish("a")
    machine.pass_by(20.0)
    one.finish("b")
    a, b = one.ended()
    assert (a.company_s, b.company_s) == pytest.approx((10.0, 10.0))
    assert (a.ran_s, b.ran_s) == (10.0, 30.0)
