"""What a GPU is and does, read over the tests' own libnvidia-ml.so.1 and from the shipped fake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_library import build

import nvinx
from nvinx.gpu.ports import GpuFacts, GpuReading
from nvinx.testing import FakeMeter

MIB = 1024 * 1024
CARD = f"gpu 0 GPU-0 {4096 * MIB} {256 * MIB} {100 * MIB}\n"
FIGURES = "card 0 2048 8 6 37 25500 1530 61\n"
ALL = GpuReading(0.37, 100, 25.5, 1530, 61)
ASK = """
import json, sys
from msgspec import to_builtins
from nvinx.gpu.meter import NvmlMeter, facts
from nvinx.gpu.nvml import NvmlProbe
gpu = sys.argv[1]
found = facts(int(gpu) if gpu.isdigit() else gpu)
with NvmlMeter(gpu) as meter:
    readings = [to_builtins(meter.read()) for _ in range(2)]
after = to_builtins(NvmlProbe().read())
print(json.dumps([found and to_builtins(found), *readings, after["problem"]]))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def ask(tmp_path, library):
    def run(gpu, *lines):
        state = tmp_path / "gpus.txt"
        state.write_text("".join(lines), encoding="ascii")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", ASK, gpu],
            env={
                **os.environ,
                "LD_LIBRARY_PATH": str(library),
                "NVINX_FAKE_NVML": str(state),
                "PYTHONPATH": str(Path(nvinx.__file__).parents[1]),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        found, first, second, problem = json.loads(done.stdout)
        assert first == second
        if found is not None:
            capability = found["compute_capability"]
            found["compute_capability"] = capability and tuple(capability)
            found = GpuFacts(**found)
        return found, GpuReading(**first), problem

    return run


def test_a_gpu_is_described_and_read_by_its_uuid(ask):
    found, reading, problem = ask("GPU-0", CARD, FIGURES, "modes 0 1 0\n")
    card = ("Test card 0", "580.65.06", 4096, 16, (8, 6), 1530, 25.5)
    assert found == GpuFacts(*card, persistence=True, accounting=False)
    assert reading == ALL
    assert problem is None


def test_a_gpu_is_described_by_its_number_too(ask):
    found, _, _ = ask("0", CARD, FIGURES)
    assert found.sm_count == 16


def test_multiprocessors_of_an_architecture_that_we_do_not_know_are_unknown(ask):
    found, _, _ = ask("GPU-0", CARD, "card 0 2048 42 0 37 25500 1530 61\n")
    assert (found.sm_count, found.compute_capability) == (None, (42, 0))


MIG = "gpu 8 MIG-1 1073741824 0 0\nmig 8 0\nslice 8 14\ncard 8 0 8 0 0 0 0 0\n"


@pytest.mark.parametrize("gpu", ["MIG-1", "0"])
def test_a_mig_device_is_described_by_its_own_multiprocessors_and_its_position(ask, gpu):
    found, _, _ = ask(gpu, CARD, FIGURES, MIG)
    assert (found.name, found.sm_count, found.total_mib) == ("Test card 8", 14, 1024)


FIELDS = {
    "nvmlDeviceGetUtilizationRates": "utilisation",
    "nvmlDeviceGetPowerUsage": "power_w",
    "nvmlDeviceGetClockInfo": "sm_clock_mhz",
    "nvmlDeviceGetTemperature": "temperature_c",
}


@pytest.mark.parametrize(("function", "field"), FIELDS.items())
@pytest.mark.parametrize("code", [3, 4, 999])
def test_a_question_that_goes_unanswered_is_none_and_the_others_are_answered(
    ask, function, field, code
):
    _, reading, _ = ask("GPU-0", CARD, FIGURES, f"fails {function} 0 {code}\n")
    answers = {name: getattr(reading, name) for name in GpuReading.__slots__}
    assert answers.pop(field) is None
    assert None not in answers.values()


@pytest.mark.parametrize("code", [2, 3, 13, 25])
def test_an_older_driver_is_asked_for_memory_in_the_older_way(ask, code):
    _, reading, _ = ask("GPU-0", CARD, FIGURES, f"fails nvmlDeviceGetMemoryInfo_v2 0 {code}\n")
    assert reading.used_mib == 100 + 256


def test_a_gpu_that_is_lost_reads_as_nothing(ask):
    questions = (*FIELDS, "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo")
    lost = "".join(f"fails {function} 0 15\n" for function in questions)
    _, reading, _ = ask("GPU-0", CARD, FIGURES, lost)
    assert reading == GpuReading()


@pytest.mark.parametrize("lines", [[], ["fails nvmlInitWithFlags -1 9\n"], [CARD]])
def test_a_gpu_that_is_not_there_is_none_and_reads_as_nothing(ask, lines):
    found, reading, _ = ask("GPU-7", *lines)
    assert found is None
    assert reading == GpuReading()


def test_the_fake_replays_readings_and_stays_at_the_last():
    meter = FakeMeter(ALL, GpuReading())
    assert [meter.read() for _ in range(3)] == [ALL, GpuReading(), GpuReading()]


GAMMA = """
import json, sys, warnings
from nvinx.substrate import detect_substrate, warn_if_datacenter_with_nonzero_gamma
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for gamma in (None, 0.0, 0.75):
        warn_if_datacenter_with_nonzero_gamma(gamma)
found = detect_substrate()
print(json.dumps([found.substrate_class, found.sm_count, [str(w.message) for w in caught]]))
"""


@pytest.mark.parametrize(
    ("gb", "figures", "expected"),
    [(40, "6912 8 0", ["datacenter", 108, 1]), (4, "2048 8 6", ["mobile", 16, 0])],
)
def test_a_kernel_size_term_is_warned_of_on_a_large_card_only(
    tmp_path, library, gb, figures, expected
):
    state = tmp_path / "gpus.txt"
    state.write_text(f"gpu 0 GPU-0 {gb * 1024 * MIB} 0 0\ncard 0 {figures} 0 0 0 0\n")
    done = subprocess.run(
        [sys.executable, "-c", GAMMA],
        env={**os.environ, "LD_LIBRARY_PATH": str(library), "NVINX_FAKE_NVML": str(state)},
        capture_output=True,
        text=True,
        check=True,
    )
    kind, sms, texts = json.loads(done.stdout)
    assert [kind, sms, len(texts)] == expected
    assert all("gamma 0.75 on Test card 0" in text for text in texts)
