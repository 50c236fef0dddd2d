"""A suspended job in the ledger: for its own engine, for others, and once its engine is dead."""

import pytest
from builders import CardInUse, card, exclusive_job, started, urgent_job

from nvinx.admission.job import Phase
from nvinx.bench.capacity import Capacity
from nvinx.jobs.preemption import Mode, Preemptible
from nvinx.leases.broker import Broker
from nvinx.leases.ports import Ports
from nvinx.reasons import Why
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger

CARD = card(total_mib=4096, headroom_mib=512)


class Machine:
    def __init__(self):
        self.ledger, self.liveness, self.clock = MemoryLedger(), FakeLiveness(), FakeClock()
        self.probe = CardInUse()

    def engine(self, name, ram_mib=16000):
        ports = Ports(self.ledger, self.liveness, self.clock, self.probe)
        return Broker(name, Capacity((CARD,), 4, ram_mib), ports)

    def lease(self, lease_id="fold"):
        with self.ledger.look() as entries:
            return next((each for each in entries.leases() if each.id == lease_id), None)

    def phase(self):
        suspension = self.lease().placement.suspension
        return None if suspension is None else suspension.phase


def long_job():
    suspend = Preemptible(Mode.SUSPEND)
    return exclusive_job("fold", engine="one", preemptible=suspend, runtime_s=600.0)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def engines(machine):
    """The one whose job has left its card, and one whose urgent job waits."""
    one, two = machine.engine("one"), machine.engine("two")
    assert started(one.submit([long_job()])) == ["fold"]
    machine.clock.now = 20.0
    assert two.submit([urgent_job()]) == ()
    (asked,) = one.poll()
    assert (asked.job_id, asked.ram_mib) == ("fold", 4096)
    assert machine.phase() is Phase.LEAVING
    return one, two


def test_the_urgent_job_starts_when_the_card_shows_that_it_is_free(machine, engines):
    one, two = engines
    assert two.poll() == ()
    machine.probe.used_mib = 4096
    assert one.suspended("fold", 3000) == ()
    assert machine.phase() is Phase.OFF_CARD
    assert two.poll() == ()
    assert two.waits["urgent"].why is Why.CARD_USED_BY_OTHERS
    machine.probe.used_mib = 0
    assert started(two.poll()) == ["urgent"]


def test_it_has_room_in_the_ledger_before_it_is_told_to_come_back(machine, engines):
    one, two = engines
    one.suspended("fold", 3000)
    assert started(two.poll()) == ["urgent"]
    assert one.poll() == ()
    machine.liveness.retire("urgent")
    two.finish("urgent")
    assert started(one.poll()) == ["fold"]
    assert machine.phase() is Phase.COMING_BACK
    assert machine.lease().holds(CARD.id)
    one.came_back("fold")
    assert machine.phase() is None
    assert one.finish("fold") == ()
    assert machine.lease() is None


def test_it_waits_where_others_than_nvinx_use_its_room(machine, engines):
    one, two = engines
    one.suspended("fold", 3000)
    two.withdraw(["urgent"])
    machine.probe.used_mib = 2000
    assert one.poll() == ()
    assert machine.phase() is Phase.OFF_CARD
    machine.probe.used_mib = 1000
    assert started(one.poll()) == ["fold"]


def test_its_ram_is_gone_for_every_engine(machine, engines):
    one, two = engines
    one.suspended("fold", 3000)
    two.withdraw(["urgent"])
    three = machine.engine("three", ram_mib=6000)
    wants = exclusive_job("wants", engine="three", ram_mib=2000, priority=5)
    three.submit([wants])
    assert three.waits["wants"].why is Why.NOT_ENOUGH_RAM
    assert three.waits["wants"].have == 6000 - 4096


def test_the_job_of_a_dead_engine_keeps_its_lease_and_its_ram_and_no_card(machine, engines):
    one, two = engines
    one.suspended("fold", 3000)
    machine.liveness.retire("one")
    machine.liveness.lingering.add("fold")  # its processes
    assert started(two.poll()) == ["urgent"]
    assert machine.phase() is Phase.OFF_CARD
    assert machine.lease().placement.ram_mib == 4096


@pytest.mark.parametrize("is_off_card", [True, False])
def test_whoever_adopts_it_gets_room_for_it_first_and_is_not_asked_for_it(
    machine, engines, is_off_card
):
    one, two = engines
    if is_off_card:
        one.suspended("fold", 3000)
        assert started(two.poll()) == ["urgent"]
    machine.liveness.retire("one")
    machine.liveness.lingering.add("fold")
    hand = machine.engine("hand")
    hand.adopt(machine.lease())
    if is_off_card:
        assert hand.poll() == ()
        machine.liveness.retire("urgent")
        two.finish("urgent")
        assert started(hand.poll()) == ["fold"]
    assert hand.came_back("fold") == ()
    assert machine.phase() is None
    assert machine.lease().job.engine == "hand"
    hand.close()
    assert machine.lease().holds(CARD.id)


def test_one_whose_lease_was_let_go_takes_a_new_one_before_it_comes_back(machine, engines):
    one, two = engines
    one.suspended("fold", 3000)
    with machine.ledger.transaction() as entries:
        entries.drop("fold")
    two.withdraw(["urgent"])
    assert started(one.poll()) == ["fold"]
    assert machine.phase() is Phase.COMING_BACK


def test_one_that_ends_while_it_is_suspended_leaves_no_lease(machine, engines):
    one, _ = engines
    one.suspended("fold", 3000)
    one.finish("fold")
    assert machine.lease() is None
    assert one.state.suspended == {}


def test_a_run_in_parts_teaches_nothing(machine, engines):
    one, two = engines
    one.suspended("fold", 3000)
    two.withdraw(["urgent"])
    assert started(one.poll()) == ["fold"]
    one.came_back("fold")
    one.finish("fold")
    assert one.ended() == ()
