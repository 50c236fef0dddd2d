"""This machine's bandwidths are measured, or it is told why they cannot be."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from nvinx.calibration import bandwidth
from nvinx.cli import main
from nvinx.errors import MeasureError

SMALL = 64 * 1024 * 1024


def test_the_disk_is_measured_and_nothing_stays_behind(tmp_path):
    assert 1e6 < bandwidth.disk(tmp_path, SMALL) < 1e12
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(MeasureError, match="could not be written"):
        bandwidth.disk(tmp_path / "nowhere", SMALL)


def test_the_command_prints_lines_for_the_bench_file(tmp_path, monkeypatch):
    monkeypatch.setattr(bandwidth, "SIZE", SMALL)
    monkeypatch.setattr(bandwidth, "bus", lambda: (None, "torch is not installed"))
    result = CliRunner().invoke(main, ["bench", "--measure", "--scratch", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert "  disk_gb_per_s: " in result.stdout
    assert "the bus was not measured: torch is not installed" in result.stderr
    said = CliRunner().invoke(main, ["bench", "--measure", "--json", "--scratch", str(tmp_path)])
    assert json.loads(said.stdout).keys() == {"disk_gb_per_s"}


class Pages:
    """RAM as torch gives it out: no page of it is there until it is written to."""

    def __init__(self):
        self.written = False

    def fill_(self, _value):
        self.written = True
        return self

    def to(self, device):
        assert device == "cuda"
        assert self.written, "pages that were never written to are all one page of zeros"


def test_what_crosses_the_bus_is_real_memory(monkeypatch):
    pages = Pages()
    cuda = SimpleNamespace(synchronize=lambda: None)
    torch = SimpleNamespace(empty=lambda size, dtype: pages, uint8="uint8", cuda=cuda)
    monkeypatch.setattr("nvinx.calibration.cuda.torch_on_cuda", lambda: torch)
    speed, problem = bandwidth.bus()
    assert speed > 0
    assert problem is None


def test_without_a_cuda_card_the_bus_is_not_guessed():
    speed, problem = bandwidth.bus()
    assert (speed is None) == (problem is not None)
