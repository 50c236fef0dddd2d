"""Several engines at one bench: each sees the others, none is forgotten, the dead hold nothing."""

from contextlib import contextmanager

import pytest
from builders import (
    card,
    company,
    cpu_job,
    exclusive_job,
    gpu_state,
    part_job,
    past_run,
    shared_job,
    started,
)
from msgspec.structs import replace

from nvinx.admission import policy
from nvinx.admission.done import Done
from nvinx.admission.estimates import NONE, Estimates
from nvinx.admission.events import Refuse, Start
from nvinx.admission.planner.awaited import AWAITED_S
from nvinx.admission.planner.plan import NO_PLAN
from nvinx.admission.planner.planner import Planner
from nvinx.admission.planner.work import Upcoming
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.errors import IllegalEventError
from nvinx.gpu.ports import GpuInventory, GpuProcess
from nvinx.history.statistics import RunStatistics
from nvinx.interference import CoRun
from nvinx.jobs.outcome import Outcome
from nvinx.leases.broker import Broker
from nvinx.leases.everyone import UNHEARD_AFTER_S, _as_asked
from nvinx.leases.external_use import with_external_use
from nvinx.leases.front import SHOWN
from nvinx.leases.ports import Ports, QueuedRequest
from nvinx.leases.questions import PATIENCE_S
from nvinx.reasons import Reason, Why
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger

CARD = card(total_mib=4096, headroom_mib=512)
CAPACITY = Capacity((CARD,), 4, 16000)


class Machine:
    """One machine with its ledger; `engine` gives brokers that share it."""

    def __init__(self, probe=None):
        self.ledger, self.liveness, self.clock, self.probe = (
            MemoryLedger(),
            FakeLiveness(),
            FakeClock(),
            probe,
        )

    def engine(self, name, capacity=CAPACITY, runs=()):
        """runs: what this engine alone has learned from."""
        ports = Ports(self.ledger, self.liveness, self.clock, self.probe)
        learned = RunStatistics(runs)
        learned.learn()
        return Broker(
            name, capacity, ports, LongestChainFirst(Estimates(statistics=learned)), learned
        )

    def leases(self):
        with self.ledger.transaction() as entries:
            return {x.id for x in entries.leases()}

    def requests(self):
        with self.ledger.transaction() as entries:
            return {x.id: x.reason.why for x in entries.requests()}


@pytest.fixture
def machine():
    return Machine()


def test_two_engines_never_exceed_the_card_together(machine):
    one, two = machine.engine("one"), machine.engine("two")

    assert started(one.submit([shared_job("a", 2000)])) == ["a"]
    assert started(two.submit([shared_job("b", 2000, engine="two")])) == []
    assert machine.requests() == {"b": Why.NOT_ENOUGH_VRAM}
    one.finish("a")
    assert started(two.poll()) == ["b"]
    assert (machine.leases(), machine.requests()) == ({"b"}, {})


def test_each_engine_has_its_own_cores(machine):
    one, two = (
        machine.engine("one", Capacity((CARD,), 1)),
        machine.engine("two", Capacity((CARD,), 1)),
    )

    assert started(one.submit([shared_job("a", 100), shared_job("a2", 100)])) == ["a"]
    assert started(two.submit([shared_job("b", 100, engine="two")])) == ["b"]


def test_an_engines_request_that_lacks_cores_keeps_nobody_from_the_card(machine):
    one, two = machine.engine("one", Capacity((CARD,), 1)), machine.engine("two")
    one.submit([cpu_job("busy")])
    one.submit([exclusive_job("x")])
    assert machine.requests() == {"x": Why.NOT_ENOUGH_CORES}

    assert started(two.submit([shared_job("b", 100, engine="two")])) == ["b"]


