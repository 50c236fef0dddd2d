"""When a job is ended, all of it ends, and whoever waits for it learns how. Real processes."""

import os
import subprocess
import time

import pytest

from nvinx.leases import processes, tokens

TOKEN = f"{tokens.new()}.1"  # signs of life are seen all over the machine


@pytest.fixture
def start():
    started = []

    def begin(script):
        env = {**os.environ, "NVINX_JOB": TOKEN}
        proc = subprocess.Popen(["bash", "-c", script], env=env, stdout=subprocess.PIPE, text=True)
        started.append(proc)
        assert proc.stdout.readline() == "up\n"
        return proc

    yield begin
    processes.end([TOKEN], grace_s=0)
    for proc in started:
        proc.wait()
        proc.stdout.close()


def test_a_job_that_obeys_is_not_killed_and_its_parent_learns_of_the_signal(start):
    proc = start("trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done")

    assert processes.end([TOKEN], grace_s=10) == 0
    assert proc.wait() == 7


def test_a_job_that_ignores_the_signal_is_killed_after_its_grace(start):
    proc = start("trap '' TERM; echo up; while :; do sleep 0.05; done")

    assert processes.end([TOKEN], grace_s=0.3) >= 1
    assert proc.wait() == -9


def test_nobody_has_time_to_act_on_the_end_of_another_of_the_job(start, tmp_path):
    child = "(trap '' TERM; exec sleep 600) &"
    proc = start(f"trap '' TERM; {child * 20} echo up; wait -n; touch '{tmp_path}/seen'; wait")

    processes.end([TOKEN], grace_s=0.3)
    proc.wait()
    assert not (tmp_path / "seen").exists()


def test_what_a_job_starts_while_it_is_ended_ends_too(start):
    child = "(for n in {1..100}; do sleep 0.1; done) &"
    proc = start(f"trap '' TERM; echo up; while :; do {child} sleep 0.02; done")

    processes.end([TOKEN], grace_s=0.5)
    proc.wait()
    time.sleep(0.2)
    assert not processes.are_there([TOKEN])


def test_children_that_went_elsewhere_end_too(start):
    proc = start("env -i sleep 600 & (setsid sleep 600 &) ; echo up; wait")

    processes.end([TOKEN], grace_s=5)
    assert proc.wait() != 0
    assert processes.end([TOKEN], grace_s=0) == 0


def test_a_job_of_another_token_is_left_alone(start):
    proc = start("echo up; sleep 600")

    assert processes.end(["engine-9.11", "engine-9"], grace_s=0) == 0
    assert proc.poll() is None


def test_ending_what_has_ended_is_nothing():
    assert processes.end(["engine-9.404"], grace_s=0) == 0
