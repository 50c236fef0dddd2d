"""The dispatcher outlasts its own failure: leases stay, signals are heard, nothing hangs."""

import threading

import pytest
from builders import card, cpu_job, exclusive_job, shared_claim, shared_job
from msgspec.structs import replace
from waiting import GIVE_UP_S, eventually

from nvinx.bench.capacity import Capacity
from nvinx.errors import StateDirError
from nvinx.jobs.outcome import Outcome
from nvinx.jobs.preemption import Mode, Preemptible
from nvinx.leases.broker import Broker
from nvinx.leases.ports import Ports
from nvinx.leases.suspended_job import Moved
from nvinx.reasons import Why
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger
from snakemake_executor_plugin_nvinx import dispatcher as dispatcher_module
from snakemake_executor_plugin_nvinx.dispatcher import Dispatcher, Ended, Ready, WasMoved

CARD = card(total_mib=4096)


class Engine:
    """Remembers what it was asked to do."""

    def __init__(self):
        self.started, self.handed_back, self.failures, self.learnt = [], [], [], []
        self.line, self.refused = [], []
        self.lessons = {}
        self.asked, self.resumed, self.ended_suspended = [], [], threading.Event()
        self.stopping = False
        self.asked_to_end, self.failed = threading.Event(), threading.Event()

    def start(self, job, handle, placement):
        self.started.append(handle)

    def waiting(self, reasons):
        pass

    def next_up(self, line):
        self.line = [(job.id, handle) for job, handle in line]

    def reclaim(self, asked):
        self.asked.append(asked)

    def refuse(self, handle, reason):
        self.refused.append((handle, reason.why))

    def resume(self, job_id):
        self.resumed.append(job_id)

    def end_suspended(self):
        self.ended_suspended.set()

    def hand_back(self, handles):
        self.handed_back += handles

    def cards(self):
        return [CARD]

    def learn(self, ended):
        self.learnt += [run.name for run in ended]

    def learned(self, job, handle):
        return replace(job, claim=self.lessons.get(job.id, job.claim))

    def is_stopping(self):
        return self.stopping

    def end_running(self):
        self.asked_to_end.set()

    def fail(self, error):
        self.failures.append(error)
        self.failed.set()


class FullLedger(MemoryLedger):
    full = False

    def transaction(self):
        if self.full:
            raise StateDirError("/state", "is full", "free some space")
        return super().transaction()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def parts(clock):
    ledger, liveness, engine = FullLedger(), FakeLiveness(), Engine()
    broker = Broker("one", Capacity((CARD,), 4), Ports(ledger, liveness, clock))
    return ledger, liveness, engine, Dispatcher(broker, engine)


def requests(ledger):
    with ledger.transaction() as entries:
        return entries.requests()


def test_what_is_ready_starts_and_what_ended_frees_its_lease(parts):
    _, liveness, engine, dispatcher = parts
    dispatcher.send(Ready(((shared_job("a"), "handle a"),)))
    assert eventually(lambda: engine.started == ["handle a"])
    dispatcher.send(Ended("a"))
    dispatcher.stop()

    assert liveness.tokens == set()
    assert engine.failures == []


def test_it_hears_another_engine_s_notice_and_does_not_wait_to_look_again(parts, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "POLL_S", 3600.0)
    ledger, liveness, engine, dispatcher = parts
    other = Broker("two", Capacity((CARD,), 4), Ports(ledger, liveness, FakeClock()))
    other.submit([exclusive_job("x", engine="two")])
    dispatcher.send(Ready(((exclusive_job("a"), "handle a"),)))
    assert eventually(lambda: [r.id for r in requests(ledger)] == ["a"])
    other.finish("x")

    assert eventually(lambda: engine.started == ["handle a"])
    dispatcher.send(Ended("a"))
    dispatcher.stop()


def test_after_a_failure_what_runs_keeps_its_lease_until_it_ends(parts):
    ledger, liveness, engine, dispatcher = parts
    dispatcher.send(Ready(((shared_job("a"), "handle a"),)))
    assert eventually(lambda: engine.started == ["handle a"])
    ledger.full = True
    dispatcher.send(Ready(((shared_job("b"), "handle b"),)))
    assert engine.failed.wait(GIVE_UP_S)

    assert engine.asked_to_end.wait(GIVE_UP_S)
    assert "a" in liveness.tokens
    assert "b" not in liveness.tokens
    dispatcher.send(Ended("a"))
    assert eventually(lambda: "a" not in liveness.tokens)
    dispatcher.stop()
    assert [str(e).split(":")[0] for e in engine.failures] == ["state folder /state"]


def test_who_waits_for_the_card_is_told_in_the_order_of_the_line_and_nobody_once_it_stops(parts):
    _, _, engine, dispatcher = parts
    alone = exclusive_job("x")
    urgent = exclusive_job("c", priority=9)
    on_cpu = cpu_job("d", cores=4)
    dispatcher.send(Ready(((alone, "handle x"),)))
    dispatcher.send(
        Ready(((shared_job("b"), "handle b"), (on_cpu, "handle d"), (urgent, "handle c")))
    )
    assert eventually(lambda: engine.line == [("c", "handle c"), ("b", "handle b")])
    engine.stopping = True
    assert eventually(lambda: engine.line == [])
    dispatcher.send(Ended("x"))
    dispatcher.stop()


