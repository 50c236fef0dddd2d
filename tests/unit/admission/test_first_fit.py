"""First come, first served: in whatever order the jobs are handed over."""

from builders import card, shared_job

from nvinx.admission.first_fit import VramFifo
from nvinx.admission.job import Waiting
from nvinx.admission.state import State
from nvinx.admission.step import admit
from nvinx.admission.waiting_queue import Queue
from nvinx.bench.capacity import Capacity


def test_who_came_first_is_asked_first():
    policy = VramFifo()
    waiting = [Waiting(shared_job("z", 3000), 5.0), Waiting(shared_job("y", 3000), 1.0)]
    state = State(Capacity((card(),), 4), Queue(waiting))
    _, decided = admit(state, 6.0, policy)
    assert [start.job_id for start in decided.starts] == ["y"]
    assert list(decided.waits) == ["z"]
