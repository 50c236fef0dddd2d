"""A size that can hardly be meant is told, with the likely one."""

import pytest

from nvinx.bench.parse import parse
from nvinx.jobs import unlikely


@pytest.mark.parametrize(
    ("stated", "likely"),
    [
        (4, "vram_mb=4000, if it is in GB"),
        (0.9, "vram_mb=900, if"),
        (4_000_000, "write 4000, if"),
        (4e9, "write 4000, if"),
    ],
)
def test_a_size_in_another_unit_is_told_with_the_likely_one(stated, likely):
    assert likely in unlikely.vram({"vram_mb": stated})


@pytest.mark.parametrize(
    ("stated", "likely"),
    [("900gb", "write vram='900MB', if it is in MB"), ("4MB", "write vram='4GB', if it is in GB")],
)
def test_so_is_one_with_a_unit(stated, likely):
    assert likely in unlikely.vram({"vram": stated})


@pytest.mark.parametrize(
    "stated", ["2GiB", "900MB", "80 GB", "2000-6000", "auto", "some", f"{'9' * 400}GB"]
)
def test_one_with_a_unit_that_can_be_meant_is_left_alone(stated):
    assert unlikely.vram({"vram": stated}) is None


@pytest.mark.parametrize("stated", [0, 100, 900, 80_000, 288_000, "auto", "900", True, None])
def test_a_size_that_can_be_meant_is_left_alone(stated):
    assert unlikely.vram({"vram_mb": stated}) is None
    assert unlikely.vram({}) is None


FILE = """hardware:
  ram_gb: 32000
  gpus:
    - {name: A1000, vram_gb: 4000}
models:
  - {name: esm2, vram_gb: 900, residency: gpu_shared}
"""


def test_sizes_of_a_bench_file_that_look_like_mb_are_told_with_their_lines():
    assert parse(FILE, "/lab/nvinx.yaml").doubts == (
        "nvinx.yaml, line 2: ram_gb: 32000 is 32000 GB, more than a machine has. "
        "Fix: write 32, if it is in MB",
        "nvinx.yaml, line 4: vram_gb: 4000 is 4000 GB, more than any card has. "
        "Fix: write 4, if it is in MB",
        "nvinx.yaml, line 6: vram_gb: 900 is 900 GB, more than any card has. "
        "Fix: write 0.9, if it is in MB",
    )


def test_a_bench_file_of_likely_sizes_is_left_alone():
    text = FILE.replace("32000", "64").replace("4000", "4").replace("900", "0.9")
    assert parse(text, "nvinx.yaml").doubts == ()
