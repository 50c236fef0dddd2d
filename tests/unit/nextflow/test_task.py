"""A process says its VRAM in GB, one number or a range, and how many cards it gets at once."""

import pytest
from builders import card

from nvinx.bench.resolve import Bench
from nvinx.errors import HintError
from nvinx.jobs.card_count import ONE, CardCount
from nvinx.nextflow import task
from nvinx.residency import Residency
from nvinx.sizes import need_from_gb

BENCH = Bench(cards=(card(),), cores=4, ram_mib=8000, models={}, origins={})


def claim(**said):
    return task.claim(task.Task(name="SERVE", **said), BENCH)


@pytest.mark.parametrize("vram_gb", ["2-6", " 2 - 6 ", "2.0-6.0"])
def test_a_range_is_the_least_and_the_most(vram_gb):
    asked = claim(vram_gb=vram_gb)
    assert (asked.vram_mib, asked.most_mib) == (need_from_gb(2), need_from_gb(6))


@pytest.mark.parametrize("vram_gb", ["2", "2.0", "20e-1"])
def test_a_number_is_no_range(vram_gb):
    asked = claim(vram_gb=vram_gb)
    assert (asked.vram_mib, asked.elastic_mib) == (need_from_gb(2), 0)


@pytest.mark.parametrize(
    "said", [{"vram_gb": "6-2"}, {"vram_gb": "0-2"}, {"vram_gb": "2-6", "mode": "exclusive"}]
)
def test_a_range_that_makes_no_sense_is_refused_in_the_words_of_the_process(said):
    with pytest.raises(HintError) as caught, task.in_its_words():
        claim(**said)
    assert "ext.vram_gb" in str(caught.value)
    assert "vram=" not in str(caught.value)


TWO, AS_FREE = CardCount(2, 2), CardCount(1, 2)
ALONE, SHARED = Residency.GPU_EXCLUSIVE, Residency.GPU_SHARED


@pytest.mark.parametrize(
    ("said", "residency", "cards"),
    [
        ({"accelerators": "2"}, ALONE, TWO),
        ({"accelerators": "1-2"}, ALONE, AS_FREE),
        ({"accelerators": "1"}, ALONE, ONE),
        ({"accelerators": "2", "vram_gb": "0.9"}, SHARED, TWO),
        ({"accelerators": "1-2", "gpu_share": "1/3"}, SHARED, AS_FREE),
        ({"accelerators": "2", "mode": "exclusive"}, ALONE, TWO),
        ({"accelerators": "2", "mode": "exclusive", "vram_gb": "2"}, ALONE, TWO),
        ({"mode": "exclusive"}, ALONE, ONE),
        (
            {"accelerators": "2", "mode": "overflow", "vram_gb": "9", "memory": 10**9},
            Residency.GPU_RAM_OVERFLOW,
            TWO,
        ),
    ],
)
def test_a_process_gets_as_many_cards_as_its_accelerator_says(said, residency, cards):
    asked = claim(**said)
    assert (asked.residency, asked.cards) == (residency, cards)


@pytest.mark.parametrize(
    "more", [{}, {"vram_gb": "2"}, {"gpu_share": "1/3"}, {"mode": "exclusive"}]
)
def test_no_accelerator_means_the_cpu_whatever_is_said_besides(more):
    assert not claim(accelerators="0", accelerator_type="a100", **more).uses_gpu


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"accelerators": "-1"}, "accelerator -1: must be a number of cards"),
        ({"accelerators": "0-2"}, "accelerator request: 0, limit: 2: must be"),
        ({"accelerators": "2", "vram_gb": "2-6"}, "ask for one card"),
    ],
)
def test_cards_that_cannot_be_are_told_in_the_words_of_the_process(said, told):
    with pytest.raises(HintError) as caught, task.in_its_words():
        claim(**said)
    assert told in str(caught.value)
    assert "gpu=" not in str(caught.value)


MIXED = Bench(
    cards=(card(0, name="Tesla T4"), card(1, name="NVIDIA A100-SXM4-40GB")),
    cores=4,
    ram_mib=8000,
    models={},
    origins={},
)


@pytest.mark.parametrize("name", ["nvidia-tesla-t4", "a100", "NVIDIA A100", "nvidia", "40"])
def test_a_type_that_a_card_here_has_is_the_only_one_that_will_do(name):
    asked = task.Task(name="TRAIN", accelerators="1", accelerator_type=name)
    assert task.claim(asked, MIXED).card_name == name
    assert task.remark(asked, MIXED) is None


def test_a_type_that_no_card_here_has_is_told_and_any_card_will_do():
    asked = task.Task(name="TRAIN", accelerators="2", accelerator_type="nvidia-h100")
    assert (task.claim(asked, MIXED).card_name, task.claim(asked, MIXED).cards) == (None, TWO)
    told = task.remark(asked, MIXED)
    assert told is not None
    assert "TRAIN asks for type: 'nvidia-h100'; there is NVIDIA A100-SXM4-40GB, Tesla T4" in told
    assert task.remark(task.Task(name="ANY", accelerators="2"), MIXED) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("nvinx_urgnt", "write ext.nvinx_urgent"),
        ("nvinx_share", "write ext.nvinx_gpu_share"),
        ("nvinx_cpuFallback", "write ext.nvinx_cpu_fallback"),
        ("vram_mb", "write ext.vram_gb, in GB"),
        ("VRAM", "write ext.vram_gb, in GB"),
        ("nvinx_gpus", "write accelerator 2 for two cards"),
        ("nvinx_residency", "write ext.nvinx_mode, or a label"),
        ("nvinx_x", "write one of these, or leave it out"),
        ("nvinx_preemptible", "nvinx run --preemptible=requeue"),
    ],
)
def test_a_name_that_nvinx_does_not_know_is_told_with_the_one_that_was_meant(name, meant):
    with pytest.raises(HintError) as caught, task.in_its_words():
        claim(unknown_ext=(name,), mode="cpu")
    assert f"task SERVE: ext.{name}: " in str(caught.value)
    assert meant in str(caught.value)


def test_a_task_is_told_why_it_cannot_be_preempted():
    with pytest.raises(HintError, match="Nextflow would count that as a failed attempt"):
        claim(unknown_ext=("nvinx_preemptible",))
