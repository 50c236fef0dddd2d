"""What a job is told about its placement is what was decided."""

import json

import pytest
from builders import card, simulated_card

from nvinx.admission.job import Placement
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.jobs import attempt
from nvinx.jobs.outcome import Outcome
from nvinx.leases.environment import variables
from nvinx.placement import current
from nvinx.reasons import Why
from nvinx.sizes import CONTEXT_MIB, need_from_mb

REAL = card(1, id="GPU-1b2c", total_mib=4096, headroom_mib=477)
SIMULATED = simulated_card(total_mib=3814)
CAPACITY = Capacity((REAL, SIMULATED), 4, 8000)


def told(residency, card=None, vram_mib=0, ram_mib=0):
    return variables(
        "engine.1", Placement(residency, Why.WHOLE_CARD, card, vram_mib, ram_mib), CAPACITY
    )


def test_a_program_that_reads_a_number_may_have_the_index():
    placement = Placement(Residency.GPU_SHARED, Why.FITS_BESIDE_OTHERS, "GPU-1b2c", 900)
    plain = variables("engine.1", placement, CAPACITY)
    numbered = variables("engine.1", placement, CAPACITY, by_index=True)
    index = str(CAPACITY.card("GPU-1b2c").index)

    assert (plain["CUDA_VISIBLE_DEVICES"], plain["NVINX_GPU_INDEX"]) == ("GPU-1b2c", index)
    assert (numbered["CUDA_VISIBLE_DEVICES"], numbered["CUDA_DEVICE_ORDER"]) == (
        index,
        "PCI_BUS_ID",
    )
    assert told(Residency.CPU_ONLY)["NVINX_GPU_INDEX"] == ""


def test_a_shared_job_knows_its_card_and_its_share():
    env = told(Residency.GPU_SHARED, "GPU-1b2c", need_from_mb(900))
    here = current(env)

    assert env["CUDA_VISIBLE_DEVICES"] == "GPU-1b2c"
    assert (here.device, here.vram_mb, dict(here.max_memory)) == ("cuda:0", 900, {0: 900_000_000})
    assert (here.residency, here.job, here.managed, here.simulated) == (
        Residency.GPU_SHARED,
        "engine.1",
        True,
        False,
    )
    assert here.from_pretrained_kwargs() == {"device_map": {"": "cuda:0"}}


def test_a_job_on_several_cards_knows_each_of_them():
    cards = REAL, card(2, id="GPU-3d4e", total_mib=8192, headroom_mib=477)
    both = Placement(
        Residency.GPU_SHARED,
        Why.FITS_BESIDE_OTHERS,
        "GPU-1b2c",
        need_from_mb(900),
        more=("GPU-3d4e",),
        more_mib=(need_from_mb(900),),
    )
    env = variables("engine.1", both, Capacity(cards, 4, 8000))
    here = current(env)

    assert (env["CUDA_VISIBLE_DEVICES"], env["NVINX_GPU_INDEX"]) == ("GPU-1b2c,GPU-3d4e", "1,2")
    assert (here.device, here.devices) == ("cuda:0", ("cuda:0", "cuda:1"))
    assert dict(here.max_memory) == {0: 900_000_000, 1: 900_000_000}
    assert here.from_pretrained_kwargs() == {
        "device_map": "auto",
        "max_memory": {0: 900_000_000, 1: 900_000_000},
    }


def test_of_whole_cards_that_differ_the_one_with_least_is_told_and_all_of_each_in_max_memory():
    cards = REAL, card(2, id="GPU-3d4e", total_mib=8192)
    both = Placement(
        Residency.GPU_EXCLUSIVE,
        Why.WHOLE_CARD,
        "GPU-3d4e",
        8192,
        more=("GPU-1b2c",),
        more_mib=(4096,),
    )
    here = current(variables("engine.1", both, Capacity(cards, 4, 8000)))

    assert (here.vram_mb, here.card_mb) == (4294, 4294)
    assert dict(here.max_memory) == {0: 8_589_000_000, 1: 4_294_000_000}


def test_who_has_one_card_or_none_has_one_device():
    assert current(told(Residency.GPU_EXCLUSIVE, "GPU-1b2c", 4096)).devices == ("cuda:0",)
    assert current(told(Residency.CPU_ONLY)).devices == ("cpu",)


