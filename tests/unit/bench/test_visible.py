"""CUDA_VISIBLE_DEVICES leaves nvinx the cards that it leaves any program."""

import pytest
from builders import card, simulated_card

from nvinx.bench import visible
from nvinx.bench.resolve import Bench

CARDS = (
    card(0, id="GPU-8932f937-d72c", name="T4"),
    card(1, id="GPU-8932ffff-0000", name="T4"),
    card(2, id="MIG-1234", name="A100 MIG 1g.5gb"),
)
KEYS = [f"gpus[{n}].{key}" for n in range(3) for key in ("vram_gb", "headroom_gb")]
BENCH = Bench(CARDS, 4, 8000, {}, {"gpus": "driver", **{key: key for key in KEYS}})


def left(value, bench=BENCH, **environ):
    return [c.index for c in visible.restrict(bench, {visible.VARIABLE: value, **environ}).cards]


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        ("1", [1]),
        ("0,1", [0, 1]),
        ("1,0", [0, 1]),
        ("GPU-8932f937-d72c", [0]),
        ("GPU-8932f9", [0]),
        ("gpu-8932FF", [1]),
        ("GPU-8932f", []),
        ("MIG-1234", [2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,7,1", [0]),
        ("1,-1,0", [1]),
        ("0,0", []),
    ],
)
def test_names_are_understood_as_cuda_does(value, indices):
    assert left(value) == indices


def test_without_the_variable_and_inside_a_job_all_are_there():
    assert visible.restrict(BENCH, {}) is BENCH
    assert left("", NVINX_JOB="1-2.3") == [0, 1, 2]


def test_what_is_hidden_is_told_and_origins_stay_with_their_cards():
    made = visible.restrict(BENCH, {visible.VARIABLE: "1", visible.ORDER: visible.BY_BUS})
    assert made.problem == "CUDA_VISIBLE_DEVICES='1' hides GPU 0, GPU 2"
    assert made.origins["gpus[0].vram_gb"] == "gpus[1].vram_gb"
    assert "gpus[1].vram_gb" not in made.origins


def test_simulated_cards_are_hidden_by_their_index():
    cards = (simulated_card(0), simulated_card(1))
    assert left("1", Bench(cards, 4, 8000, {}, {key: key for key in KEYS})) == [1]


@pytest.mark.parametrize(
    ("value", "environ", "ambiguous"),
    [
        ("1", {}, True),
        ("1", {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, True),
        ("1", {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, False),
        ("GPU-8932f9", {}, False),
    ],
)
def test_an_index_among_different_cards_is_clear_only_by_bus(value, environ, ambiguous):
    assert visible.is_ambiguous(value, CARDS, environ) is ambiguous
    assert not visible.is_ambiguous(value, CARDS[:2], environ)
