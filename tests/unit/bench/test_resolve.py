"""What is in force says where it came from."""

import pytest
from builders import BENCH_FILE, gpu_state

from nvinx.bench.parse import parse
from nvinx.bench.resolve import Interference, resolve
from nvinx.calibration import fit_slowdown_model
from nvinx.errors import BenchError
from nvinx.gpu.ports import GpuInventory
from nvinx.host.resources import Machine
from nvinx.interference import CoRun, Provenance
from nvinx.sizes import capacity_from_gb, need_from_gb, need_from_mb

MACHINE = Machine(cores=6, ram_mib=10_000)


def gpu(index, total_mib=8000, name="Card"):
    return gpu_state(index, id=f"GPU-{index}", name=name, total_mib=total_mib)


def read(text):
    return parse(text, "folder/nvinx.yaml")


def in_force(text, *gpus, problem=None, **options):
    return resolve(read(text), MACHINE, GpuInventory(gpus, problem), **options)


def test_without_a_file_the_machine_is_in_force():
    bench = resolve(None, MACHINE, GpuInventory((gpu(0), gpu(1))))
    assert [card.id for card in bench.cards] == ["GPU-0", "GPU-1"]
    assert (bench.cores, bench.ram_mib, bench.path, bench.problem) == (6, 10_000, None, None)
    assert bench.origins["cpu_cores"] == bench.origins["ram_gb"] == "this machine"
    assert bench.origins["gpus[1].vram_gb"] == bench.origins["gpus"] == "this machine (NVML)"
    assert bench.origins["gpus[0].headroom_gb"] == bench.origins["models"] == "default"
    assert not bench.simulated


def test_without_a_gpu_the_driver_says_why():
    assert resolve(None, MACHINE, GpuInventory((), "it is off")).problem == "it is off"
    assert resolve(None, MACHINE, GpuInventory()).problem == "the driver shows no GPU"


def test_what_the_file_says_comes_before_the_machine():
    bench = in_force(BENCH_FILE, gpu(0))
    assert (bench.cores, bench.ram_mib) == (8, capacity_from_gb(15.5))
    assert bench.path == "folder/nvinx.yaml"
    assert bench.origins["cpu_cores"] == "nvinx.yaml, line 5"
    assert bench.origins["models"] == "nvinx.yaml, line 8"
    assert set(bench.models) == {"fold", "embed"}


def test_a_simulated_card_comes_from_the_file_alone():
    bench = in_force(BENCH_FILE, gpu(0))
    (card,) = bench.cards
    assert bench.simulated
    assert (card.id, card.index, card.simulated) == ("simulated-0", 0, True)
    assert card.total_mib == capacity_from_gb(4)
    assert bench.origins["gpus[0].vram_gb"] == bench.origins["gpus"] == "nvinx.yaml, line 3"
    assert bench.origins["gpus[0].headroom_gb"] == "nvinx.yaml, line 7"


def test_a_declared_gpu_caps_the_real_one_of_its_place():
    bench = in_force("gpus:\n- vram_gb: 2\n- vram_gb: 99\n", gpu(0), gpu(1), gpu(2))
    assert [card.id for card in bench.cards] == ["GPU-0", "GPU-1"]
    assert [card.total_mib for card in bench.cards] == [capacity_from_gb(2), 8000]
    assert bench.origins["gpus[0].vram_gb"] == "nvinx.yaml, line 2"
    assert bench.origins["gpus[1].vram_gb"] == "this machine (NVML); nvinx.yaml, line 3 says more"
    assert bench.problem is None


def test_a_real_card_keeps_the_name_its_driver_gives_it():
    assert in_force("gpus: [{name: mine, vram_gb: 2}]", gpu(0)).cards[0].name == "Card"


def test_a_declared_gpu_that_is_not_there_is_a_problem_with_a_way_out():
    bench = in_force("hardware: {vram_gb: 4}", problem="the driver sleeps")
    assert bench.cards == ()
    assert "nvinx.yaml, line 1" in (bench.problem or "")
    assert "(the driver sleeps)" in (bench.problem or "")
    assert "`simulated: true`" in (bench.problem or "")
    assert "driver (nvidia-smi)" in (bench.problem or "")


def test_a_lost_card_does_not_lend_its_place_to_the_next():
    bench = in_force("gpus: [{vram_gb: 2}, {vram_gb: 3}]", gpu(1), problem="GPU 0: lost")
    assert [(c.id, c.total_mib) for c in bench.cards] == [("GPU-1", capacity_from_gb(3))]
    assert "GPU 0: lost" in (bench.problem or "")
    assert "gpus[0].vram_gb" in bench.origins


def test_real_and_simulated_cards_may_stand_side_by_side():
    text = "gpus: [{name: toy, vram_gb: 1, simulated: true}, {vram_gb: 3, headroom_gb: 1}]"
    bench = in_force(text, gpu(0), gpu(1))
    assert [card.id for card in bench.cards] == ["simulated-0", "GPU-0"]
    assert [card.name for card in bench.cards] == ["toy", "Card"]
    assert [card.headroom_mib for card in bench.cards] == [0, need_from_gb(1)]


