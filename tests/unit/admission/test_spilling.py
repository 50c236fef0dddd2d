"""A job that spills starts only where card, RAM and disk hold it, and is told what it may use."""

import json

import pytest
from builders import card, gpu_state, shared_job, simulated_card, spilling_job
from msgspec import convert, to_builtins
from msgspec.structs import replace

from nvinx.admission.events import Refuse, Start, Submitted
from nvinx.admission.explain import impossible, sentence, where
from nvinx.admission.job import Placement
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import check, step
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.errors import DoesNotFitError
from nvinx.gpu.ports import GpuInventory, GpuProcess
from nvinx.leases.broker import Broker
from nvinx.leases.environment import variables
from nvinx.leases.external_use import with_external_use
from nvinx.leases.ports import Lease, Ports
from nvinx.overflow.split import Free
from nvinx.placement import current
from nvinx.reasons import Why
from nvinx.sizes import CONTEXT_MIB, MIB
from nvinx.testing import FakeClock, FakeLiveness, MemoryLedger

SPILL = Residency.GPU_RAM_OVERFLOW
CARD = card(id="GPU-1", total_mib=4096, headroom_mib=512)
ROOM = 4096 - 512 - CONTEXT_MIB


def decided(job, *cards, ram=16000, left=None):
    state = State(Capacity(cards or (CARD,), 4, ram, left))
    _, (decision,) = step(state, Submitted((job,), 0.0), LongestChainFirst())
    return decision


def waits(job, *cards, ram=16000, left=None):
    state = State(Capacity(cards or (CARD,), 4, ram, left))
    policy = LongestChainFirst()
    state, decisions = step(state, Submitted((job,), 0.0), policy)
    assert decisions == ()
    return policy.decide(state, 0.0).reason(job)


def test_what_card_ram_and_disk_hold_together_starts():
    placement = decided(spilling_job(ram_mib=2000, disk_mib=1000)).placement

    assert (placement.residency, placement.ram_mib, placement.disk_mib) == (SPILL, 2000, 1000)


def test_what_they_cannot_hold_is_refused_with_the_missing_amount():
    refusal = decided(spilling_job(vram_mib=6000, ram_mib=1000, disk_mib=500))

    assert isinstance(refusal, Refuse)
    assert refusal.reason.why is Why.TOO_LARGE_TO_SPLIT
    assert refusal.reason.have == ROOM + 1500
    problem, fix = impossible(refusal.reason)
    assert "are missing" in problem
    assert "disk_mb" in fix


def test_a_job_that_cannot_be_held_goes_to_the_cpu_if_it_may():
    placement = decided(spilling_job(vram_mib=9000, ram_mib=1000, cpu_fallback=True)).placement

    assert placement.residency is Residency.CPU_ONLY


def test_it_waits_while_programs_outside_nvinx_leave_too_little_of_the_card():
    crowded = replace(CARD, foreign_mib=2000)
    reason = waits(spilling_job(vram_mib=6000, ram_mib=3000), crowded)

    assert (reason.why, reason.need, reason.have) == (Why.CARD_USED_BY_OTHERS, 3000, ROOM - 2000)


def test_it_waits_while_the_machine_has_too_little_ram_left():
    reason = waits(spilling_job(ram_mib=8000), left=5000)

    assert (reason.why, reason.need, reason.have) == (Why.NOT_ENOUGH_RAM, 8000, 5000)
    assert "5.24 GB free" in sentence(reason)
    assert isinstance(decided(spilling_job(ram_mib=8000), left=8000), Start)


def test_two_that_start_together_share_the_ram_that_is_left():
    other = replace(CARD, id="GPU-2", index=1)
    state = State(Capacity((CARD, other), 4, 16000, 9000))
    jobs = (spilling_job("a", ram_mib=5000), spilling_job("b", ram_mib=5000))
    _, decisions = step(state, Submitted(jobs, 0.0), LongestChainFirst())

    assert [d.job_id for d in decisions] == ["a"]


def test_ram_that_a_model_spills_into_is_gone_for_every_engine():
    ledger, liveness, clock = MemoryLedger(), FakeLiveness(), FakeClock()
    cards = tuple(replace(CARD, id=f"GPU-{n}", index=n) for n in range(3))
    one, two = (
        Broker(name, Capacity(cards, 4, 10000), Ports(ledger, liveness, clock))
        for name in ("one", "two")
    )
    assert one.submit([spilling_job("a", ram_mib=6000)])
    assert not two.submit([spilling_job("b", ram_mib=6000, engine="two")])
    assert two.waits["b"].why is Why.NOT_ENOUGH_RAM
    one.finish("a")
    assert two.poll()


def test_the_broker_asks_the_machine_for_the_ram_that_is_left():
    left = [5000]
    ports = Ports(MemoryLedger(), FakeLiveness(), FakeClock(), ram_left=lambda: left[0])
    one = Broker("one", Capacity((CARD,), 4, 16000), ports)

    assert not one.submit([spilling_job("a", ram_mib=8000)])
    left[0] = 9000
    assert one.poll()