def test_an_older_request_of_another_engine_goes_first(machine):
    one, two, three = (machine.engine(n) for n in ("one", "two", "three"))
    one.submit([exclusive_job("x")])
    two.submit([exclusive_job("y", engine="two")])
    machine.clock.now = 1.0
    three.submit([exclusive_job("z", engine="three")])
    one.finish("x")

    assert started(three.poll()) == []
    assert started(two.poll()) == ["y"]


def test_whoever_makes_room_notifies_the_engine_that_it_is_for(machine):
    one, two, three = (machine.engine(n) for n in ("one", "two", "three"))
    one.submit([exclusive_job("x")])
    two.submit([exclusive_job("y", engine="two")])
    machine.clock.now = 1.0
    three.submit([exclusive_job("z", engine="three")])
    assert not two.await_change(0)
    one.finish("x")

    assert two.await_change(60)
    assert not three.await_change(0)
    assert not two.await_change(0)


def test_the_request_of_an_engine_that_died_is_forgotten(machine):
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([shared_job("a", 3000)])
    one.submit([exclusive_job("x")])
    machine.liveness.retire("one")
    machine.liveness.retire("a")
    machine.clock.now = 61.0

    assert started(two.submit([shared_job("b", 3000, engine="two")])) == ["b"]
    assert (machine.leases(), machine.requests()) == ({"b"}, {})


def test_an_engine_that_fell_silent_holds_no_place_in_line(machine):
    one, two, three = (machine.engine(n) for n in ("one", "two", "three"))
    one.submit([exclusive_job("x")])
    two.submit([exclusive_job("y", engine="two")])
    machine.clock.now = 1.0
    three.submit([exclusive_job("z", engine="three")])
    one.finish("x")

    assert started(three.poll()) == []
    machine.clock.now += UNHEARD_AFTER_S + 1
    assert started(three.poll()) == ["z"]


def test_a_lease_outlives_the_engine_while_a_process_of_the_job_lives(machine):
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([exclusive_job("x")])
    machine.liveness.lingering.add("x")
    machine.liveness.retire("one")
    machine.liveness.retire("x")

    assert started(two.submit([shared_job("b", 10, engine="two")])) == []
    machine.liveness.lingering.clear()
    assert started(two.poll()) == ["b"]


def test_a_finished_job_that_left_a_process_behind_keeps_its_vram_taken(machine):
    one = machine.engine("one")
    one.submit([shared_job("a", 2000)])
    machine.liveness.lingering.add("a")
    one.finish("a")

    assert started(one.submit([shared_job("b", 2000)])) == []
    machine.liveness.lingering.clear()
    assert started(one.poll()) == ["b"]


def test_an_engine_that_leaves_drops_the_lease_of_a_process_that_was_just_ending(machine):
    one = machine.engine("one")
    one.submit([exclusive_job("x")])
    machine.liveness.lingering.add("x")
    one.finish("x")
    assert machine.leases() == {"x"}
    machine.liveness.lingering.discard("x")
    one.close()

    assert machine.leases() == set()


def test_cpu_work_never_opens_the_ledger(machine):
    class Closed:
        def transaction(self):
            raise AssertionError("opened")

    broker = Broker("one", CAPACITY, Ports(Closed(), machine.liveness, machine.clock))
    assert started(broker.submit([cpu_job("a")])) == ["a"]
    assert started(broker.finish("a")) == []


def test_a_ledger_that_fails_leaves_no_life_and_no_start_behind(machine):
    class Full(Exception):
        pass

    one = machine.engine("one")
    turn = machine.ledger.transaction

    class Broken:
        def __init__(self, entries):
            self.entries = entries

        def __getattr__(self, name):
            if name == "hold":
                raise Full
            return getattr(self.entries, name)

    @contextmanager
    def failing():
        with turn() as entries:
            yield Broken(entries)

    machine.ledger.transaction = failing
    with pytest.raises(Full):
        one.submit([shared_job("a", 10)])
    assert machine.liveness.tokens == {"one"}
    assert not one.state.running