def test_a_bench_may_declare_that_it_has_no_gpu():
    bench = in_force("hardware:\n  vram_gb: 0\n", gpu(0))
    assert bench.cards == ()
    assert bench.problem == "nvinx.yaml, line 2 says that this bench has no GPU"


def test_a_simulated_bench_does_not_complain_about_the_driver():
    assert in_force(BENCH_FILE, problem="no driver").problem is None


def test_a_problem_of_a_real_card_is_passed_on():
    assert in_force("gpus: [{vram_gb: 2}]", gpu(0), problem="it hides").problem == "it hides"


def test_a_real_card_keeps_half_a_gb_free_and_a_simulated_one_nothing():
    text = "gpus: [{vram_gb: 4}, {vram_gb: 4, simulated: true}]"
    real, simulated = in_force(text, gpu(0)).cards
    assert (real.headroom_mib, simulated.headroom_mib) == (need_from_gb(0.5), 0)


def test_a_tiny_real_card_is_all_headroom():
    assert resolve(None, MACHINE, GpuInventory((gpu(0, 100),))).cards[0].headroom_mib == 100


@pytest.mark.parametrize(
    ("text", "option", "expected", "origin"),
    [
        ("headroom_gb: 1", None, need_from_gb(1), "nvinx.yaml, line 1"),
        ("headroom_gb: 0", None, 0, "nvinx.yaml, line 1"),
        (
            "headroom_gb: 1\ngpus:\n- {vram_gb: 4, headroom_gb: 2}",
            None,
            need_from_gb(2),
            "nvinx.yaml, line 3",
        ),
        (
            "headroom_gb: 1\ngpus:\n- {vram_gb: 4, headroom_gb: 2}",
            300,
            need_from_mb(300),
            "--nvinx-headroom-mb",
        ),
        ("headroom_gb: 1", 0, 0, "--nvinx-headroom-mb"),
    ],
)
def test_the_closest_word_on_headroom_wins(text, option, expected, origin):
    bench = in_force(text, gpu(0), headroom_mb=option)
    assert bench.cards[0].headroom_mib == expected
    assert bench.origins["gpus[0].headroom_gb"] == origin


def test_headroom_as_large_as_the_card_leaves_it_to_exclusive_jobs():
    (card,) = in_force("hardware: {vram_gb: 4, headroom_gb: 4, simulated: true}").cards
    assert card.headroom_mib == card.total_mib
    assert (card.shareable_mib, card.alone_mib) == (0, card.total_mib)


@pytest.mark.parametrize("headroom_mb", [-1, 9000])
def test_an_impossible_headroom_option_is_refused_by_its_name(headroom_mb):
    with pytest.raises(BenchError, match="--nvinx-headroom-mb") as caught:
        resolve(None, MACHINE, GpuInventory((gpu(0),)), headroom_mb=headroom_mb)
    assert str(headroom_mb) in caught.value.problem


def test_a_negative_headroom_option_is_refused_without_a_card_too():
    with pytest.raises(BenchError, match="negative"):
        resolve(None, MACHINE, GpuInventory(), headroom_mb=-1)


def test_a_headroom_larger_than_the_real_card_is_refused_with_its_line():
    with pytest.raises(BenchError, match="more than") as caught:
        in_force("hardware:\n  headroom_gb: 99\n", gpu(0))
    assert caught.value.line == 2


def test_utilisation_alone_is_enough_to_know_who_fills_the_card():
    file = read("interference: {utilisation: {x: 0.9}}")
    assert file.interference == Interference(utilisation={"x": 0.9})
    assert resolve(file, MACHINE, GpuInventory()).utilisation == {"x": 0.9}


def slowdowns(card):
    return fit_slowdown_model([CoRun("x", "y", 1.5, 1.2)], provenance=Provenance(card))


def test_slowdowns_of_this_card_are_in_force_and_say_where_from():
    bench = in_force("interference: a.json", gpu(0, name="T4"), slowdowns=slowdowns("T4"))
    assert bench.slowdowns.predict("x", ["y"]).slowdown == pytest.approx(1.5)
    assert bench.origins["interference"] == "nvinx.yaml, line 1"


def test_slowdowns_of_another_card_are_refused_with_the_line():
    text = "headroom_gb: 0\ninterference: a.json"
    with pytest.raises(
        BenchError, match=r"line 2: .*measured on A100, this machine has T4.*any_card"
    ):
        in_force(text, gpu(0, name="T4"), slowdowns=slowdowns("A100"))


@pytest.mark.parametrize(
    "text",
    ["interference: {file: a.json, any_card: true}", "interference: a.json"],
    ids=["as the file says", "where nobody wrote the card down"],
)
def test_slowdowns_of_any_card_are_taken(text):
    card = "A100" if "any_card" in text else None
    bench = in_force(text, gpu(0, name="T4"), slowdowns=slowdowns(card))
    assert bench.slowdowns is not None


def test_a_simulated_card_takes_the_slowdowns_of_any():
    text = "hardware: {vram_gb: 4, simulated: true}\ninterference: a.json"
    assert in_force(text, slowdowns=slowdowns("A100")).slowdowns is not None
