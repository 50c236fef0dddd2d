"""A command, or a Python program, that asks for several cards."""

from __future__ import annotations

import json

import pytest
from waiting import GIVE_UP_S, eventually

import nvinx
from nvinx.errors import HintError, ImpossibleJobError

BENCH = (
    "hardware: {cpu_cores: 4, ram_gb: 16, gpus: [{name: a, vram_gb: 4, simulated: true},"
    " {name: b, vram_gb: 8, simulated: true}]}\n"
)


@pytest.fixture
def two(bench):
    bench.write("nvinx.yaml", BENCH)
    return bench


@pytest.fixture
def here(two, monkeypatch):
    """This very process at the bench."""
    monkeypatch.chdir(two.folder)
    monkeypatch.setenv("NVINX_STATE_DIR", str(two.state))
    for name in ("NVINX_JOB", "NVINX_BENCH"):
        monkeypatch.delenv(name, raising=False)
    return two


def test_a_command_gets_whole_cards(two):
    done = two.run("run", "--gpus", "2", "--", "bash", "-c", "env; exit 3")
    assert done.returncode == 3
    seen = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert seen["NVINX_PLACEMENT"] == "gpu_exclusive"
    assert seen["CUDA_VISIBLE_DEVICES"] == seen["NVINX_GPU_INDEX"] == "0,1"
    assert seen["NVINX_VRAM_MB"] == "3999"
    assert json.loads(seen["NVINX_MAX_MEMORY"]) == {"0": 3_999_000_000, "1": 7_999_000_000}
    assert done.stderr == "nvinx: bash -> GPU 0+1 alone\n"
    assert two.held() == set()


def test_a_size_is_so_much_on_each_of_them(two):
    done = two.run("run", "--gpus", "2", "--vram", "900MB", "printenv", "NVINX_MAX_MEMORY")
    assert json.loads(done.stdout) == {"0": 900_000_000, "1": 900_000_000}
    said = "printenv -> GPU 0+1 shared (0.90 GB of 4.00 GB, 0.90 GB of 8.00 GB)"
    assert said in done.stderr


def test_it_waits_until_all_are_there_and_is_seen_on_each(two):
    first = two.start("run", "--name", "first", "--", "sleep", "3600")
    assert eventually(lambda: two.held() == {"first"})
    second = two.start("run", "--gpus", "2", "--name", "train", "--", "sleep", "3600")
    assert eventually(lambda: "train" in two.queued())
    first.terminate()
    assert eventually(lambda: two.held() == {"train"})
    status = two.run("status").stdout
    assert "train: 4.00 GB exclusive" in status
    assert "train: 8.00 GB exclusive" in status
    second.terminate()
    _, err = second.communicate(timeout=GIVE_UP_S)
    assert "nvinx: train waits: needs 2 cards at once, 1 free beside first\n" in err
    assert "nvinx: train -> GPU 0+1 alone\n" in err


def test_as_many_as_are_free_are_asked_of_the_placement(two):
    done = two.run("run", "--gpus", "1-4", "nvinx", "placement", "--json")
    assert json.loads(done.stdout)["devices"] == ["cuda:0", "cuda:1"]
    first = two.start("run", "--name", "first", "--", "sleep", "3600")
    assert eventually(lambda: two.held() == {"first"})
    done = two.run("run", "--gpus", "1-4", "nvinx", "placement", "--json")
    assert json.loads(done.stdout)["devices"] == ["cuda:0"]
    first.terminate()


def test_more_than_there_are_is_refused_with_what_to_write(two):
    done = two.run("run", "--gpus", "3", "true")
    assert done.returncode == 2
    assert "true asks for 3 cards at once, and this bench has only 2 cards" in done.stderr
    assert "Fix: write --gpus 2, or --gpus 1-3" in done.stderr


def test_inside_a_lease_of_one_card_two_are_refused(two):
    done = two.run("run", "--gpus", "1", "--", "nvinx", "run", "--gpus", "2", "true")
    assert "asks for 2 cards inside a lease of 1 card" in done.stderr
    assert (
        two.run("run", "--gpus", "2", "--", "nvinx", "run", "--gpus", "2", "true").returncode == 0
    )


def test_a_python_program_asks_for_several_and_knows_them(here):
    with nvinx.lease(gpu=2, name="train") as placement:
        assert placement.devices == ("cuda:0", "cuda:1")
        assert here.held() == {"train"}
    with nvinx.lease(gpu="1-2", vram_mb=900) as placement:
        assert (placement.count, placement.vram_mb) == (2, 900)
    assert here.held() == set()


@pytest.mark.parametrize(
    ("asked", "error"), [({"gpu": "0-2"}, HintError), ({"gpu": 3}, ImpossibleJobError)]
)
@pytest.mark.usefixtures("here")
def test_a_number_that_cannot_be_is_refused(asked, error):
    with pytest.raises(error, match="Fix: write gpu="), nvinx.lease(**asked):
        pytest.fail("it got a lease")
