"""The doctor finds what is wrong with a machine, and says what to do about it."""

import importlib.metadata
import json
import os
import re
import resource
import subprocess
import sys

import pytest
from click.testing import CliRunner
from fake_library import build

from nvinx.cli import doctor_checks
from nvinx.cli.doctor_checks import Level

MIB = 1024 * 1024
CARD = f"gpu 0 GPU-0 {4096 * MIB} {256 * MIB} {100 * MIB}\ncard 0 2048 8 6 37 25500 1530 61\n"
MAIN = "from nvinx.cli import main; main()"
STATES = {
    3: "does not support this query",
    4: "not allowed",
    9: "not loaded",
    12: "not found",
    13: "too old",
    15: "lost",
    18: "updated",
    999: "Unknown Error",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def examine(tmp_path, library):
    """The findings of `nvinx doctor` on a machine with these lines of NVML, and its status."""

    def run(*lines, **environ):
        (tmp_path / "gpus.txt").write_text("".join(lines), encoding="ascii")
        base = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "doctor", "--json"],
            cwd=tmp_path,
            env={
                **base,
                "LD_LIBRARY_PATH": str(library),
                "NVINX_FAKE_NVML": str(tmp_path / "gpus.txt"),
                "NVINX_STATE_DIR": str(tmp_path / "state"),
                **environ,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout), done.returncode

    return run


def bad(found):
    return {
        (each["level"], each["what"]): each
        for each in found
        if each["level"] not in ("ok", "absent")
    }


def test_a_well_machine_has_nothing_to_mend(examine):
    found, status = examine(CARD, "modes 0 1 1\n")

    assert (bad(found), status) == ({}, 0)
    said = [each["found"] for each in found if each["what"] == "GPU 0"]
    assert said[0].startswith("Test card 0, 4.03 GB, 0.10 GB used now, driver ")
    assert "shared by time-slicing" in said
    assert "accounting mode is on" in said


def test_modes_that_are_off_are_told(examine):
    found, status = examine(CARD, "modes 0 0 0\n")

    assert status == 0
    assert "nvidia-smi -pm 1" in bad(found)["warning", "GPU 0"]["fix"]


@pytest.mark.parametrize("code", STATES)
def test_each_failure_of_the_driver_is_a_line_with_its_fix(examine, code):
    found, status = examine(CARD, f"fails nvmlInitWithFlags -1 {code}\n")

    driver = bad(found)["warning", "driver"]
    assert STATES[code] in driver["found"]
    assert driver["fix"]
    assert status == 0


def test_a_library_that_cannot_be_loaded_is_told_with_the_loaders_words(examine, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "libnvidia-ml.so.1").write_text("no library at all, but a long text\n")
    found, _ = examine(LD_LIBRARY_PATH=str(tmp_path / "broken"))

    driver = bad(found)["warning", "driver"]
    assert "cannot be loaded" in driver["found"]
    assert str(tmp_path / "broken") in driver["found"]


def test_a_gpu_that_is_lost_beside_a_good_one_is_an_error(examine):
    second = CARD.replace("gpu 0 GPU-0", "gpu 1 GPU-1").replace("card 0", "card 1")
    found, status = examine(CARD, second, "fails nvmlDeviceGetUUID 1 15\n", "modes 0 1 0\n")

    assert "lost" in bad(found)["error", "driver"]["found"]
    assert status == 1


def test_a_wrong_bench_file_is_an_error_with_its_line(examine, tmp_path):
    (tmp_path / "nvinx.yaml").write_text("hardware:\n  vram_gb: many\n")
    found, status = examine(CARD)

    assert "line 2" in bad(found)["error", "bench file"]["found"]
    assert status == 1


def test_a_state_folder_that_cannot_be_used_is_an_error(examine, tmp_path):
    (tmp_path / "file").write_text("")
    found, status = examine(CARD, NVINX_STATE_DIR=str(tmp_path / "file" / "state"))

    assert "cannot write there" in bad(found)["error", "state folder"]["found"]
    assert status == 1


def test_a_ledger_of_another_nvinx_is_an_error(examine, tmp_path):
    import sqlite3

    (tmp_path / "state").mkdir(mode=0o700)
    with sqlite3.connect(tmp_path / "state" / "ledger.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    found, _ = examine(CARD)

    assert "schema 999" in bad(found)["error", "state folder"]["found"]


def test_cards_that_somebody_hid_are_a_warning(examine):
    found, _ = examine(CARD, "modes 0 1 1\n", CUDA_VISIBLE_DEVICES="1")

    assert "'1'" in bad(found)["warning", "CUDA_VISIBLE_DEVICES"]["found"]


def test_programs_that_are_missing_are_named(examine, tmp_path):
    (tmp_path / "bin").mkdir()
    found, status = examine(CARD, "modes 0 1 1\n", PATH=str(tmp_path / "bin"))

    assert bad(found)["error", "bash"]["fix"] == "install bash"
    assert ("warning", "flock") in bad(found)
    assert status == 1


def test_both_distributions_at_once_are_an_error(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"nvinx": "0.3.0"}[name])
    finding = doctor_checks._distributions()

    assert finding.level is Level.ERROR
    assert "0.3.0" in finding.found


def test_low_limits_are_a_warning_with_the_command(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert [(f.level, f.fix) for f in doctor_checks._limits()] == [
        (Level.WARNING, "ulimit -n 4096"),
        (Level.WARNING, "ulimit -u 4000"),
    ]


def test_people_get_lines(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from nvinx.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    text = CliRunner().invoke(main, ["doctor"]).output
    assert "warning  CUDA_VISIBLE_DEVICES: set to '0' here" in text
    assert "         Fix: unset it" in text


def test_it_ends_with_what_to_make_of_it_and_says_ok_of_nothing_that_is_absent(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(doctor_checks._PACKAGES, "no-such-package", "hf")
    from nvinx.cli import main

    text = CliRunner().invoke(main, ["doctor"]).output
    assert "absent   no-such-package: not installed (extra hf: models that are split)" in text
    assert "absent   nextflow: not on the PATH" in text
    assert re.search(r"\nnvinx cannot work well here: \d errors?, \d warnings?\.\n$", text), text
    assert not re.search(r"^ok .* not (installed|on the PATH)", text, re.MULTILINE)
