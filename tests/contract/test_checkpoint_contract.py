"""One suite, every Checkpoint: the fake, and the driver's calls on a stand-in for their package."""

import os
import platform
import subprocess
import sys

import pytest
from cuda_stand_in import MODULES, CudaStandIn

from nvinx.errors import StuckError, SuspendError
from nvinx.gpu.checkpoint import DriverCheckpoint
from nvinx.gpu.checkpoint_ports import CudaState
from nvinx.gpu.ports import GpuProcess, GpuState
from nvinx.leases import processes, tokens
from nvinx.leases import suspender as suspender_module
from nvinx.leases.suspender import Suspender
from nvinx.testing import FakeCheckpoint, FakeProbe

TOKEN = f"{tokens.new()}.1"  # signs of life are seen all over the machine


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """The package, imported anew from the stand-in."""
    made = CudaStandIn(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "cuda"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(MODULES))
    monkeypatch.setenv("STAND_IN_CUDA", str(tmp_path))
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "cuda"]:
        sys.modules.pop(name)


@pytest.fixture
def start():
    """A process of the job."""
    begun = []

    def begin():
        words = ["sleep", "600"]
        process = subprocess.Popen(words, env={**os.environ, "NVINX_JOB": TOKEN})
        begun.append(process)
        return process.pid

    yield begin
    for process in begun:
        process.kill()
        process.wait()


@pytest.fixture(params=["fake", "driver"])
def driver(request, stand_in):
    """A checkpoint, and how to have a process use the card, or a call refused."""
    if request.param == "fake":
        fake = FakeCheckpoint()
        yield (
            fake,
            lambda pid: fake.states.__setitem__(pid, CudaState.RUNNING),
            lambda *calls: setattr(fake, "refused", set(calls)),
        )
    else:
        yield (
            DriverCheckpoint(),
            lambda pid: (stand_in.folder / str(pid)).write_text("RUNNING 100"),
            lambda *calls: stand_in.let("refuses", *calls),
        )


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(") ")[2][0]


def test_a_process_goes_off_the_card_and_back_step_by_step(driver, start):
    checkpoint, use, _ = driver
    pid = start()
    assert checkpoint.problem() is None
    assert checkpoint.state(pid) is None
    use(pid)
    steps = [
        (checkpoint.lock, CudaState.LOCKED),
        (checkpoint.checkpoint, CudaState.CHECKPOINTED),
        (checkpoint.restore, CudaState.LOCKED),
        (checkpoint.unlock, CudaState.RUNNING),
    ]
    assert checkpoint.state(pid) is CudaState.RUNNING
    for call, after in steps:
        call(pid)
        assert checkpoint.state(pid) is after


def test_a_call_in_the_wrong_state_or_of_no_process_of_cuda_is_refused(driver, start):
    checkpoint, use, _ = driver
    pid = start()
    with pytest.raises(SuspendError):
        checkpoint.lock(pid)
    use(pid)
    for call in (checkpoint.checkpoint, checkpoint.restore, checkpoint.unlock):
        with pytest.raises(SuspendError):
            call(pid)
    assert checkpoint.state(pid) is CudaState.RUNNING


def test_all_processes_of_a_job_leave_the_card_stand_still_and_go_on(driver, start):
    checkpoint, use, _ = driver
    on_card, on_cpu = start(), start()
    use(on_card)
    suspender = Suspender(checkpoint)
    assert suspender.suspend(TOKEN) is None
    assert checkpoint.state(on_card) is CudaState.CHECKPOINTED
    assert [state(pid) for pid in (on_card, on_cpu)] == ["T", "T"]
    suspender.bring_back(TOKEN)
    assert checkpoint.state(on_card) is CudaState.RUNNING
    assert "T" not in [state(pid) for pid in (on_card, on_cpu)]


@pytest.mark.parametrize("call", ["lock", "checkpoint"])
def test_what_cannot_be_done_whole_is_undone(driver, start, call):
    checkpoint, use, refuse = driver
    pids = [start(), start()]
    for pid in pids:
        use(pid)
    refuse(call)
    with pytest.raises(SuspendError) as told:
        Suspender(checkpoint).suspend(TOKEN)
    assert not isinstance(told.value, StuckError)
    assert [checkpoint.state(pid) for pid in pids] == [CudaState.RUNNING] * 2
    assert "T" not in [state(pid) for pid in pids]


