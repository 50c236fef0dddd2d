"""A job of one engine gives its card back to an urgent one of another, through the ledger."""

import pytest
from builders import CardInUse, card, exclusive_job, shared_job, started, urgent_job
from msgspec.structs import replace

from nvinx.admission.events import Reclaim
from nvinx.bench.capacity import Capacity
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.preemption import Mode, Preempted, Preemptible
from nvinx.leases.broker import Broker
from nvinx.leases.ports import Ports
from nvinx.reasons import Why
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger

CARD = card(total_mib=4096, headroom_mib=512)
REQUEUE = Preemptible(Mode.REQUEUE)


class Machine:
    def __init__(self, probe=None):
        self.ledger, self.liveness, self.clock = MemoryLedger(), FakeLiveness(), FakeClock()
        self.probe = probe

    def engine(self, name, cards=(CARD,)):
        ports = Ports(self.ledger, self.liveness, self.clock, self.probe)
        return Broker(name, Capacity(cards, 4, 16000), ports)

    def placement(self, lease_id):
        with self.ledger.look() as entries:
            (lease,) = (each for each in entries.leases() if each.id == lease_id)
        return lease.placement


def long_job(job_id="fold", engine="one"):
    return exclusive_job(job_id, engine=engine, preemptible=REQUEUE, runtime_s=600.0)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def engines(machine):
    """The one that runs a job which agreed, and one that has an urgent job."""
    one, two = machine.engine("one"), machine.engine("two")
    assert started(one.submit([long_job()])) == ["fold"]
    machine.clock.now = 20.0
    return one, two


def test_the_owner_is_notified_and_asked_and_the_ledger_says_so(machine, engines):
    one, two = engines
    assert one.is_watching
    assert two.submit([urgent_job()]) == ()
    assert two.waits["urgent"].why is Why.CARD_ASKED_BACK
    assert one.await_change(0)

    assert one.poll() == (Reclaim("fold", "urgent", 20.0, 0.0),)
    assert machine.placement("fold").given_back.to == "urgent"
    two.poll()
    assert two.waits["urgent"].why is Why.CARD_GIVEN_BACK


def test_it_is_asked_once(engines):
    one, two = engines
    two.submit([urgent_job()])
    assert len(one.poll()) == 1
    assert one.poll() == ()
    assert two.poll() == ()


def test_the_urgent_job_starts_when_the_other_has_ended_and_before_it_comes_back(engines):
    one, two = engines
    two.submit([urgent_job()])
    one.poll()
    assert started(two.poll()) == []
    one.finish("fold")
    assert started(one.submit([long_job("fold again")])) == []
    assert started(two.poll()) == ["urgent"]
    two.finish("urgent")
    assert started(one.poll()) == ["fold again"]


def test_it_starts_when_the_card_shows_the_room_and_not_before():
    machine, _, two, *_ = room_shown_late()
    assert started(two.poll()) == []
    assert two.waits["urgent"].why is Why.CARD_USED_BY_OTHERS
    machine.probe.used_mib = 0
    assert started(two.poll()) == ["urgent"]


def room_shown_late():
    """A card whose job was preempted, and does not show that its memory is free."""
    probe = CardInUse()
    machine = Machine(probe)
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([long_job()])
    machine.clock.now = 20.0
    job = exclusive_job("urgent", engine="two", priority=10, preempts=10, vram_mib=4000)
    two.submit([job])
    one.poll()
    probe.used_mib = 3000  # of what died, and the driver has not taken back
    one.finish("fold")
    again = replace(long_job("fold again"), preempted=Preempted(1, 20.0, 20.0, (CARD.id,)))
    small = shared_job("small", 200, engine="one", runtime_s=600.0)
    return machine, one, two, again, small


def test_nobody_takes_the_room_that_the_card_does_not_show_yet():
    machine, one, two, again, small = room_shown_late()
    assert started(one.submit([again])) == []
    assert started(one.submit([small])) == []
    machine.probe.used_mib = 0
    assert started(two.poll()) == ["urgent"]


def test_nobody_waits_for_long_for_room_that_the_card_does_not_show():
    machine, one, _, again, _ = room_shown_late()
    one.submit([again])
    machine.clock.now = 31.0  # somebody else uses it
    assert started(one.poll()) == ["fold again"]


def test_two_owners_give_up_their_cards_for_one_job_and_no_card_is_taken_meanwhile():
    machine, cards = Machine(), (CARD, card(1, total_mib=4096, headroom_mib=512))
    one, two, three = (machine.engine(name, cards) for name in ("one", "two", "three"))
    one.submit([long_job()])
    two.submit([long_job("train", "two")])
    machine.clock.now = 20.0
    gang = urgent_job(engine="three")
    three.submit([replace(gang, claim=replace(gang.claim, cards=CardCount(2, 2)))])
    reason = three.waits["urgent"]
    assert (reason.why, reason.need, reason.have) == (Why.CARD_ASKED_BACK, 2, 0)
    assert [asked.job_id for asked in one.poll()] == ["fold"]
    one.finish("fold")
    assert one.submit([shared_job("small", 200, engine="one", runtime_s=1.0)]) == ()
    assert [asked.job_id for asked in two.poll()] == ["train"]
    assert started(three.poll()) == []
    two.finish("train")
    assert started(three.poll()) == ["urgent"]
    assert machine.placement("urgent").cards == (CARD.id, cards[1].id)


def test_a_job_of_the_same_engine_is_asked_where_the_urgent_one_comes(machine):
    one = machine.engine("one")
    one.submit([long_job()])
    machine.clock.now = 20.0
    assert one.submit([urgent_job(engine="one")]) == (Reclaim("fold", "urgent", 20.0, 0.0),)


def test_who_has_agreed_to_nothing_does_not_watch(machine):
    one = machine.engine("one")
    one.submit([exclusive_job("fold")])
    assert not one.is_watching


def test_nobody_asks_an_owner_that_died(machine, engines):
    _, two = engines
    machine.liveness.retire("one")  # its job lives on, by itself
    two.submit([urgent_job()])
    assert two.waits["urgent"].why is Why.CARD_HELD_EXCLUSIVELY


def test_nobody_counts_for_long_on_an_owner_that_died_or_does_not_answer(machine, engines):
    one, two = engines
    two.submit([urgent_job()])
    one.poll()
    machine.liveness.retire("one")  # its job lives on, by itself
    machine.clock.now = 60.0
    two.poll()
    assert two.waits["urgent"].why is Why.CARD_HELD_EXCLUSIVELY