# several cards

SMALL = replace(CARD, id="GPU-2", index=1, total_mib=2560)
THIRD = replace(CARD, id="GPU-3", index=2)


def test_idle_cards_are_taken_the_largest_first_until_nothing_spills():
    placement = decided(spilling_job(vram_mib=6000), SMALL, CARD, THIRD).placement
    assert "GPU-1" in placement.cards
    assert len(placement.cards) == 2
    assert (
        len(decided(spilling_job(vram_mib=8000, ram_mib=6000), SMALL, CARD, THIRD).placement.cards)
        == 3
    )


def test_cards_that_others_wait_for_are_left_to_them():
    state = State(Capacity((CARD, THIRD), 4, 16000))
    jobs = (spilling_job("a"), spilling_job("b"))
    _, decisions = step(state, Submitted(jobs, 0.0), LongestChainFirst())

    assert [len(d.placement.cards) for d in decisions] == [1, 1]


def test_a_card_that_somebody_uses_is_left_to_him():
    state = State(Capacity((CARD, THIRD), 4, 16000))
    jobs = (shared_job("small"), spilling_job())
    state, decisions = step(state, Submitted(jobs, 0.0), LongestChainFirst())

    places = {d.job_id: d.placement.cards for d in decisions}
    assert len(places["big"]) == 1
    assert not set(places["big"]) & set(places["small"])
    check(state)


def test_nobody_joins_any_of_its_cards():
    state = State(Capacity((CARD, THIRD), 4, 16000))
    policy = LongestChainFirst()
    state, _ = step(state, Submitted((spilling_job(),), 0.0), policy)
    late = Submitted((shared_job("small"),), 1.0)
    state, decisions = step(state, late, policy)

    assert decisions == ()
    assert policy.decide(state, 1.0).waits["small"].why is Why.CARD_HELD_EXCLUSIVELY
    check(state)


def test_several_cards_are_told_and_survive_the_ledger():
    placement = decided(spilling_job(), CARD, THIRD).placement
    env = variables("engine.1", placement, Capacity((CARD, THIRD), 4))
    here = current(env)

    assert sorted(env["CUDA_VISIBLE_DEVICES"].split(",")) == ["GPU-1", "GPU-3"]
    assert here.tiers().cards == [ROOM * MIB, ROOM * MIB]
    assert here.from_pretrained_kwargs()["device_map"] == "sequential"
    assert convert(json.loads(json.dumps(to_builtins(placement))), Placement) == placement
    assert where(placement, (CARD, THIRD)) in ("GPU 0+2 + RAM", "GPU 2+0 + RAM")


def test_what_it_uses_of_each_card_is_not_a_strangers():
    placement = decided(spilling_job(), CARD, THIRD).placement
    held = Lease(spilling_job(), placement, 0.0)
    seen = tuple(
        gpu_state(id=c.id, total_mib=4096, used_mib=2000, processes=(GpuProcess(7, 1900),))
        for c in (CARD, THIRD)
    )
    looked = with_external_use((CARD, THIRD), GpuInventory(seen), (held,), {7: held.id})

    assert [card.foreign_mib for card in looked] == [100, 100]


# what the job is told


def told(card=CARD, **kw):
    placement = Placement(SPILL, Why.SPILLS_TO_RAM, card.id, card.alone_mib, **kw)
    return current(variables("engine.1", placement, Capacity((card,), 4)))


def test_disk_is_offered_only_where_it_was_asked_for():
    assert "disk" not in told(ram_mib=1000).max_memory
    assert told(ram_mib=1000, disk_mib=2000).max_memory["disk"] > 2000 * 10**6


def test_an_offload_folder_comes_with_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kwargs = told(ram_mib=1000, disk_mib=2000).from_pretrained_kwargs()

    assert kwargs["offload_folder"].startswith(str(tmp_path))
    assert "disk" not in kwargs["max_memory"]
    assert "offload_folder" not in told(ram_mib=1000).from_pretrained_kwargs()


def test_a_simulated_cards_part_is_kept_in_ram():
    simulated = simulated_card(total_mib=1000)
    here = told(simulated, ram_mib=1000)

    assert here.tiers() == Free(cards=(), ram=sum(here.max_memory.values()))
    assert here.from_pretrained_kwargs()["max_memory"] == {"cpu": here.tiers().ram}


def test_a_split_that_does_not_work_is_found_before_loading(tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    layers = {f"layers.{n}.w": np.zeros((500, 500), dtype=np.float32) for n in range(8)}
    save_file(layers, tmp_path / "model.safetensors")
    small = simulated_card(total_mib=2)
    here = told(small, ram_mib=2)

    with pytest.raises(DoesNotFitError, match="4 MB are missing"):
        here.from_pretrained_kwargs(tmp_path)
    roomy = told(small, ram_mib=20)
    assert roomy.from_pretrained_kwargs(tmp_path)["device_map"] == "auto"