def test_a_simulated_card_is_named_by_its_index_and_says_so():
    env = told(Residency.GPU_EXCLUSIVE, "simulated-0", 3814)

    assert env["CUDA_VISIBLE_DEVICES"] == "0"
    assert current(env).simulated


def test_a_job_that_spills_gets_the_card_less_its_headroom_context_and_the_ram_it_declared():
    here = current(told(Residency.GPU_RAM_OVERFLOW, "GPU-1b2c", 4096, need_from_mb(8000)))

    assert here.from_pretrained_kwargs() == {
        "device_map": "auto",
        "max_memory": {0: (3619 - CONTEXT_MIB) * 2**20, "cpu": 8_000_000_000},
    }


def test_each_call_gives_arguments_of_its_own():
    here = current(told(Residency.GPU_RAM_OVERFLOW, "GPU-1b2c", 4096, 100))
    here.from_pretrained_kwargs()["max_memory"].clear()

    assert here.from_pretrained_kwargs()["max_memory"]


def test_a_job_on_the_cpu_cannot_reach_the_card_by_accident():
    env = told(Residency.CPU_ONLY)
    here = current(env)

    assert env["CUDA_VISIBLE_DEVICES"] == ""
    assert (here.device, here.vram_mb, dict(here.max_memory)) == ("cpu", None, {})


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_outside_nvinx_a_hidden_card_means_the_cpu(hidden):
    here = current({"CUDA_VISIBLE_DEVICES": hidden})

    assert (here.device, here.managed, here.residency) == ("cpu", False, None)
    assert here.from_pretrained_kwargs() == {"device_map": {"": "cpu"}}


def test_a_job_reads_the_size_that_its_rule_declared():
    for declared in [*range(1, 2000), *range(2000, 100_000, 100)]:
        env = told(Residency.GPU_SHARED, "GPU-1b2c", need_from_mb(declared))
        assert abs(int(env["NVINX_VRAM_MB"]) - declared) <= 1
        assert declared % 10 or int(env["NVINX_VRAM_MB"]) == declared
        assert json.loads(env["NVINX_MAX_MEMORY"])["0"] == int(env["NVINX_VRAM_MB"]) * 10**6


def test_a_try_knows_its_number_and_how_the_one_before_ended():
    first = told(Residency.GPU_SHARED, "GPU-1b2c", 900) | attempt.variables(1)
    again = first | attempt.variables(2, Outcome.OUT_OF_MEMORY)
    assert (current(first).attempt, current(first).last_failure) == (1, None)
    assert (current(again).attempt, current(again).last_failure) == (2, "out_of_memory")
    assert (current({}).attempt, current({}).last_failure) == (1, None)


def test_a_job_of_a_range_reads_what_it_may_use_now(tmp_path):
    file = tmp_path / "budget"
    env = {"NVINX_JOB": "j", "NVINX_PLACEMENT": "gpu_shared", "NVINX_VRAM_MB": "6000"}
    env |= {"NVINX_BUDGET": str(file), "NVINX_MAX_MEMORY": '{"0": 6000000000}'}
    assert current(env).vram_mb == 6000
    assert not current(env).budget_changed()
    file.write_text("6000 0\n")
    assert not current(env).budget_changed()
    file.write_text("2000 1\n")
    assert current(env).budget_changed()
    assert current(env).vram_mb == 2000
    assert current(env).max_memory == {0: 2 * 10**9}


def test_it_answers_by_asking_again_and_not_before(tmp_path):
    file, answer = tmp_path / "budget", tmp_path / "budget.kept"
    env = {"NVINX_JOB": "j", "NVINX_PLACEMENT": "gpu_shared", "NVINX_BUDGET": str(file)}
    file.write_text("2000 1\n")
    assert current(env).budget_changed()
    assert not answer.exists()
    file.write_text("1000 2\n")
    assert current(env).budget_changed()
    assert not answer.exists()
    assert not current(env).budget_changed()
    assert answer.read_text() == "1000 2\n"


def test_any_other_job_has_one_budget():
    assert not current({}).budget_changed()
    assert not current({"NVINX_JOB": "j", "NVINX_BUDGET": ""}).budget_changed()
