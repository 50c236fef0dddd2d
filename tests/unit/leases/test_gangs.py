"""Several programs with gangs among their jobs: no card is overbooked, and nobody is forgotten."""

import random

import pytest
from builders import card, exclusive_job, job, shared_claim, shared_job
from hypothesis import given, settings
from hypothesis import strategies as st

from nvinx.admission.job import Job, Placement
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.errors import ImpossibleJobError
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.claim import Claim
from nvinx.leases import outer
from nvinx.leases.broker import Broker
from nvinx.leases.outer import Outer
from nvinx.leases.ports import Lease, Ports
from nvinx.reasons import Why
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger

TWO, UP_TO_THREE = CardCount(2, 2), CardCount(1, 3)
CARDS = tuple(card(n, total_mib=4000 + 1000 * n) for n in range(3))

claims = st.builds(
    Claim,
    residency=st.sampled_from([Residency.GPU_SHARED, Residency.GPU_EXCLUSIVE]),
    vram_mib=st.integers(100, 4000),
    cores=st.just(0),
    runtime_s=st.sampled_from([None, 5.0, 50.0]),
    cards=st.sampled_from([CardCount(), CardCount(), TWO, UP_TO_THREE, CardCount(3, 3)]),
)


class Machine:
    """Two programs on one ledger; the leases are counted apart from what they believe."""

    def __init__(self):
        self.clock, ledger, liveness = FakeClock(), MemoryLedger(), FakeLiveness()
        ports = Ports(ledger, liveness, self.clock)
        self.brokers = [Broker(name, Capacity(CARDS, 8), ports) for name in ("one", "two")]
        self.ledger = ledger
        self.whose: dict[str, Broker] = {}

    def submit(self, number, claim):
        name = f"{'one' if number == 0 else 'two'}.{len(self.whose)}"
        self.whose[name] = self.brokers[number]
        self.brokers[number].submit([Job(name, name, claim, name.partition(".")[0])])

    def pass_time(self, seconds):
        self.clock.now += seconds
        for broker in (*self.brokers, *self.brokers):
            broker.poll()

    def leases(self):
        with self.ledger.look() as entries:
            return entries.leases()

    def finish_one(self, choose):
        held = sorted(lease.id for lease in self.leases())
        if held:
            name = choose(held)
            self.whose[name].finish(name)

    def check(self):
        for one in CARDS:
            there = [lease.placement for lease in self.leases() if lease.holds(one.id)]
            assert sum(placement.mib_on(one.id) for placement in there) <= one.total_mib
            assert len(there) == 1 or not any(placement.alone for placement in there)
        for lease in self.leases():
            assert len(lease.placement.cards) >= lease.job.claim.cards.least


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), claims), min_size=1, max_size=12), st.randoms())
def test_no_card_is_overbooked_and_all_get_their_turn(asked, chance):
    machine = Machine()
    for number, claim in asked:
        machine.submit(number, claim)
        machine.pass_time(chance.choice([0.0, 1.0, 70.0]))
        machine.check()
        if chance.random() < 0.3:
            machine.finish_one(chance.choice)
            machine.check()
    for _ in range(20 * len(asked)):
        machine.finish_one(lambda held: held[0])
        machine.pass_time(1.0)
        machine.check()
    assert machine.leases() == ()
    assert not any(broker.state.waiting for broker in machine.brokers)


def test_small_jobs_of_one_program_do_not_starve_the_gang_of_another():
    machine, chance = Machine(), random.Random(1)
    machine.submit(0, shared_claim(3000, cores=0))
    machine.submit(1, Claim(residency=Residency.GPU_EXCLUSIVE, cores=0, cards=CardCount(3, 3)))
    gang = "two.1"
    for _ in range(400):
        machine.submit(0, shared_claim(900, cores=0))
        machine.pass_time(1.0)
        if gang in machine.brokers[1].state.running:
            return
        if chance.random() < 0.5:
            machine.finish_one(chance.choice)
    pytest.fail("the gang starves")


def test_a_program_that_sees_one_card_keeps_it_free_for_a_gang_that_needs_more():
    clock, ledger, liveness = FakeClock(), MemoryLedger(), FakeLiveness()
    ports = Ports(ledger, liveness, clock)
    narrow = Broker("one", Capacity(CARDS[:1], 8), ports)
    wide = Broker("two", Capacity(CARDS[:2], 8), ports)
    narrow.submit([shared_job("first", 900, engine="one", cores=0)])
    wide.submit([exclusive_job("gang", engine="two", cores=0, cards=TWO)])
    clock.now += 100
    narrow.submit([shared_job("late", 900, engine="one", cores=0)])
    assert "late" in narrow.state.waiting
    narrow.finish("first")
    assert "late" in narrow.state.waiting
    wide.poll()
    assert "gang" in wide.state.running


# a lease inside a lease


def held_by(claim, placement):
    return Outer("token", None, Lease(job("there", claim), placement, 0.0))


SHARED = Placement(
    Residency.GPU_SHARED, Why.FITS_BESIDE_OTHERS, "gpu-0", 900, more=("gpu-1",), more_mib=(1200,)
)
AROUND = held_by(shared_claim(900, cards=TWO), SHARED)


@pytest.mark.parametrize(
    "asked",
    [
        shared_job("a", 900, cards=TWO),
        shared_job("a", 1200),
        shared_job("a", 900, cards=UP_TO_THREE),
    ],
)
def test_what_the_lease_around_it_holds_may_be_asked_for_inside(asked):
    outer.demand_within(asked.claim, AROUND, "inner")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (shared_job("a", 900, cards=CardCount(3, 3)), "3 cards inside a lease of 2 cards"),
        (shared_job("a", 1000, cards=TWO), "inside a lease of 0.94 GB"),
        (exclusive_job("a", cards=TWO), "the whole card inside a lease"),
    ],
)
def test_more_than_it_holds_is_refused(asked, said):
    with pytest.raises(ImpossibleJobError, match=said):
        outer.demand_within(asked.claim, AROUND, "inner")


def test_several_cards_inside_a_lease_of_one_whole_card_are_refused():
    whole = Placement(Residency.GPU_EXCLUSIVE, Why.WHOLE_CARD, "gpu-0", 4000)
    around = held_by(exclusive_job("there").claim, whole)
    with pytest.raises(ImpossibleJobError, match="2 cards inside a lease of 1 card"):
        outer.demand_within(exclusive_job("a", cards=TWO).claim, around, "inner")
