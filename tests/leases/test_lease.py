"""`nvinx.lease`: a Python program asks, uses its share, and gives it back."""

import os
import subprocess
import sys
import threading

import pytest
from waiting import GIVE_UP_S

import nvinx
from nvinx.errors import HintError, ImpossibleJobError
from nvinx.leases import broker


@pytest.fixture
def here(bench, monkeypatch):
    """This very process at the bench."""
    monkeypatch.chdir(bench.folder)
    monkeypatch.setenv("NVINX_STATE_DIR", str(bench.state))
    for name in ("NVINX_JOB", "NVINX_BENCH"):
        monkeypatch.delenv(name, raising=False)
    return bench


def test_the_block_knows_its_placement_and_the_process_is_told(here):
    with nvinx.lease(vram_mb=900, name="embed") as placement:
        assert (placement.device, placement.vram_mb) == ("cuda:0", 900)
        assert placement.from_pretrained_kwargs() == {"device_map": {"": "cpu"}}  # simulated
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        assert here.held() == {"embed"}
    assert "NVINX_JOB" not in os.environ
    assert here.held() == set()


def test_an_error_in_the_block_gives_the_lease_back_and_goes_on(here):
    with pytest.raises(KeyError), nvinx.lease(gpu=1):
        raise KeyError
    assert here.held() == set()


def test_whoever_waits_is_notified_when_there_is_room(here, monkeypatch):
    monkeypatch.setattr(broker, "_LOOK_AGAIN_S", 3600.0)
    waits, done = threading.Event(), threading.Event()

    def second():
        with nvinx.lease(gpu=1, on_wait=lambda _: waits.set()):
            done.set()

    with nvinx.lease(gpu=1):
        os.environ.pop("NVINX_JOB")  # as in a process of its own
        thread = threading.Thread(target=second, daemon=True)
        thread.start()
        assert waits.wait(GIVE_UP_S)
    assert done.wait(GIVE_UP_S)
    thread.join(GIVE_UP_S)


def test_another_thread_waits_and_is_told_why(here):
    reasons, go = [], threading.Event()

    def waits(reason):
        reasons.append(reason)
        go.set()

    def second():
        with nvinx.lease(gpu=1, name="second", on_wait=waits):
            reasons.append("in")

    with nvinx.lease(gpu=1, name="first"):
        os.environ.pop("NVINX_JOB")  # as in a process of its own
        thread = threading.Thread(target=second)
        thread.start()
        assert go.wait(GIVE_UP_S)
    thread.join(GIVE_UP_S)
    assert reasons[-1] == "in"
    assert reasons[0].behind == ("first",)


def test_inside_a_lease_the_placement_at_hand_is_the_answer(here):
    with nvinx.lease(vram_mb=900), nvinx.lease(vram_mb=800) as inner:
        assert inner.vram_mb == 900


def test_a_lease_that_may_is_on_the_cpu_when_nothing_fits(here):
    with nvinx.lease(vram_mb=90_000, cpu_fallback=1) as placement:
        assert placement.device == "cpu"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_one_that_spills_gets_its_budgets(here):
    with nvinx.lease(vram_mb=6000, ram_overflow=1, mem_mb=8000) as placement:
        assert placement.max_memory["cpu"] == 8_000_000_000
        assert placement.from_pretrained_kwargs()["max_memory"] == {
            "cpu": sum(placement.max_memory.values())  # a simulated card is a part of the RAM
        }


def test_one_that_may_use_the_disk_gets_a_folder_there(here):
    with nvinx.lease(vram_mb=6000, ram_overflow=1, mem_mb=1000, disk_mb=2000) as placement:
        assert placement.max_memory["disk"] == 2_000_000_000
        assert os.path.isdir(placement.from_pretrained_kwargs()["offload_folder"])


def test_one_that_cannot_be_held_is_refused_with_what_is_missing(here):
    with (
        pytest.raises(ImpossibleJobError, match=r"are missing. Fix: raise mem_mb, or add disk_mb"),
        nvinx.lease(vram_mb=6000, ram_overflow=1, mem_mb=1000),
    ):
        pass


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"vram_mb": -1}, HintError, "lease .*: vram_mb=-1"),
        ({"vram_gb": 1}, HintError, "nvinx knows no such hint"),
        ({"vram_mb": 9000}, ImpossibleJobError, "the largest card can give 4.00 GB"),
        ({"model": "nobody"}, HintError, "no such model"),
        ({"gpu": 1, "preemptible": "requeue"}, HintError, "cannot be restarted"),
        ({"gpu": 1, "priority": 0.5}, HintError, "priority: 0.5 is not a whole number"),
        ({"gpu": 1, "runtime": -1}, HintError, "runtime: .* is not a time"),
        ({"gpu": 1, "runtime": float("nan")}, HintError, "runtime: .* is not a time"),
    ],
)
def test_a_wrong_wish_is_refused(here, asked, error, said):
    with pytest.raises(error, match=said), nvinx.lease(**asked):
        raise AssertionError


def test_numbers_of_numpy_are_numbers(here):
    numpy = pytest.importorskip("numpy")
    asked = {
        "vram_mb": numpy.float64(900),
        "runtime": numpy.float64(2),
        "priority": numpy.float64(3),
    }
    with nvinx.lease(**asked) as placement:
        assert placement.vram_mb == 900


def test_a_history_that_breaks_meanwhile_is_told_at_the_end(here, caplog):
    with nvinx.lease(vram_mb=900, name="embed"):
        (here.state / "history.db").write_text("no history" * 100)
    assert caplog.text.count("history.db cannot be used") == 1


def test_a_child_that_outlives_the_program_keeps_the_lease(here):
    with nvinx.lease(gpu=1, name="parent"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    assert here.run("run", "--give-up", "0.6", "true").returncode == 75
    child.kill()
    child.wait()
    assert here.run("run", "--give-up", str(GIVE_UP_S), "true").returncode == 0


def test_a_program_that_keeps_running_out_of_memory_gets_the_card_alone(here):
    class OutOfMemoryError(RuntimeError):
        pass

    for _ in range(2):
        with pytest.raises(OutOfMemoryError), nvinx.lease(vram_mb=900, name="embed"):
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with nvinx.lease(vram_mb=900, name="embed") as placement:
        assert placement.residency.value == "gpu_exclusive"