def test_one_that_cannot_come_back_is_told_from_one_that_never_left(driver, start):
    checkpoint, use, refuse = driver
    use(start())
    suspender = Suspender(checkpoint)
    suspender.suspend(TOKEN)
    refuse("restore")
    with pytest.raises(StuckError):
        suspender.bring_back(TOKEN)


def test_a_job_that_stands_still_ends_when_it_is_ended(driver, start):
    checkpoint, use, _ = driver
    use(start())
    Suspender(checkpoint).suspend(TOKEN)
    assert processes.end([TOKEN], grace_s=10) == 0


def seen(*of_processes):
    """A card that shows these processes with so many MiB, as long as they are not off it."""
    shown = tuple(GpuProcess(*one) for one in of_processes)
    return FakeProbe(GpuState("gpu-0", 0, "card", 4000, 1000, shown))


class ShownBy(FakeCheckpoint):
    """Frees on a card what it moves off."""

    def __init__(self, probe, pids):
        super().__init__(pids)
        self.probe = probe

    def checkpoint(self, pid):
        super().checkpoint(pid)
        self.probe.end(pid)


def test_it_tells_what_the_job_used_of_its_card(start):
    pids = [start(), start()]
    probe = seen((pids[0], 300), (pids[1], 400), (1, 50))
    assert Suspender(ShownBy(probe, pids), probe).suspend(TOKEN) == 700
    processes.go_on([TOKEN])
    unknown = seen((pids[0], 300), (pids[1], None))
    assert Suspender(ShownBy(unknown, pids), unknown).suspend(TOKEN) is None


def test_one_whose_memory_the_card_still_shows_has_not_left_it(start, monkeypatch):
    monkeypatch.setattr(suspender_module, "_SHOWN_WITHIN_S", 0.0)
    pid = start()
    checkpoint = FakeCheckpoint([pid])
    with pytest.raises(SuspendError, match="the card still shows what it had there"):
        Suspender(checkpoint, seen((pid, 300))).suspend(TOKEN)
    assert checkpoint.state(pid) is CudaState.RUNNING
    assert state(pid) != "T"


def test_one_that_uses_the_card_behind_the_driver_s_back_is_left_alone(start):
    pid = start()
    checkpoint = FakeCheckpoint()
    with pytest.raises(SuspendError, match=f"process {pid} uses the card in a way"):
        Suspender(checkpoint, seen((pid, 300))).suspend(TOKEN)
    assert checkpoint.done == []
    assert state(pid) != "T"


def test_every_reason_why_a_machine_cannot_is_told_in_words(stand_in, monkeypatch):
    stand_in.let("version", "12070")
    problem = DriverCheckpoint().problem()
    assert "the NVIDIA driver is too old to suspend (CUDA 12.7, needs 12.8)" in problem.problem
    assert problem.fix.startswith("update the driver to 570 or later")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "only x86-64 Linux can suspend, this is aarch64" in str(DriverCheckpoint().problem())


def test_a_package_that_is_not_there_or_older_than_the_calls_names_the_extra(stand_in, monkeypatch):
    from cuda.bindings import driver as package

    monkeypatch.delattr(package, "cuCheckpointProcessLock")
    assert "too old to suspend" in DriverCheckpoint().problem().problem
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    problem = DriverCheckpoint().problem()
    assert "needs the package cuda-bindings" in problem.problem
    assert "snakemake-executor-plugin-nvinx[suspend]" in problem.fix


def test_a_machine_without_a_driver_is_told(stand_in, monkeypatch):
    from cuda.bindings import driver as package

    def fails():
        raise RuntimeError('Function "cuDriverGetVersion" not found\nand more')

    monkeypatch.setattr(package, "cuDriverGetVersion", fails)
    problem = DriverCheckpoint().problem()
    assert problem.problem.endswith('cannot suspend (Function "cuDriverGetVersion" not found)')


def test_managed_memory_and_shared_memory_are_refused_in_words(stand_in, start):
    pid = start()
    (stand_in.folder / str(pid)).write_text("RUNNING 100")
    stand_in.let("refuses", "checkpoint")
    with pytest.raises(SuspendError, match=r"managed memory \(UVM\).*\(CUDA IPC\)"):
        Suspender(DriverCheckpoint()).suspend(TOKEN)
