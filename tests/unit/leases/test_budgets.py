"""A job of one engine uses less of its card for one of another, through the ledger; nobody is ended."""

import pytest
from builders import card, gpu_state, job, shared_claim, shared_job, simulated_card, started
from msgspec.structs import replace

from nvinx.bench.capacity import Capacity
from nvinx.gpu.ports import GpuInventory, GpuProcess
from nvinx.leases.broker import Broker
from nvinx.leases.ports import Ports
from nvinx.reasons import Why
from nvinx.testing import FakeBudgets, FakeClock, FakeLiveness, MemoryLedger

SERVER = job("server", shared_claim(1000, elastic_mib=3000))
SMALL = shared_job("small", 900, engine="two")
PID = 77


class Probe:
    """A card that shows what the server's process uses, or hides it."""

    def __init__(self):
        self.server_mib = 4000

    def read(self):
        there = (GpuProcess(PID, self.server_mib),)
        return GpuInventory((gpu_state(used_mib=self.server_mib or 0, processes=there),))


class Machine:
    def __init__(self, probe=None):
        self.ledger, self.liveness, self.clock = MemoryLedger(), FakeLiveness(), FakeClock()
        self.budgets, self.probe = FakeBudgets(), probe
        self.card = simulated_card() if probe is None else card()
        self.one, self.two = self.engine("one"), self.engine("two")

    def engine(self, name):
        ports = Ports(self.ledger, self.liveness, self.clock, self.probe, budgets=self.budgets)
        return Broker(name, Capacity((self.card,), 4, 16000), ports)

    @property
    def placement(self):
        with self.ledger.look() as entries:
            (lease,) = (each for each in entries.leases() if each.id == "server")
        return lease.placement


@pytest.fixture
def machine():
    """A simulated card, of which the server has all."""
    made = Machine()
    assert started(made.one.submit([SERVER])) == ["server"]
    return made


@pytest.fixture
def real():
    """A card whose driver shows that the server uses all of it."""
    made = Machine(Probe())
    made.liveness.processes[PID] = ("server", 1)
    made.probe.server_mib = 0
    made.one.submit([SERVER])
    made.probe.server_mib = 4000
    return made


def test_it_is_told_at_its_start_what_it_may_use(machine):
    assert machine.budgets.told["server"].mib == 4000


def test_whoever_waits_has_it_told_though_its_owner_does_nothing(machine):
    assert machine.two.submit([SMALL]) == ()
    assert machine.budgets.told["server"].mib == 3100
    assert (machine.placement.budget.mib, machine.placement.vram_mib) == (3100, 4000)
    assert machine.placement.budget.to == "small"
    assert machine.two.waits["small"].why is Why.ROOM_ASKED


def test_the_other_starts_once_it_answers_and_not_before(machine):
    machine.two.submit([SMALL])
    assert started(machine.two.poll()) == []
    machine.budgets.answer("server")
    assert started(machine.two.poll()) == ["small"]
    assert machine.placement.vram_mib == 3100


def test_an_answer_to_an_earlier_budget_of_the_same_size_counts_for_nothing(machine):
    machine.two.submit([SMALL])
    machine.budgets.answer("server")
    machine.two.poll()
    machine.two.finish("small")
    assert machine.budgets.told["server"].mib == 4000
    machine.two.submit([shared_job("again", 900, engine="two")])
    assert machine.budgets.told["server"].mib == 3100
    assert started(machine.two.poll()) == []


def test_the_end_of_another_lets_it_grow_though_its_owner_does_nothing(machine):
    machine.two.submit([SMALL])
    machine.budgets.answer("server")
    machine.two.poll()
    machine.two.finish("small")
    assert (machine.placement.budget.mib, machine.placement.vram_mib) == (4000, 4000)


def test_it_grows_when_the_other_was_killed_and_its_owner_looks(machine):
    machine.two.submit([SMALL])
    machine.budgets.answer("server")
    machine.two.poll()
    for token in ("two", "small"):
        machine.liveness.retire(token)
    machine.one.poll()
    assert machine.placement.budget.mib == 4000


def test_what_a_killed_program_did_not_tell_is_told_by_the_next(machine):
    machine.two.submit([SMALL])
    machine.budgets.told.clear()
    machine.two.poll()
    assert machine.budgets.told["server"].mib == 3100


def test_an_owner_that_died_is_no_hindrance(machine):
    machine.liveness.retire("one")  # its job lives on, by itself
    machine.two.submit([SMALL])
    machine.budgets.answer("server")
    assert started(machine.two.poll()) == ["small"]


def test_the_owner_counts_what_its_job_may_use_by_now(machine):
    machine.two.submit([SMALL])
    machine.budgets.answer("server")
    machine.two.poll()
    assert started(machine.one.submit([shared_job("more", 900)])) == []
    assert machine.budgets.told["server"].mib == 2200


def test_the_owner_of_such_a_job_watches(machine):
    assert machine.one.is_watching


def test_a_job_of_the_same_engine_has_it_shrink_too(machine):
    machine.one.submit([shared_job("own", 900)])
    machine.budgets.answer("server")
    assert started(machine.one.poll()) == ["own"]


def test_an_answer_is_not_enough_where_the_card_shows_more(real):
    real.two.submit([SMALL])
    real.budgets.answer("server")
    real.probe.server_mib = 3500
    real.clock.now += 10.0
    assert started(real.two.poll()) == []
    assert real.two.waits["small"].have == 500
    real.probe.server_mib = 3100
    assert started(real.two.poll()) == ["small"]


def test_it_may_keep_its_word_and_say_nothing_where_it_hears_the_signal(real):
    real.two.submit([SMALL])
    real.probe.server_mib = 2000
    assert started(real.two.poll()) == []  # by chance, for all that anybody knows
    real.budgets.listen("server")
    assert started(real.two.poll()) == ["small"]


def test_what_it_takes_beyond_its_budget_is_nobody_elses(real):
    real.two.submit([SMALL])
    real.budgets.answer("server")
    real.probe.server_mib = 3100
    real.two.poll()
    real.two.finish("small")
    real.two.submit([shared_job("big", 2000, engine="two")])
    real.budgets.answer("server")
    real.probe.server_mib = 2500
    assert started(real.two.poll()) == []


def test_where_the_driver_hides_what_it_uses_its_answer_counts(real):
    real.probe.server_mib = None
    real.two.submit([SMALL])
    assert started(real.two.poll()) == []
    real.budgets.answer("server")
    assert started(real.two.poll()) == ["small"]


def test_a_lease_that_cannot_be_read_is_asked_for_nothing(machine):
    with machine.ledger.transaction() as entries:
        (lease,) = entries.leases()
        entries.note(replace(lease, problem="spoilt"))
    machine.two.submit([SMALL])
    assert machine.budgets.told["server"].mib == 4000