def test_leaving_takes_back_what_waits_and_keeps_what_runs(machine):
    one = machine.engine("one")
    one.submit([exclusive_job("x"), shared_job("a", 10)])
    machine.liveness.lingering.add("x")
    one.close()

    assert (machine.leases(), machine.requests(), machine.liveness.tokens) == ({"x"}, {}, set())


def test_a_job_is_told_who_is_beside_it(machine):
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([shared_job("a", 500)])
    two.submit([shared_job("b", 500, engine="two")])

    assert [r.job.name for r in two.beside("b")] == ["a"]


def test_a_job_that_never_fits_is_refused_and_leaves_no_trace(machine):
    (refusal,) = machine.engine("one").submit([shared_job("a", 9000)])

    assert isinstance(refusal, Refuse)
    assert (machine.leases(), machine.requests()) == (set(), {})


class Driver:
    """A probe that shows what the test says."""

    def __init__(self):
        self.used, self.processes = 0, ()

    def read(self):
        seen = {"used_mib": self.used, "processes": tuple(self.processes)}
        return GpuInventory((gpu_state(total_mib=4096, **seen),))


def test_what_strangers_hold_on_the_card_is_subtracted():
    machine = Machine(Driver())
    one = machine.engine("one")
    machine.probe.used = 1000
    machine.probe.processes = [GpuProcess(5, 1000)]

    assert started(one.submit([shared_job("a", 3000)])) == []
    assert machine.requests() == {"a": Why.CARD_USED_BY_OTHERS}
    machine.probe.used, machine.probe.processes = 0, []
    assert started(one.poll()) == ["a"]


def test_strangers_may_use_what_the_bench_file_leaves_out():
    part = replace(CARD, device_mib=CARD.total_mib + 1000)
    seen = gpu_state(total_mib=part.device_mib, used_mib=1300)

    (looked,) = with_external_use((part,), GpuInventory((seen,)), (), {})
    assert looked.foreign_mib == 300
    (looked,) = with_external_use((part,), GpuInventory((replace(seen, used_mib=900),)), (), {})
    assert looked.foreign_mib == 0


def test_our_own_jobs_use_is_not_counted_twice():
    machine = Machine(Driver())
    one = machine.engine("one")
    one.submit([shared_job("a", 1500)])
    machine.liveness.processes[7] = ("a", 42)
    machine.probe.used, machine.probe.processes = 1400, [GpuProcess(7, 1400)]

    assert started(one.submit([shared_job("b", 2000)])) == ["b"]


def test_a_process_that_shows_no_sign_but_stays_on_the_gpu_keeps_its_lease():
    machine = Machine(Driver())
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([exclusive_job("x")])
    machine.liveness.processes[7] = ("x", 42)
    machine.probe.used, machine.probe.processes = 900, [GpuProcess(7, 900)]
    two.submit([exclusive_job("y", engine="two")])
    machine.liveness.processes[7] = (None, 42)
    machine.liveness.retire("x")

    assert started(two.poll()) == []
    machine.liveness.processes[7] = (None, 43)
    machine.probe.used, machine.probe.processes = 0, []
    assert started(two.poll()) == ["y"]


def test_a_card_that_the_driver_lost_takes_nobody():
    machine = Machine(Driver())
    one = machine.engine("one")
    machine.probe.read = lambda: GpuInventory((), "GPU is lost")

    assert started(one.submit([shared_job("a", 10), exclusive_job("x")])) == []


def test_another_engines_ram_is_its_own_business(machine):
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([shared_job("a", 100, ram_mib=15000)])

    decisions = two.submit(
        [shared_job("b", 100, engine="two"), cpu_job("c", engine="two", ram_mib=12000)]
    )
    assert started(decisions) == ["b", "c"]


def test_a_long_queue_names_only_a_few_of_those_in_the_way(machine):
    one = machine.engine("one", Capacity((CARD,), 1))
    one.submit([shared_job(f"s{i}", 1) for i in range(50)])

    assert max(len(reason.behind) for reason in one.waits.values()) <= 5


