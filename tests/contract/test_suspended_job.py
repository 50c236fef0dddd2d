"""One job on its way off its card and back: what becomes of it, and what is told. Real processes."""

import os
import subprocess

import pytest
from builders import exclusive_job

from nvinx.admission.events import Reclaim
from nvinx.errors import SuspendError
from nvinx.jobs.preemption import Mode, Preemptible
from nvinx.leases import tokens
from nvinx.leases.suspendable import Suspendable
from nvinx.leases.suspended_job import Moved, SuspendedJob
from nvinx.leases.suspender import Suspender
from nvinx.testing import FakeCheckpoint

TOKEN = f"{tokens.new()}.1"  # signs of life are seen all over the machine
JOB = exclusive_job(TOKEN, preemptible=Preemptible(Mode.SUSPEND), kind="fold@1")
ASKED = Reclaim(TOKEN, "urgent", 1.0, 0.5, 4000)


class Setup:
    def __init__(self, folder):
        self.checkpoint, self.said = FakeCheckpoint(), []
        self.suspendable = Suspendable(self.checkpoint, folder)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["sleep", "600"], env={**os.environ, "NVINX_JOB": TOKEN})
        self.checkpoint = FakeCheckpoint([self.process.pid])
        return self.process.pid

    def job(self):
        suspender = Suspender(self.checkpoint)
        return SuspendedJob(JOB, suspender, self.suspendable, self.said.append)

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def setup(tmp_path):
    made = Setup(tmp_path)
    yield made
    made.end()


def test_it_leaves_and_comes_back_and_says_so(setup):
    setup.start()
    job = setup.job()
    assert job.leave(ASKED) is Moved.OFF_CARD
    assert job.come_back() is Moved.BACK
    assert [line.split(" ", 2)[2] for line in setup.said] == [
        "is off its card, which is free for urgent; it waits to go on",
        "has its card again, and goes on",
    ]


def test_one_that_has_ended_is_neither_moved_nor_told_of(setup):
    job = setup.job()
    job.is_over.set()
    assert job.leave(ASKED) is Moved.ENDED
    assert setup.said == []


def test_one_that_ends_while_it_is_suspended_has_not_failed(setup):
    setup.start()
    setup.checkpoint.refused.add("restore")
    job = setup.job()
    assert job.leave(ASKED) is Moved.OFF_CARD
    setup.end()
    assert job.come_back() in (Moved.BACK, Moved.ENDED)
    assert setup.suspendable.failed("fold@1") is None


@pytest.mark.parametrize(
    ("refused", "moved"), [("checkpoint", Moved.STAYED), ("restore", Moved.STUCK)]
)
def test_after_a_failure_no_other_job_of_its_kind_is_touched(setup, refused, moved):
    setup.start()
    setup.checkpoint.refused.add(refused)
    job = setup.job()
    found = job.leave(ASKED)
    assert (job.come_back() if found is Moved.OFF_CARD else found) is moved
    assert "no job of fold is suspended again" in setup.said[-1]
    setup.end()
    setup.start()
    assert setup.job().leave(ASKED) is Moved.STAYED
    assert setup.checkpoint.done == []
    assert "keeps its card, as suspending a job of fold failed" in setup.said[-1]


def test_one_that_was_not_touched_yet_runs_on_whatever_the_driver_says(setup):
    setup.start()

    def state(_pid):
        raise SuspendError("the driver has gone", "look for it")

    setup.checkpoint.state = state
    assert setup.job().leave(ASKED) is Moved.STAYED
    assert "(the driver has gone), so it keeps its card" in setup.said[-1]
