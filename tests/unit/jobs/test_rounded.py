"""A number that Snakemake rounds to another one is refused, with the text to write instead."""

import pytest

from nvinx.errors import HintError
from nvinx.jobs import rounded


@pytest.mark.parametrize(
    ("name", "number", "fix"),
    [
        ("gpu", 0.5, "gpu='0.5'"),
        ("gpu_share", 0.33, "gpu_share='0.33'"),
        ("max_slowdown", 1.2, "max_slowdown='1.2'"),
        ("num_gpus", 0.5, "num_gpus='0.5'"),
        ("vram_gb", 1.4, "vram_gb='1.4'"),
        ("vram", 0.9, "state whole MB"),
        ("vram_mb", 0.4, "state whole MB"),
    ],
)
def test_a_hint_that_is_rounded_to_another_number_is_refused(name, number, fix):
    with pytest.raises(HintError, match=f"Snakemake rounds this number to {round(number)}") as told:
        rounded.demand_whole("embed", {name: number}, translate=True)
    assert told.value.hint == f"{name}={number}"
    assert fix in told.value.fix


@pytest.mark.parametrize(
    ("name", "number"), [("vram_mb", 900.5), ("runtime", 0.5), ("temperature", 0.7)]
)
def test_a_number_that_hardly_changes_or_is_no_hint_is_left_alone(name, number):
    rounded.demand_whole("embed", {name: number}, translate=True)


def test_what_others_call_a_gpu_is_left_alone_where_it_is_not_read():
    rounded.demand_whole("embed", {"num_gpus": 0.5}, translate=False)