def test_a_card_that_appears_later_is_used(machine):
    one = machine.engine("one")
    one.submit([exclusive_job("x"), exclusive_job("y")])
    assert one.poll() == ()
    one.add_cards([CARD, card(1, total_mib=4096)])

    assert started(one.poll()) == ["y"]


def test_a_pid_that_was_given_to_another_process_is_no_sign_of_life():
    """The job's process had pid 7; now another program has it, and uses the card."""
    machine = Machine(Driver())
    one, two = machine.engine("one"), machine.engine("two")
    machine.liveness.processes[7] = ("a", 100)
    one.submit([exclusive_job("a")])
    machine.probe.used, machine.probe.processes = 100, [GpuProcess(7, 100)]
    one.submit([shared_job("later", 4000)])
    machine.liveness.retire("one")
    machine.liveness.retire("a")
    machine.liveness.processes[7] = (None, 999)

    two.submit([shared_job("b", 100, engine="two")])
    assert machine.leases() == {"b"}


def test_a_program_that_gave_its_lease_back_may_keep_its_context_and_ask_again():
    """The CUDA context stays until the program ends; it counts as a stranger's then."""
    machine = Machine(Driver())
    one = machine.engine("one")
    machine.liveness.processes[7] = (None, 100)
    one.submit([exclusive_job("a")])
    machine.probe.used, machine.probe.processes = 400, [GpuProcess(7, 400)]
    one.claim_process("a", 7)
    two = machine.engine("two")
    assert started(two.submit([shared_job("b", 3300, engine="two")])) == []
    one.release_process("a", 7)
    one.finish("a")

    assert machine.leases() == set()
    assert started(one.submit([exclusive_job("again")])) == ["again"]


def test_an_id_that_another_engine_holds_or_asks_for_is_refused_and_nothing_is_overwritten(machine):
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([exclusive_job("a"), shared_job("b")])
    for job_id in ("a", "b"):
        with pytest.raises(IllegalEventError, match=job_id):
            two.submit([shared_job(job_id, engine="two")])
    assert started(one.finish("a")) == ["b"]


def test_a_job_that_lacks_card_and_cores_keeps_its_place_before_younger_ones_elsewhere(machine):
    one, two = machine.engine("one", replace(CAPACITY, cores=1)), machine.engine("two")
    two.submit([exclusive_job("x", engine="two")])
    one.submit([cpu_job("busy", cores=1)])
    machine.clock.now = 1.0
    one.submit([exclusive_job("older", cores=1)])
    machine.clock.now = 2.0
    two.submit([exclusive_job("younger", engine="two")])
    assert one.waits["older"].why is Why.CARD_HELD_EXCLUSIVELY
    assert started(two.finish("x")) == []
    assert started(one.finish("busy")) == ["older"]


def test_an_id_that_a_dead_engine_asked_for_is_free(machine):
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([exclusive_job("a"), shared_job("b")])
    for token in ("one", "a"):
        machine.liveness.retire(token)
    assert started(two.submit([shared_job("b", engine="two")])) == ["b"]


# Two of a kind take ten times as long beside each other.
ALONE = past_run("hot")
TOGETHER = replace(ALONE, ran_s=10.0, company=(company(10, "hot"),))
HURTS = (ALONE, ALONE, TOGETHER, TOGETHER)


def hot_jobs(number, vram_mib=10):
    return [shared_job(f"hot {n}", vram_mib, kind="hot") for n in range(number)]


def test_a_small_wish_never_waits_for_the_length_of_another_engines_queue(machine):
    """Whatever keeps these from the card: cores of their own, or what only their engine knows."""
    no_cores, unwilling = (
        machine.engine("one", replace(CAPACITY, cores=1)),
        machine.engine("two", runs=HURTS),
    )
    no_cores.submit([shared_job(f"a{n}", 10) for n in range(1000)])
    unwilling.submit([replace(job, engine="two") for job in hot_jobs(1000)])
    no_cores.poll()
    machine.clock.now = 1.0
    newcomer = machine.engine("newcomer")

    assert started(newcomer.submit([shared_job("small", 10, engine="newcomer")])) == ["small"]


