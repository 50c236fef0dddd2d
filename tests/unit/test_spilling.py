"""A job that spills starts only where card, RAM and disk hold it, and is told what it may use."""

import pytest

from nvinx.admission import Capacity, Card, Job, Placement, Refuse, Start, State, Submitted, step
from nvinx.broker import Broker, Ports
from nvinx.catalog import Residency
from nvinx.claim import Claim
from nvinx.environment import variables
from nvinx.errors import DoesNotFitError
from nvinx.explain import impossible, sentence
from nvinx.overflow import Free
from nvinx.placement import current
from nvinx.policy import LongestChainFirst
from nvinx.reasons import Why
from nvinx.sizes import CONTEXT_MIB
from nvinx.testing import FakeClock, FakeLife, MemoryLedger

SPILL = Residency.GPU_RAM_OVERFLOW
CARD = Card(id="GPU-1", index=0, name="card", total_mib=4096, headroom_mib=512)
ROOM = 4096 - 512 - CONTEXT_MIB


def spilling(name="big", vram=6000, ram=4000, disk=0, engine="one", **kw):
    claim = Claim(residency=SPILL, vram_mib=vram, ram_mib=ram, disk_mib=disk, cores=1, **kw)
    return Job(name, name, claim, engine)


def decided(job, *cards, ram=16000, left=None):
    state = State(Capacity(cards or (CARD,), 4, ram, left))
    _, (decision,) = step(state, Submitted((job,), 0.0), LongestChainFirst())
    return decision


def waits(job, *cards, ram=16000, left=None):
    state = State(Capacity(cards or (CARD,), 4, ram, left))
    policy = LongestChainFirst()
    state, decisions = step(state, Submitted((job,), 0.0), policy)
    assert decisions == ()
    return policy.reasons(state, 0.0)[job.id]


def test_what_card_ram_and_disk_hold_together_starts():
    placement = decided(spilling(ram=2000, disk=1000)).placement

    assert (placement.residency, placement.ram_mib, placement.disk_mib) == (SPILL, 2000, 1000)


def test_what_they_cannot_hold_is_refused_with_the_missing_amount():
    refusal = decided(spilling(vram=6000, ram=1000, disk=500))

    assert isinstance(refusal, Refuse)
    assert refusal.reason.why is Why.TOO_LARGE_TO_SPLIT
    assert refusal.reason.have == ROOM + 1500
    problem, fix = impossible(refusal.reason)
    assert "are missing" in problem
    assert "disk_mb" in fix


def test_a_job_that_cannot_be_held_goes_to_the_cpu_if_it_may():
    placement = decided(spilling(vram=9000, ram=1000, cpu_fallback=True)).placement

    assert placement.residency is Residency.CPU_ONLY


def test_it_waits_while_strangers_leave_too_little_of_the_card():
    crowded = Card(**{**_fields(CARD), "foreign_mib": 2000})
    reason = waits(spilling(vram=6000, ram=3000), crowded)

    assert (reason.why, reason.need, reason.have) == (Why.CARD_USED_BY_OTHERS, 3000, ROOM - 2000)


def test_it_waits_while_the_machine_has_too_little_ram_left():
    reason = waits(spilling(ram=8000), left=5000)

    assert (reason.why, reason.need, reason.have) == (Why.NOT_ENOUGH_RAM, 8000, 5000)
    assert "5.24 GB free" in sentence(reason)
    assert isinstance(decided(spilling(ram=8000), left=8000), Start)


def test_two_that_start_together_share_the_ram_that_is_left():
    other = Card(**{**_fields(CARD), "id": "GPU-2", "index": 1})
    state = State(Capacity((CARD, other), 4, 16000, 9000))
    jobs = (spilling("a", ram=5000), spilling("b", ram=5000))
    _, decisions = step(state, Submitted(jobs, 0.0), LongestChainFirst())

    assert [d.job_id for d in decisions] == ["a"]


def test_ram_that_a_model_spills_into_is_gone_for_every_engine():
    ledger, life, clock = MemoryLedger(), FakeLife(), FakeClock()
    other = Card(**{**_fields(CARD), "id": "GPU-2", "index": 1})
    one, two = (
        Broker(name, Capacity((CARD, other), 4, 10000), Ports(ledger, life, clock))
        for name in ("one", "two")
    )
    assert one.submit([spilling("a", ram=6000)])
    assert not two.submit([spilling("b", ram=6000, engine="two")])
    assert two.waits["b"].why is Why.NOT_ENOUGH_RAM
    one.finish("a")
    assert two.poll()


def test_the_broker_asks_the_machine_for_the_ram_that_is_left():
    left = [5000]
    ports = Ports(MemoryLedger(), FakeLife(), FakeClock(), ram_left=lambda: left[0])
    one = Broker("one", Capacity((CARD,), 4, 16000), ports)

    assert not one.submit([spilling("a", ram=8000)])
    left[0] = 9000
    assert one.poll()


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
    simulated = Card(id="s", index=0, name="s", total_mib=1000, simulated=True)
    here = told(simulated, ram_mib=1000)

    assert here.tiers() == Free(cards=(), ram=sum(here.max_memory.values()))
    assert here.from_pretrained_kwargs()["max_memory"] == {"cpu": here.tiers().ram}


def test_a_split_that_does_not_work_is_found_before_loading(tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    layers = {f"layers.{n}.w": np.zeros((500, 500), dtype=np.float32) for n in range(8)}
    save_file(layers, tmp_path / "model.safetensors")
    small = Card(id="s", index=0, name="s", total_mib=2, simulated=True)
    here = told(small, ram_mib=2)

    with pytest.raises(DoesNotFitError, match="5 MB are missing"):
        here.from_pretrained_kwargs(tmp_path)
    roomy = told(small, ram_mib=20)
    assert roomy.from_pretrained_kwargs(tmp_path)["device_map"] == "auto"


def _fields(card):
    return {name: getattr(card, name) for name in type(card).__dataclass_fields__}
