"""A process says its VRAM in GB, one number or a range."""

import pytest
from builders import card

from nvinx.bench.resolve import Bench
from nvinx.errors import HintError
from nvinx.nextflow import task
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