def test_an_engine_that_could_start_a_job_is_asked_and_keeps_the_room_until_it_answers(machine):
    """It lacks cores, which nobody knew as long as the card was full."""
    holder, one = machine.engine("holder"), machine.engine("one", replace(CAPACITY, cores=1))
    holder.submit([shared_job("full", 3500, engine="holder")])
    one.submit([cpu_job("busy")])
    one.submit([shared_job("older", 1500)])
    assert one.waits["older"].why is Why.NOT_ENOUGH_VRAM
    line = {name: machine.engine(name) for name in ("b", "c")}
    for name, engine in line.items():
        machine.clock.now += 1.0
        engine.submit([shared_job(name, 1200, engine=name)])
    holder.finish("full")
    assert started(line["c"].poll()) == []
    assert started(line["b"].poll()) == ["b"]
    assert started(line["c"].poll()) == []

    machine.clock.now += 1.0
    assert one.await_change(0)
    assert started(one.poll()) == []
    assert one.waits["older"].why is Why.NOT_ENOUGH_CORES
    assert line["c"].await_change(0)
    assert started(line["c"].poll()) == ["c"]


def test_an_engine_that_keeps_a_job_back_for_long_is_given_a_card_of_its_own(machine):
    """Else newcomers that know nothing of its reasons would fill the card for ever."""
    one, two = machine.engine("one", runs=HURTS), machine.engine("two")
    one.submit(hot_jobs(2))
    one.finish("hot 0")
    two.submit([shared_job("b", 10, engine="two")])
    machine.clock.now = 300.0
    one.submit([shared_job("hot 9", 10, kind="hot")])
    machine.clock.now = 400.0
    one.poll()
    assert one.waits["hot 9"].of_judgement

    assert started(two.submit([shared_job("late", 10, engine="two")])) == []
    two.finish("b")
    assert started(one.finish("hot 1")) == ["hot 9"]


def test_only_the_front_of_a_queue_is_shown_and_how_many_wait(machine):
    one = machine.engine("one", replace(CAPACITY, cores=1))
    one.submit([shared_job(f"a{n}", 10) for n in range(1000)])
    with machine.ledger.look() as entries:
        assert entries.engines()["one"].waiting == 999
        assert [r.id for r in entries.requests()] == [f"a{n}" for n in range(1, SHOWN + 1)]
    one.finish("a0")
    assert list(machine.requests()) == [f"a{n}" for n in range(2, SHOWN + 2)]


def test_a_look_that_finds_nothing_new_writes_nothing(machine):
    one, two = machine.engine("one"), machine.engine("two")
    one.submit([exclusive_job("x")])
    two.submit([exclusive_job("y", engine="two")])
    two.poll()
    machine.ledger.transaction = None

    assert two.poll() == ()


def test_whoever_stands_far_back_looks_rarely(machine):
    machine.engine("holder").submit([exclusive_job("x", engine="holder")])
    line = [machine.engine(f"e{n}") for n in range(20)]
    for n, engine in enumerate(line):
        machine.clock.now = float(n)
        engine.submit([exclusive_job(f"w{n}", engine=f"e{n}")])
    assert line[0].look_again_s < 1 < line[19].look_again_s


@pytest.mark.parametrize(("more_mib", "most"), [(1, 101), (0, 3)])
def test_a_thousand_waiting_jobs_are_asked_no_more_than_a_few(machine, monkeypatch, more_mib, most):
    """Counted, not timed: how often the policy decides about a job at the end of another.

    more_mib: than the one before, so that no two are alike.
    """
    one = machine.engine("one")
    one.submit([shared_job(f"a{n}", 1000) for n in range(10)])
    asked = []
    decide = policy._decide
    monkeypatch.setattr(
        policy, "_decide", lambda job, *rest: asked.append(job) or decide(job, *rest)
    )
    one.submit([shared_job(f"b{n}", 1000 + more_mib * n) for n in range(1000)])
    asked.clear()
    one.finish("a1")
    assert 0 < len(asked) <= most


