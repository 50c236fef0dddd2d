"""A queue of waiting jobs in the order in which they are asked."""

import random

from builders import cpu_job, shared_job

from nvinx.admission.job import Waiting
from nvinx.admission.waiting_queue import Queue


def test_some_of_the_jobs_come_in_the_order_of_the_queue():
    draw = random.Random(1)
    jobs = [(shared_job if n % 3 else cpu_job)(str(n)) for n in range(60)]
    queue = Queue(Waiting(job, draw.random()) for job in jobs)
    some = {job.id for job in jobs if draw.random() < 0.5}

    assert queue.in_order(some) == [job_id for job_id in queue if job_id in some]


def test_jobs_that_have_left_the_queue_are_left_out_of_its_order():
    queue = Queue([Waiting(shared_job("a", 100), 0.0), Waiting(shared_job("b", 100), 1.0)])

    assert queue.minus({"a"}).in_order(["b", "a"]) == ["b"]
