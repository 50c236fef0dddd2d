"""Streams of newcomers that once kept one job waiting for good."""

from functools import partial
from itertools import count

from builders import card, cpu_job, exclusive_job, shared_job
from msgspec.structs import replace

from nvinx.admission.estimates import Estimates
from nvinx.admission.events import Finished, Start, Submitted
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.calibration import fit_slowdown_model
from nvinx.interference import CoRun

CARD, OTHER = card(0), card(1)
PAIRS = [CoRun("hot", "hot", 3.0, 3.0), CoRun("cool", "cool", 1.1, 1.1)]
SEEING = LongestChainFirst(Estimates(fit_slowdown_model([*PAIRS, CoRun("hot", "cool", 1.5, 1.6)])))
BLIND = LongestChainFirst()
TAKES_S = 10.0


shared = partial(shared_job, runtime_s=TAKES_S)
exclusive = partial(exclusive_job, runtime_s=TAKES_S)
cpu = partial(cpu_job, runtime_s=TAKES_S)


def empty(*cards, cores=8):
    return State(Capacity(cards or (CARD,), cores, 64_000))


def submit(state, *jobs, at=0.0, policy=BLIND):
    state, decisions = step(state, Submitted(jobs, at), policy)
    check(state)
    return state, [d.job_id for d in decisions if isinstance(d, Start)]


def start_in_a_stream(waits, newcomer, *, every_s, policy=BLIND, cores=8, limit_s=3000.0):
    """When the job starts that comes second, if newcomers never stop; None when it does not."""
    state, _ = submit(empty(cores=cores), newcomer("first"), policy=policy)
    state, _ = submit(state, waits, at=1.0, policy=policy)
    arrivals = count(2.0, every_s)
    coming = next(arrivals)
    while coming < limit_s and waits.id in state.waiting:
        ends = {r.since + TAKES_S: r.job.id for r in state.running.values()}
        if ends and min(ends) <= coming:
            state, _ = step(state, Finished(ends[min(ends)], min(ends)), policy)
        else:
            state, _ = submit(state, newcomer(f"at {coming}"), at=coming, policy=policy)
            coming = next(arrivals)
    return None if waits.id in state.waiting else state.running[waits.id].since


def test_newcomers_that_a_promised_job_may_not_stand_beside_do_not_take_its_card():
    waits = shared("waits", model="hot", max_slowdown=1.05)
    start = start_in_a_stream(
        waits, lambda name: shared(name, model="cool"), every_s=5, policy=SEEING
    )
    assert start is not None
    assert start <= 70


def test_jobs_without_vram_do_not_keep_an_exclusive_one_waiting():
    assert start_in_a_stream(exclusive("waits"), lambda name: shared(name, 0), every_s=5) == TAKES_S


def test_a_promise_on_one_idle_card_keeps_no_other_idle():
    state, _ = submit(empty(CARD, OTHER, cores=4), cpu("there", cores=2, runtime_s=100))
    state, _ = submit(state, exclusive("promised", cores=3))
    state, started = submit(state, shared("small", runtime_s=500), at=1.0)
    assert started == ["small"]
    assert state.running["small"].placement.card == "gpu-1"


def test_a_job_that_waits_for_strangers_is_promised_nothing():
    state = empty(replace(CARD, foreign_mib=2000))
    state, _ = submit(state, shared("large", 3000, runtime_s=None))
    state, started = submit(state, shared("small", runtime_s=None), at=100.0)
    assert started == ["small"]


def test_a_stream_of_exclusive_jobs_does_not_starve_a_shared_one():
    assert start_in_a_stream(shared("waits"), exclusive, every_s=9) == TAKES_S


def test_a_stream_of_gpu_jobs_does_not_keep_all_cores_from_a_wide_cpu_job():
    start = start_in_a_stream(cpu("waits", cores=4), shared, every_s=5, cores=4)
    assert start is not None
    assert start <= 630
