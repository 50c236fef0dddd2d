"""What every GpuProbe promises, tried on the shipped fake and on NVML over a library of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from fake_library import build
from waiting import GIVE_UP_S

import nvinx
from nvinx.gpu.meter import NvmlMeter
from nvinx.gpu.ports import GpuInventory, GpuMeter, GpuProcess, GpuReading, GpuState
from nvinx.testing import FakeMeter, FakeProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1024 * 1024
CARD_MIB, RESERVED_MIB = 4096, 256
USABLE_MIB = CARD_MIB - RESERVED_MIB
LOOKER = """
import json, sys
from msgspec import to_builtins
from nvinx.gpu.nvml import NvmlProbe
probe = NvmlProbe()
for _ in sys.stdin:
    print(json.dumps(to_builtins(probe.read())), flush=True)
"""

SHARED = """
from nvinx.gpu.meter import NvmlMeter, facts
from nvinx.gpu.nvml import NvmlProbe
import pynvml
probe, first, second = NvmlProbe(), NvmlMeter("GPU-0"), NvmlMeter("GPU-0")
works = [bool(probe.read().gpus), first.read().used_mib, second.read().used_mib]
second.close()
works += [facts("GPU-0").name, first.read().used_mib, bool(probe.read().gpus)]
first.close()
first.close()
works += [facts("GPU-7"), NvmlMeter("GPU-7").read().used_mib, pynvml.nvmlDeviceGetCount()]
pynvml.nvmlShutdown()  # what the probe holds
try:
    pynvml.nvmlDeviceGetCount()
except pynvml.NVMLError_Uninitialized:
    print(works)
