"""The most VRAM a job was seen to use, over all its processes, wherever they went."""

from builders import gpu_state

from nvinx.gpu.ports import GpuInventory, GpuProcess
from nvinx.leases.peaks import PeakWatch
from nvinx.testing import FakeLiveness


class Probe:
    """Shows what it is told."""

    def __init__(self):
        self.now = GpuInventory()

    def read(self):
        return self.now

    def show(self, *processes, problem=None):
        seen = gpu_state(id="g", processes=tuple(GpuProcess(*p) for p in processes))
        self.now = GpuInventory((seen,), problem)


class Quiet(PeakWatch):
    """Looks only when told."""

    def _run(self):
        self._wake.wait()


def watch():
    probe, liveness, lost = Probe(), FakeLiveness(), []
    liveness.processes = {1: ("a", 10), 2: ("a", 11), 3: ("b", 12), 9: (None, 13)}
    seen = Quiet(probe, liveness, lambda card, problem: lost.append((card, problem)))
    return probe, seen, lost


def test_a_jobs_processes_count_together_and_the_highest_moment_counts():
    probe, seen, _ = watch()
    seen.watch("a", ("g",))
    seen.watch("b", ("g",))
    for processes in ([(1, 100), (3, 50)], [(1, 300), (2, 200), (9, 999)], [(1, 400)]):
        probe.show(*processes)
        seen.sample()
    assert (seen.take("a"), seen.take("b")) == (500, 50)


def test_of_several_cards_the_one_counts_that_is_used_most():
    probe, seen, _ = watch()
    seen.watch("a", ("g", "h"))
    on_each = [(GpuProcess(1, 100), GpuProcess(2, 50)), (GpuProcess(1, 400),)]
    gpus = [gpu_state(n, id="gh"[n], processes=there) for n, there in enumerate(on_each)]
    probe.now = GpuInventory(tuple(gpus))
    seen.sample()
    assert seen.take("a") == 400


def test_what_was_never_seen_is_unknown():
    probe, seen, _ = watch()
    seen.watch("a", ("g",))
    probe.show((1, None))
    seen.sample()
    assert seen.take("a") is None
    assert seen.take("nobody") is None


def test_a_card_that_stays_away_is_told_once():
    probe, seen, lost = watch()
    seen.watch("a", ("g",))
    probe.now = GpuInventory((), "the GPU is lost")
    for _ in range(5):
        seen.sample()
    assert lost == [("g", "the GPU is lost")]
    seen.take("a")


def test_a_card_that_comes_back_in_time_is_not_lost():
    probe, seen, lost = watch()
    seen.watch("a", ("g",))
    for _ in range(4):
        probe.now = GpuInventory((), "busy")
        seen.sample()
        seen.sample()
        probe.show()
        seen.sample()
    assert lost == []
    seen.take("a")


def test_a_job_on_a_card_that_it_does_not_hold_is_told_once():
    probe, liveness, strays = Probe(), FakeLiveness(), []
    liveness.processes = {1: ("a", 10), 2: ("b", 11), 3: ("theirs", 12)}
    seen = Quiet(probe, liveness, astray=lambda token, index: strays.append((token, index)))
    seen.watch("a", ())
    seen.watch("b", ("g",))
    probe.show((1, 100), (2, None), (3, 50))
    seen.sample()
    seen.sample()

    assert strays == [("a", 0)]