def test_a_job_that_stands_far_back_is_shown_to_whoever_asks_for_it(machine):
    one = machine.engine("one", replace(CAPACITY, cores=1))
    one.submit([replace(shared_job(f"a{n}", 10), name=f"rule[{n}]") for n in range(1000)])
    with machine.ledger.transaction() as entries:
        entries.question("rule[900]", 0.0)
    one.poll()
    assert machine.requests()["a900"] is Why.NOT_ENOUGH_CORES
    machine.clock.now = PATIENCE_S + 1
    one.poll()
    assert "a900" not in machine.requests()


def test_a_question_that_came_while_an_engine_waited_for_the_ledger_is_answered(machine):
    """The engine's own time is of before it waited; its answer is of after."""
    one = machine.engine("one", replace(CAPACITY, cores=1))
    one.submit([shared_job("runs", 10), shared_job("waits", 10)])
    turn = machine.ledger.transaction

    @contextmanager
    def after_a_question():
        machine.clock.now += 1.0
        with turn() as entries:
            entries.ask("one", "two", machine.clock.now)
            yield entries

    machine.ledger.transaction = after_a_question
    one.submit([shared_job("another", 10)])
    with machine.ledger.look() as entries:
        assert not entries.engines()["one"].owes_answer


def test_whoever_waits_for_an_answer_says_so_again_with_each_look(machine):
    """A notice may be missed."""
    holder, one = machine.engine("holder"), machine.engine("one", replace(CAPACITY, cores=1))
    holder.submit([shared_job("full", 3500, engine="holder")])
    one.submit([cpu_job("busy")])
    one.submit([shared_job("older", 3000)])
    machine.clock.now = 1.0
    two = machine.engine("two")
    two.submit([shared_job("b", 3000, engine="two")])
    holder.finish("full")
    two.poll()
    machine.liveness.notified.clear()
    assert started(two.poll()) == []
    assert "one" in machine.liveness.notified


def test_whoever_waits_for_what_only_it_believes_hears_of_each_change(machine):
    """Nobody else can tell whether it may start now, and it may stand far back."""
    one, two = machine.engine("one", runs=HURTS), machine.engine("two")
    one.submit(hot_jobs(2))
    two.submit([shared_job("b", 10, engine="two")])
    machine.liveness.notified.clear()
    two.finish("b")
    assert one.await_change(0)


def test_that_another_job_is_measured_is_seen_by_all_and_no_judgement(machine):
    one, two = machine.engine("one", runs=[TOGETHER]), machine.engine("two")
    assert started(one.submit(hot_jobs(2))) == ["hot 0"]
    machine.clock.now = 1.0
    two.submit([shared_job("b", 3000, engine="two")])
    assert two.waits["b"].why is Why.OTHER_IS_MEASURED
    machine.liveness.notified.clear()
    machine.clock.now = 2.0
    assert started(one.finish("hot 0")) == ["hot 1"]
    assert two.await_change(0)
    assert started(two.poll()) == ["b"]


def test_parts_of_a_card_that_two_engines_ask_for_add_up(machine):
    one, two = machine.engine("one"), machine.engine("two")

    assert started(one.submit([part_job("a"), part_job("b")])) == ["a", "b"]
    waits = [
        part_job("c", engine="two"),
        part_job("d", engine="two"),
        shared_job("e", 3, engine="two"),
    ]
    assert started(two.submit(waits)) == ["c"]
    assert machine.requests()["d"] is Why.NOT_ENOUGH_VRAM
    one.finish("a")
    assert started(two.poll()) == ["d"]
    assert machine.leases() == {"b", "c", "d"}