"""


class Stage(Protocol):
    """GPUs that a test sets up, and a probe that looks at them."""

    def gpu(self, index: int, used_mib: int = 0) -> None: ...
    def process(self, index: int, pid: int, used_mib: int | None) -> None: ...
    def lose(self, index: int) -> None: ...
    def fail(self) -> None: ...
    def recover(self) -> None: ...
    def read(self) -> GpuInventory: ...


class FakeStage:
    def __init__(self) -> None:
        self.probe = FakeProbe()

    def gpu(self, index: int, used_mib: int = 0) -> None:
        name = f"Test card {index}"
        self.probe.plug(GpuState(f"GPU-{index}", index, name, USABLE_MIB, used_mib))

    def process(self, index: int, pid: int, used_mib: int | None) -> None:
        self.probe.use(f"GPU-{index}", pid, used_mib)

    def lose(self, index: int) -> None:
        self.probe.lose(f"GPU-{index}")

    def fail(self) -> None:
        self.probe.fail("the driver is not loaded. Fix: load it")

    def recover(self) -> None:
        self.probe.fail(None)

    def read(self) -> GpuInventory:
        return self.probe.read()


class NvmlStage:
    """The real probe in a process of its own, which finds our library and no other."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.file = folder / "gpus.txt"
        self.lines: list[str] = []
        paths = (str(Path(nvinx.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
        self.environ = {
            **os.environ,
            "LD_LIBRARY_PATH": str(library),
            "NVINX_FAKE_NVML": str(self.file),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        self.looker = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", LOOKER],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.write()

    def write(self, *lines: str) -> None:
        self.lines += lines
        self.file.write_text("".join(f"{line}\n" for line in self.lines), encoding="ascii")

    def gpu(self, index: int, used_mib: int = 0) -> None:
        sizes = f"{CARD_MIB * MIB} {RESERVED_MIB * MIB} {used_mib * MIB}"
        self.write(f"gpu {index} GPU-{index} {sizes}")

    def process(self, index: int, pid: int, used_mib: int | None) -> None:
        used = -1 if used_mib is None else used_mib * MIB
        self.write(f"proc {index} {pid} {used} C")

    def lose(self, index: int) -> None:
        self.write(f"fails nvmlDeviceGetHandleByIndex_v2 {index} 15")

    def fail(self) -> None:
        self.file.unlink()

    def recover(self) -> None:
        self.write()

    def read(self) -> GpuInventory:
        assert self.looker.stdin is not None
        assert self.looker.stdout is not None
        self.looker.stdin.write("\n")
        self.looker.stdin.flush()
        plain = json.loads(self.looker.stdout.readline())
        return GpuInventory(tuple(_sight(gpu) for gpu in plain["gpus"]), plain["problem"])

    def close(self) -> None:
        self.looker.communicate(timeout=GIVE_UP_S)


def _sight(plain: dict[str, Any]) -> GpuState:
    return GpuState(**{**plain, "processes": tuple(GpuProcess(**p) for p in plain["processes"])})


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("old_nvml"), "-DOLD_DRIVER")


@pytest.fixture
def nvml(tmp_path: Path, library: Path) -> Iterator[NvmlStage]:
    stage = NvmlStage(tmp_path, library)
    yield stage
    stage.close()


@pytest.fixture
def old_nvml(tmp_path: Path, old_library: Path) -> Iterator[NvmlStage]:
    stage = NvmlStage(tmp_path, old_library)
    yield stage
    stage.close()


@pytest.fixture(params=["fake", "nvml"])
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = FakeStage() if request.param == "fake" else request.getfixturevalue("nvml")
    return found


# what both promise


def test_every_gpu_is_shown_with_its_usable_memory(stage: Stage) -> None:
    stage.gpu(0)
    stage.gpu(1, used_mib=100)
    assert stage.read() == GpuInventory(
        (
            GpuState("GPU-0", 0, "Test card 0", USABLE_MIB, 0),
            GpuState("GPU-1", 1, "Test card 1", USABLE_MIB, 100),
        )
    )


def test_a_machine_without_a_gpu_says_why(stage: Stage) -> None:
    inventory = stage.read()
    assert inventory.gpus == ()
    assert "Fix:" in (inventory.problem or "")


def test_a_process_is_shown_with_what_it_uses(stage: Stage) -> None:
    stage.gpu(0, used_mib=10)
    stage.process(0, 4242, 500)
    (gpu,) = stage.read().gpus
    assert gpu.processes == (GpuProcess(4242, 500),)
    assert gpu.used_mib == 510


def test_memory_that_the_driver_hides_is_unknown_and_not_nothing(stage: Stage) -> None:
    stage.gpu(0)
    stage.process(0, 4242, None)
    (gpu,) = stage.read().gpus
    assert gpu.processes == (GpuProcess(4242, None),)


def test_a_process_belongs_to_the_gpu_that_it_uses(stage: Stage) -> None:
    stage.gpu(0)
    stage.gpu(1)
    stage.process(1, 4242, 5)
    first, second = stage.read().gpus
    assert first.processes == ()
    assert [p.pid for p in second.processes] == [4242]


def test_a_lost_gpu_is_left_out_and_the_others_keep_their_place(stage: Stage) -> None:
    for index in range(3):
        stage.gpu(index)
    stage.lose(1)
    inventory = stage.read()
    assert [(gpu.id, gpu.index) for gpu in inventory.gpus] == [("GPU-0", 0), ("GPU-2", 2)]
    assert "GPU 1" in (inventory.problem or "")
    assert "lost" in (inventory.problem or "")


def test_a_failing_driver_is_a_problem_and_not_an_exception(stage: Stage) -> None:
    stage.gpu(0)
    stage.fail()
    inventory = stage.read()
    assert inventory.gpus == ()
    assert "not loaded. Fix:" in (inventory.problem or "")


def test_a_driver_that_recovers_is_seen_at_the_next_look(stage: Stage) -> None:
    stage.gpu(0)
    before = stage.read()
    stage.fail()
    assert stage.read().problem
    stage.recover()
    assert stage.read() == before


def test_each_look_is_new(stage: Stage) -> None:
    stage.gpu(0)
    stage.read()
    stage.process(0, 7, 30)
    assert stage.read().gpus[0].used_mib == 30


# the fake alone


def test_a_process_that_ends_gives_its_memory_back_to_the_fake() -> None:
    stage = FakeStage()
    stage.gpu(0, used_mib=10)
    before = stage.read()
    stage.process(0, 7, 30)
    stage.process(0, 7, 50)
    assert stage.read().gpus[0].used_mib == 60
    stage.probe.end(7)
    assert stage.read() == before


def test_a_lost_gpu_can_be_found_again_by_the_fake() -> None:
    stage = FakeStage()
    stage.gpu(0)
    stage.lose(0)
    stage.probe.find("GPU-0")
    assert stage.read().problem is None


# NVML alone

FAILURES = {
    3: ("does not support this query", "update the driver"),
    4: ("not allowed", "/dev/nvidia"),
    9: ("not loaded", "modprobe"),
    12: ("not found", "install the NVIDIA driver"),
    13: ("too old", "update the driver"),
    15: ("lost", "reset it"),
    18: ("updated", "reboot"),
    27: ("a failure that has no name", "nvidia-smi"),
    999: ("Unknown Error", "nvidia-smi"),
}


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2"])
@pytest.mark.parametrize("code", FAILURES)
def test_a_driver_that_fails_as_a_whole_says_what_to_do(
    nvml: NvmlStage, function: str, code: int
) -> None:
    problem, fix = FAILURES[code]
    nvml.gpu(0)
    nvml.write(f"fails {function} -1 {code}")
    inventory = nvml.read()
    assert inventory.gpus == ()
    assert problem in (inventory.problem or "")
    assert fix in (inventory.problem or "").partition("Fix: ")[2]


@pytest.mark.parametrize(
    "function", ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetMigMode"]
)
@pytest.mark.parametrize("code", [4, 15, 999])
def test_a_gpu_that_fails_is_left_out_and_says_why(
    nvml: NvmlStage, function: str, code: int
) -> None:
    nvml.gpu(0)
    nvml.gpu(1)
    nvml.write(f"fails {function} 0 {code}")
    inventory = nvml.read()
    assert [gpu.id for gpu in inventory.gpus] == ["GPU-1"]
    assert inventory.problem is not None
    assert inventory.problem.startswith("GPU 0: ")
    assert FAILURES[code][0] in inventory.problem


def test_a_gpu_that_has_no_memory_of_its_own_to_report_is_left_out(nvml: NvmlStage) -> None:
    nvml.gpu(0)
    nvml.write("fails nvmlDeviceGetMemoryInfo_v2 0 3", "fails nvmlDeviceGetMemoryInfo 0 3")
    inventory = nvml.read()
    assert inventory.gpus == ()
    assert "does not support" in (inventory.problem or "")


def test_a_library_that_is_no_library_is_told_with_the_loaders_words(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_text("this is not a library", encoding="ascii")
    stage = NvmlStage(tmp_path, tmp_path)
    inventory = stage.read()
    stage.close()
    assert inventory.gpus == ()
    assert "libnvidia-ml.so.1: file too short). Fix: install" in (inventory.problem or "")


def test_a_process_that_computes_and_draws_is_one_process(nvml: NvmlStage) -> None:
    nvml.gpu(0)
    nvml.write(f"proc 0 7 {30 * MIB} CG", f"proc 0 8 {5 * MIB} G")
    assert nvml.read().gpus[0].processes == (GpuProcess(7, 30), GpuProcess(8, 5))


def test_what_is_used_rounds_up_and_what_there_is_rounds_down(nvml: NvmlStage) -> None:
    nvml.write(f"gpu 0 GPU-0 {4 * MIB - 1} 0 {MIB + 1}", f"proc 0 7 {MIB // 2} C")
    (gpu,) = nvml.read().gpus
    assert (gpu.total_mib, gpu.used_mib, gpu.processes[0].used_mib) == (3, 2, 1)


@pytest.mark.parametrize("code", [2, 3, 13, 25])
def test_the_older_memory_question_is_asked_when_the_newer_fails(
    nvml: NvmlStage, code: int
) -> None:
    nvml.gpu(0, used_mib=100)
    nvml.write(f"fails nvmlDeviceGetMemoryInfo_v2 0 {code}")
    (gpu,) = nvml.read().gpus
    assert (gpu.total_mib, gpu.used_mib) == (CARD_MIB, 100 + RESERVED_MIB)


def test_a_driver_that_lacks_newer_functions_still_shows_its_gpus(old_nvml: NvmlStage) -> None:
    old_nvml.gpu(0)
    old_nvml.process(0, 7, 30)
    inventory = old_nvml.read()
    assert inventory.problem is None
    assert inventory.gpus[0].total_mib == CARD_MIB
    assert inventory.gpus[0].processes == (GpuProcess(7, 30),)


def test_use_is_unknown_on_a_gpu_that_does_not_list_its_processes(nvml: NvmlStage) -> None:
    nvml.gpu(0, used_mib=100)
    for version in ("v2", "v3"):
        nvml.write(f"fails nvmlDeviceGetComputeRunningProcesses_{version} 0 3")
    inventory = nvml.read()
    assert inventory.gpus[0].used_mib is None
    assert "does not list its processes" in (inventory.problem or "")


def test_a_driver_is_opened_once_and_again_after_a_failure(nvml: NvmlStage) -> None:
    nvml.gpu(0)
    assert nvml.read().gpus
    working = list(nvml.lines)
    nvml.write("fails nvmlInitWithFlags -1 9")
    assert nvml.read().gpus, "an open driver is not opened again"
    nvml.write("fails nvmlDeviceGetCount_v2 -1 999", "fails nvmlShutdown -1 999")
    assert "Unknown Error" in (nvml.read().problem or "")
    assert "not loaded" in (nvml.read().problem or ""), "after a failure it is opened again"
    nvml.lines = working
    nvml.write()
    assert nvml.read().gpus


def test_each_mig_device_is_a_card_of_its_own(nvml: NvmlStage) -> None:
    nvml.gpu(0)
    nvml.gpu(1)
    for device, number in ((8, 1), (9, 2)):
        nvml.write(f"gpu {device} MIG-{number} {1024 * MIB} 0 0", f"mig {device} 0")
    nvml.write(f"proc 9 7 {30 * MIB} C", "fails nvmlDeviceGetGraphicsRunningProcesses_v3 9 3")
    inventory = nvml.read()
    assert inventory.problem is None
    assert [(gpu.id, gpu.index) for gpu in inventory.gpus] == [
        ("MIG-1", 0),
        ("MIG-2", 1),
        ("GPU-1", 2),
    ]
    assert [gpu.total_mib for gpu in inventory.gpus] == [1024, 1024, USABLE_MIB]
    assert inventory.gpus[1].processes == (GpuProcess(7, 30),)


def test_mig_mode_without_a_mig_device_says_what_to_do(nvml: NvmlStage) -> None:
    nvml.gpu(0)
    nvml.write("migmode 0")
    inventory = nvml.read()
    assert inventory.gpus == ()
    assert "no MIG device. Fix:" in (inventory.problem or "")


# meters


@pytest.mark.parametrize("make", [FakeMeter, lambda: NvmlMeter("GPU-that-is-not-here")])
def test_a_meter_that_knows_nothing_says_so_each_time(make: Callable[[], GpuMeter]) -> None:
    meter = make()
    assert [meter.read(), meter.read()] == [GpuReading(), GpuReading()]


def test_threads_that_share_a_fake_meter_get_each_reading_once() -> None:
    readings = [GpuReading(used_mib=number) for number in range(20_000)]
    meter = FakeMeter(*readings)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            seen = list(threads.map(lambda _: meter.read().used_mib, readings))
    finally:
        sys.setswitchinterval(before)
    assert sorted(seen) == list(range(20_000))


def test_a_driver_stays_open_until_the_last_of_probe_and_meters_lets_it_go(nvml: NvmlStage) -> None:
    nvml.gpu(0, used_mib=100)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SHARED], env=nvml.environ, stdout=-1, check=True
    )
    assert done.stdout.decode() == "[True, 100, 100, 'Test card 0', 100, True, None, None, 1]\n"
