"""`nvinx calibrate` on a card that the tests' own libnvidia-ml.so.1 shows."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_library import build

from nvinx.bench.capacity import Card
from nvinx.interference import load_slowdown_model
from nvinx.leases import client

MIB = 1024 * 1024
NVINX = [sys.executable, "-c", "from nvinx.cli import main; main()"]
SHOW = 'echo "$CUDA_VISIBLE_DEVICES $NVINX_PLACEMENT" >> seen; sleep 0.01'


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def environ(tmp_path, library):
    state = tmp_path / "gpus.txt"
    state.write_text(f"gpu 0 GPU-0 {4096 * MIB} 0 {100 * MIB}\ncard 0 2048 8 6 37 25500 1530 61\n")
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(library),
        "NVINX_FAKE_NVML": str(state),
        "NVINX_STATE_DIR": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path),
        "NVINX_BENCH": "",
    }


@pytest.fixture
def nvinx(tmp_path, environ):
    def run(*words):
        return subprocess.run(
            [*NVINX, *words], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    return run


def test_programs_run_on_the_card_that_is_held_for_them(nvinx, tmp_path):
    words = [
        "--command",
        f"a={SHOW}",
        "--command",
        f"b={SHOW}",
        "--seconds",
        "0.2",
        "--warm-up",
        "0.1",
    ]
    done = nvinx("calibrate", *words, "--output", "out")
    assert done.returncode == 0, done.stderr
    assert "Measuring on Test card 0 (time-slicing)" in done.stdout
    assert set((tmp_path / "seen").read_text().splitlines()) == {"GPU-0 gpu_exclusive"}
    model = load_slowdown_model(tmp_path / "out" / "slowdown.json")
    assert (model.provenance.card, model.provenance.driver) == ("Test card 0", "580.65.06")
    lines = (tmp_path / "out" / "measurements.jsonl").read_text().splitlines()
    alone = [json.loads(line) for line in lines if '"alone"' in line]
    assert all(r["utilisation"] == pytest.approx(0.37) for r in alone)
    assert all(r["used_mib"] == 100 for r in alone)
    assert json.loads(nvinx("status", "--json").stdout)["leases"] == []


def test_the_result_is_refused_on_another_card(nvinx, tmp_path, environ):
    words = [
        "--command",
        "a=sleep 0.01",
        "--command",
        "b=sleep 0.01",
        "--seconds",
        "0.1",
        "--warm-up",
        "0.1",
    ]
    assert nvinx("calibrate", *words, "--output", "out").returncode == 0
    text = (tmp_path / "out" / "slowdown.json").read_text()
    (tmp_path / "out" / "slowdown.json").write_text(text.replace("Test card 0", "Tesla T4"))
    (tmp_path / "nvinx.yaml").write_text("interference: out/slowdown.json\n")
    refused = nvinx("bench")
    assert refused.returncode == 2
    assert "measured on Tesla T4, this machine has Test card 0" in refused.stderr


def test_the_card_is_leased_while_it_is_measured(tmp_path, environ, nvinx):
    words = ["calibrate", "--command", "a=sleep 0.01", "--command", "b=sleep 0.01"]
    process = subprocess.Popen(
        [*NVINX, *words], cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            leases = json.loads(nvinx("status", "--json").stdout)["leases"]
            if leases:
                break
            time.sleep(0.05)
        assert [lease["name"] for lease in leases] == ["nvinx calibrate"]
    finally:
        process.kill()
        process.wait()
    for _ in range(200):
        if not json.loads(nvinx("status", "--json").stdout)["leases"]:
            return
        time.sleep(0.05)
    raise AssertionError("the lease outlived every process of the calibration")


CARD = Card(id="simulated-0", index=0, name="toy", total_mib=4000, simulated=True)


def test_a_card_that_is_held_is_waited_for(tmp_path):
    waits, order = [], []
    free = threading.Event()

    def second():
        def waiting(reason):
            waits.append(reason)
            free.set()

        with client.whole_card(CARD, "second", tmp_path, waiting):
            order.append("second")

    with client.whole_card(CARD, "first", tmp_path, lambda _: None) as exports:
        assert exports["NVINX_PLACEMENT"] == "gpu_exclusive"
        assert exports["CUDA_VISIBLE_DEVICES"] == "0"
        thread = threading.Thread(target=second)
        thread.start()
        assert free.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert waits


def test_a_card_is_given_back_after_an_error(tmp_path):
    with pytest.raises(KeyError), client.whole_card(CARD, "x", Path(tmp_path), lambda _: None):
        raise KeyError
    with client.whole_card(CARD, "y", tmp_path, lambda _: None):
        pass