def test_a_part_is_of_what_each_engine_says_that_its_card_has(machine):
    small = Capacity((card(total_mib=2048, headroom_mib=512),), 4, 16000)
    one, two = machine.engine("one"), machine.engine("two", small)

    assert started(one.submit([part_job("a", "1/2")])) == ["a"]
    assert started(two.submit([part_job("b", "1/2", engine="two")])) == []
    one.finish("a")
    assert started(two.poll()) == ["b"]


def test_a_part_that_its_own_engine_judges_not_worth_it_counts_as_a_card_for_others():
    reason = Reason("a", Why.NO_GAIN_FROM_SHARING, factor=1.0, limit=1.1)
    request = QueuedRequest(part_job("a", engine="other"), 0.0, reason)
    assert _as_asked(request).claim.residency is Residency.GPU_EXCLUSIVE


# a look ahead


def versions(name, runtime_s, cpu_runtime_s):
    times = {"runtime_s": runtime_s, "cpu_runtime_s": cpu_runtime_s}
    return shared_job(name, 3000, cpu_fallback=True, **times)


THREE = (versions("a", 50, 100), versions("b", 49, 400), versions("c", 48, 390))


def looking_ahead(machine, name="one"):
    broker = machine.engine(name)
    broker.planner = Planner(Estimates())
    return broker


def places(decisions):
    return {d.job_id: d.placement.residency for d in decisions if isinstance(d, Start)}


def test_an_engine_that_looks_ahead_sends_that_job_to_the_cpu_by_which_the_whole_ends_soonest(
    machine,
):
    assert places(machine.engine("plain").submit(THREE)) == {"a": Residency.GPU_SHARED}
    there = looking_ahead(Machine()).submit(THREE)
    assert places(there) == {"a": Residency.CPU_ONLY, "b": Residency.GPU_SHARED}


def test_a_plan_is_dropped_where_another_engine_has_come_to_the_card(machine):
    other, one = machine.engine("other"), looking_ahead(machine)
    other.submit([shared_job("theirs", 900, engine="other")])
    assert places(one.submit(THREE)) == {}
    other.finish("theirs")
    assert places(one.poll()) == {"b": Residency.GPU_SHARED, "a": Residency.CPU_ONLY}


class Noting:
    """A planner that makes no plans, but notes what it was told of."""

    def plan(self, state, at, upcoming):
        self.told = [one.job.id for one in upcoming]
        return NO_PLAN

    def observe(self, state, at):
        self.seen = set(state.running), at
        return Done()


def test_a_planner_is_told_of_jobs_that_are_not_ready_until_they_are_handed_over(machine):
    one = machine.engine("one")
    one.planner = Noting()
    one.upcoming = [Upcoming(THREE[0]), Upcoming(THREE[1], ("a",)), Upcoming(THREE[2], ("b",))]
    one.submit(THREE[:1])
    assert one.planner.told == ["b", "c"]
    one.finish("a")
    assert one.planner.told == ["b", "c"]
    one.submit(THREE[1:2])
    assert one.planner.told == ["c"]


def test_a_planner_is_not_told_of_jobs_behind_one_that_failed_until_it_is_tried_again(machine):
    one = machine.engine("one")
    one.planner = Noting()
    one.upcoming = [Upcoming(THREE[0]), Upcoming(THREE[1], ("a",)), Upcoming(THREE[2], ("b",))]
    other = shared_job("other", 900)
    one.submit([THREE[0], other])
    one.finish("a", Outcome.FAILED)
    assert one.planner.told == []
    one.finish("other")
    assert one.planner.told == []
    one.submit([THREE[0]])
    assert one.planner.told == ["b", "c"]


def test_a_planner_sees_who_runs_after_each_round_on_whatever_it_runs(machine):
    one = machine.engine("one")
    one.planner = Noting()
    one.submit([THREE[0]])
    assert one.planner.seen == ({"a"}, machine.clock())
    one.submit([cpu_job("c")])
    assert one.planner.seen == ({"a", "c"}, machine.clock())