def test_once_nothing_more_may_start_what_waits_goes_back(parts):
    _, _, engine, dispatcher = parts
    alone = exclusive_job("x")
    dispatcher.send(Ready(((alone, "handle x"), (shared_job("b"), "handle b"))))
    assert eventually(lambda: engine.started == ["handle x"])
    engine.stopping = True
    dispatcher.send(Ready(((shared_job("c"), "handle c"),)))
    assert eventually(lambda: len(engine.handed_back) == 2)
    dispatcher.send(Ended("x"))
    dispatcher.stop()

    assert sorted(engine.handed_back) == ["handle b", "handle c"]
    assert engine.started == ["handle x"]


def test_a_job_that_can_never_run_is_refused_alone(parts):
    _, _, engine, dispatcher = parts
    big, other = shared_job("big", 90_000), shared_job("a")
    dispatcher.send(Ready(((big, "handle big"), (other, "handle a"))))
    assert eventually(lambda: engine.started == ["handle a"])
    dispatcher.send(Ended("a"))
    dispatcher.stop()

    assert engine.refused == [("handle big", Why.LARGER_THAN_CARD)]
    assert engine.failures == []


def test_a_waiting_job_whose_need_was_learned_is_queued_anew_with_its_share(parts):
    _, _, engine, dispatcher = parts
    ready = [(exclusive_job(name, auto_vram=True), name) for name in ("a", "b", "c", "d")]
    dispatcher.send(Ready(tuple(ready)))
    eventually(lambda: engine.started == ["a"])

    share = shared_claim(900, auto_vram=True)
    engine.lessons = {"c": share, "d": share}
    dispatcher.send(Ended("a"))
    eventually(lambda: engine.started == ["a", "b"])
    dispatcher.send(Ended("b"))

    eventually(lambda: engine.started[2:] == ["c", "d"])
    dispatcher.stop()


SUSPEND = Preemptible(Mode.SUSPEND)
URGENT = {"priority": 10, "preempts": 10, "runtime_s": 5.0}


@pytest.fixture
def asked(parts, clock):
    """A long job of ours that is to leave its card for an urgent one."""
    _, _, engine, dispatcher = parts
    long = exclusive_job("long", preemptible=SUSPEND, runtime_s=600.0)
    dispatcher.send(Ready(((long, "handle long"),)))
    assert eventually(lambda: engine.started == ["handle long"])
    clock.now += 20.0
    dispatcher.send(Ready(((exclusive_job("urgent", **URGENT), "handle urgent"),)))
    assert eventually(lambda: [one.job_id for one in engine.asked] == ["long"])
    return engine, dispatcher


def test_a_suspended_job_is_resumed_and_not_started_anew(asked):
    engine, dispatcher = asked
    dispatcher.send(WasMoved("long", Moved.OFF_CARD))
    assert eventually(lambda: engine.started == ["handle long", "handle urgent"])
    dispatcher.send(Ended("urgent"))
    assert eventually(lambda: engine.resumed == ["long"])
    dispatcher.send(WasMoved("long", Moved.BACK))
    dispatcher.send(Ended("long"))
    dispatcher.stop()
    assert (engine.failures, len(engine.started)) == ([], 2)


def test_one_that_stays_is_not_asked_again_and_the_urgent_one_waits_for_its_end(asked):
    engine, dispatcher = asked
    dispatcher.send(WasMoved("long", Moved.STAYED))
    dispatcher.send(Ended("long"))
    assert eventually(lambda: engine.started == ["handle long", "handle urgent"])
    dispatcher.send(Ended("urgent"))
    dispatcher.stop()
    assert len(engine.asked) == 1


def test_news_of_a_job_that_has_ended_is_no_news(asked):
    engine, dispatcher = asked
    dispatcher.send(Ended("long"))
    for moved in Moved:
        dispatcher.send(WasMoved("long", moved))
    assert eventually(lambda: engine.started == ["handle long", "handle urgent"])
    dispatcher.send(Ended("urgent"))
    dispatcher.stop()
    assert engine.failures == []


def test_while_the_run_winds_down_a_suspended_job_goes_on_and_nothing_else_starts(asked):
    engine, dispatcher = asked
    dispatcher.send(WasMoved("long", Moved.OFF_CARD))
    assert eventually(lambda: engine.started == ["handle long", "handle urgent"])
    engine.stopping = True
    dispatcher.send(Ready(((exclusive_job("late"), "handle late"),)))
    dispatcher.send(Ended("urgent", Outcome.FAILED))
    assert eventually(lambda: engine.resumed == ["long"])
    dispatcher.send(WasMoved("long", Moved.BACK))
    dispatcher.send(Ended("long"))
    dispatcher.stop()
    assert (len(engine.started), engine.handed_back) == (2, ["handle late"])


def test_after_a_failure_suspended_jobs_are_ended_as_nobody_would_resume_them(asked, parts):
    engine, dispatcher = asked
    dispatcher.send(WasMoved("long", Moved.OFF_CARD))
    assert eventually(lambda: engine.started == ["handle long", "handle urgent"])
    parts[0].full = True
    dispatcher.send(Ended("urgent"))
    assert engine.ended_suspended.wait(GIVE_UP_S)
    dispatcher.send(Ended("long"))
    dispatcher.stop()
