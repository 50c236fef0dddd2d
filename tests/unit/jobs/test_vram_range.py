"""A range of VRAM says the least that a job starts with, and the most that it can make use of."""

import pytest

from nvinx.errors import HintError
from nvinx.jobs import hints
from nvinx.jobs.hints import Common
from nvinx.residency import Residency
from nvinx.sizes import need_from_mb


def read(**asked):
    return hints.read("serve", asked, Common(), {})


@pytest.mark.parametrize(
    "asked",
    [
        {"vram_mb": "2000-6000"},
        {"vram_mb": " 2000 - 6000 "},
        {"vram_mb": (2000, 6000)},
        {"vram_mb": [2000, 6000.0]},
        {"vram": "2-6GB"},
        {"vram": "2GB-6GB"},
        {"vram": "2000MB-6GB"},
        {"vram": "2 - 6 gb"},
        {"vram": "2-6GB", "vram_mb": "2000-6000"},
    ],
)
def test_it_is_written_in_many_ways(asked):
    claim = read(**asked)
    assert claim.residency is Residency.GPU_SHARED
    assert (claim.vram_mib, claim.most_mib) == (need_from_mb(2000), need_from_mb(6000))


@pytest.mark.parametrize("asked", [{"vram_mb": "2000-2000"}, {"vram_mb": 2000}, {"vram": "2GB"}])
def test_one_size_is_no_range(asked):
    claim = read(**asked)
    assert (claim.vram_mib, claim.elastic_mib) == (need_from_mb(2000), 0)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"vram_mb": "6000-2000"}, "begins with the larger size"),
        ({"vram": "6-2GB"}, "begins with the larger size"),
        ({"vram": "6GB-900MB"}, "begins with the larger size"),
        ({"vram_mb": "0-2000"}, "begins at nothing"),
        ({"vram_mb": (-1, 2000)}, "begins at nothing"),
        ({"vram_mb": "2000-"}, "is not a range of sizes"),
        ({"vram_mb": "2-6GB"}, "is not a range of sizes"),
        ({"vram_mb": (1, 2, 3)}, "is not a range of sizes"),
        ({"vram_mb": (True, 2000)}, "is not a range of sizes"),
        ({"vram_mb": (1, float("nan"))}, "is not a range of sizes"),
        ({"vram": "2-6"}, "is not a range of sizes"),
        ({"vram": (2, 6)}, "is not a range of sizes"),
        ({"vram": "2-6GB-8GB"}, "is not a range of sizes"),
        ({"vram": "2-6GB", "vram_mb": 2000}, "contradicts vram_mb=2000"),
        ({"vram": "2-6GB", "vram_mb": "auto"}, "contradicts vram_mb='auto'"),
        ({"vram": "2-6GB", "gpu_share": "1/3"}, "contradicts vram='2-6GB'"),
        ({"vram": "2-6GB", "residency": "cpu_only"}, "contradicts residency cpu_only"),
        ({"vram": "2-6GB", "residency": "gpu_exclusive"}, "that has its card alone"),
        ({"vram": "2-6GB", "residency": "gpu_ram_overflow"}, "a job that spills"),
        ({"vram": "2-6GB", "ram_overflow": 1}, "a job that spills"),
        ({"vram": "2-6GB", "gpu": 2}, "a job of several cards"),
        ({"vram": "2-6GB", "preemptible": "signal"}, "are both told by USR1"),
        ({"vram": "2-6GB", "preemptible": "suspend"}, "a range has none"),
    ],
)
def test_what_makes_no_sense_is_refused_with_place_and_fix(asked, problem):
    with pytest.raises(HintError) as caught:
        read(**asked)
    assert problem in str(caught.value)
    assert "serve" in str(caught.value)
    assert "Fix: " in str(caught.value)


def test_it_may_give_its_card_back_as_well():
    for how in ("requeue", "signal:USR2"):
        assert read(vram="2-6GB", preemptible=how).elastic_mib


def test_it_may_run_on_the_cpu_instead():
    assert read(vram="2-6GB", cpu_fallback=1).elastic_mib


def test_with_a_whole_card_nothing_of_it_is_given_back():
    assert read(vram="2-6GB").with_whole_card().elastic_mib == 0