class Knowing(LongestChainFirst):
    """Notes in its last round how much of its work each job had done."""

    def __init__(self, estimates):
        super().__init__(estimates)
        self.known = {}

    def decide(self, state, at):
        self.known.update({job_id: self._plan.done.by(job_id, at) for job_id in state.running})
        return super().decide(state, at)


SLOWING = Estimates(fit_slowdown_model([CoRun("a", "b", 1.5, 1.5)]), caution=NONE)
SLOWED, SLOWS = (shared_job(name, 900, model=name, runtime_s=300.0) for name in "ab")
SLOWDOWN = SLOWING.slowdown(SLOWED.claim, [SLOWS.claim])


def knowing(machine, name):
    ports = Ports(machine.ledger, machine.liveness, machine.clock, None)
    broker = Broker(name, CAPACITY, ports, policy := Knowing(SLOWING))
    broker.planner = Planner(SLOWING)
    return broker, policy.known


def test_a_look_knows_who_started_in_the_round_before(machine):
    one, known = knowing(machine, "one")
    begun = machine.clock()
    one.submit([SLOWED])
    machine.clock.now = begun + 10.0
    assert set(places(one.submit([SLOWS, exclusive_job("waits")]))) == {"b"}
    machine.clock.now = begun + 105.0
    assert places(one.poll()) == {}
    assert known["a"] == pytest.approx(10.0 + 95.0 / SLOWDOWN)


def test_jobs_of_others_that_shared_a_card_count_once_they_have_left(machine):
    one, known = knowing(machine, "one")
    two, _ = knowing(machine, "two")
    begun = machine.clock()
    one.submit([SLOWED])
    assert places(two.submit([replace(SLOWS, id="guest", engine="two")]))
    one.submit([exclusive_job("waits")])
    machine.clock.now = begun + 90.0
    two.finish("guest")
    one.withdraw(["waits"])
    assert places(one.submit([SLOWS]))
    assert known["a"] == pytest.approx(90.0 / SLOWDOWN)


def with_one_behind(machine):
    """A job holds the card, a short one waits for it, and a long one comes once the first ended."""
    one = looking_ahead(machine)
    coming = exclusive_job("coming", runtime_s=90)
    last = cpu_job("last", runtime_s=40)
    one.upcoming = [Upcoming(coming, ("first",)), Upcoming(last, ("coming",))]
    first, short = exclusive_job("first", runtime_s=10), exclusive_job("short", runtime_s=10)
    assert places(one.submit([first, short])) == {"first": Residency.GPU_EXCLUSIVE}
    assert places(one.finish("first")) == {}
    return one, coming


def test_a_place_is_kept_for_a_job_until_it_is_handed_over(machine):
    one, coming = with_one_behind(machine)
    assert places(one.submit([coming])) == {"coming": Residency.GPU_EXCLUSIVE}


def test_a_place_that_was_kept_in_vain_goes_to_who_waits(machine):
    one, _ = with_one_behind(machine)
    machine.clock.now += AWAITED_S / 2
    assert places(one.poll()) == {}
    machine.clock.now += AWAITED_S
    assert places(one.poll()) == {"short": Residency.GPU_EXCLUSIVE}


def test_it_looks_again_where_cores_are_kept_though_nobody_waits_for_a_card(machine):
    one = looking_ahead(machine)
    coming = shared_job("coming", 900, runtime_s=90, cores=4)
    last = cpu_job("last", runtime_s=40)
    one.upcoming = [Upcoming(coming, ("first",)), Upcoming(last, ("coming",))]
    first, short = cpu_job("first", runtime_s=10, cores=4), cpu_job("short", runtime_s=10, cores=4)
    assert places(one.submit([first, short])) == {"first": Residency.CPU_ONLY}
    assert places(one.finish("first")) == {}
    assert one.is_watching
    machine.clock.now += AWAITED_S + 0.1
    assert places(one.poll()) == {"short": Residency.CPU_ONLY}
    assert not one.is_watching
