"""`nvinx fit`: an answer before anything is run."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from nvinx.cli import main

MB = 10**6
BENCH = "hardware: {{cpu_cores: 2, ram_gb: 8, vram_gb: {vram_gb}, simulated: true}}\n"


@pytest.fixture
def fits(tmp_path, monkeypatch):
    """Asks about a model of 8 layers of 1 MB, on a card of so many GB."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NVINX_BENCH", raising=False)
    layers = {f"layers.{n}.w.weight": np.zeros((500, 500), dtype=np.float32) for n in range(8)}
    save_file(layers, tmp_path / "model.safetensors")

    def ask(vram_gb, *options, bench=BENCH):
        (tmp_path / "nvinx.yaml").write_text(bench.format(vram_gb=vram_gb))
        return CliRunner().invoke(main, ["fit", str(tmp_path), *map(str, options)])

    return ask


def test_a_model_that_fits_is_told_and_what_to_declare(fits):
    result = fits(0.1)

    assert result.exit_code == 0, result.output
    assert "It fits the card." in result.output
    assert "vram_mb=50" in result.output
    assert "ram_overflow" not in result.output


def test_without_a_card_it_is_cpu_work(fits):
    result = fits(0, bench="hardware: {{cpu_cores: 2, ram_gb: 8, vram_gb: {vram_gb}}}\n")

    assert "There is no card here: it would run on the CPU." in result.output
    assert "In its rule: mem_mb=1050" in result.output


def test_a_model_that_does_not_fit_is_split_and_the_seconds_are_told(fits):
    result = fits(0.005)

    assert result.exit_code == 0, result.output
    assert (
        "It does not fit the card; split like this, each forward takes 1 ms longer" in result.output
    )
    assert "bus 6.25 GB/s" in result.output
    assert "As int4 it would fit: about 1 MB" in result.output
    assert "ram_overflow=1, mem_mb=" in result.output


def test_json_has_bytes(fits):
    said = json.loads(fits(0.005, "--json", "--mem-mb", "3", "--disk-mb", "100").output)

    assert said["bytes"] == 8 * MB
    assert said["split_bytes"] == {"cards": [3 * MB], "ram": 2 * MB, "disk": 3 * MB}
    assert said["added_s_per_forward"] == pytest.approx(5 * MB / 6.25e9 + 3 * MB / 2.3e9)
    assert said["declare"]["disk_mb"] == 50


@pytest.mark.parametrize(("card_mb", "ram_mb"), [(5, 3), (3, 5), (0.5, 6), (4, 4.5)])
def test_a_rule_that_declares_what_was_told_gets_the_split_that_was_told(fits, card_mb, ram_mb):
    said = json.loads(fits(card_mb / 1000, "--json", "--mem-mb", ram_mb, "--disk-mb", 100).output)
    declared = said["declare"]

    assert said["split_bytes"]["disk"]
    assert declared["mem_mb"] == int(ram_mb)
    assert declared["vram_mb"] <= int(card_mb) + declared["mem_mb"] + declared["disk_mb"]


def test_a_model_that_cannot_be_held_fails_with_what_is_missing(fits):
    result = fits(0.005, "--mem-mb", "3", "--disk-mb", "1")

    assert result.exit_code == 1
    assert "It does not fit here: 2 MB are missing." in result.output


def test_measured_speeds_are_used_and_their_place_is_told(fits, tmp_path):
    fits(0.005)
    bench = "hardware: {vram_gb: 0.005, simulated: true, bus_gb_per_s: 0.005}\n"
    (tmp_path / "nvinx.yaml").write_text(bench)
    result = CliRunner().invoke(main, ["fit", str(tmp_path)])

    assert "each forward takes 1.0 s longer" in result.output
    assert "bus 0.005 GB/s, nvinx.yaml, line 1" in result.output


def test_a_folder_that_holds_no_model_is_one_line(fits, tmp_path):
    fits(1)
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(main, ["fit", str(tmp_path / "empty")])

    assert result.exit_code == 2
    assert result.stderr.startswith("nvinx: model ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize("speed", ["0", "-1", "fast"])
def test_a_speed_that_is_none_is_refused_with_its_line(fits, tmp_path, speed):
    (tmp_path / "nvinx.yaml").write_text(f"hardware:\n  disk_gb_per_s: {speed}\n")
    result = CliRunner().invoke(main, ["fit", str(tmp_path)])

    assert result.exit_code == 2
    assert "line 2" in result.stderr
