"""What a job writes goes where it would, and its ends are known once it has ended."""

import os
import select
import signal
import subprocess
import sys

import pytest
from waiting import GIVE_UP_S, eventually

from nvinx.host import proc
from nvinx.jobs.outcome import TAIL_BYTES
from nvinx.leases.markers import Markers
from snakemake_executor_plugin_nvinx import kept_output, output_keeper
from snakemake_executor_plugin_nvinx.kept_output import KeptOutput


@pytest.fixture
def output(monkeypatch):
    monkeypatch.setattr(kept_output, "_PATIENCE_S", GIVE_UP_S)
    output = KeptOutput()
    yield output
    output.close()


def start(output, token, script):
    """A job as the shell starts it: it opens its pipes by their names."""
    stdout, stderr = output.pipes(token)
    return subprocess.Popen(["bash", "-c", f"exec >>{stdout} 2>>{stderr}; {script}"])


def run(output, token, script):
    assert start(output, token, script).wait(GIVE_UP_S) == 0


def keeper(output):
    return output._keeper.pid


def test_as_many_bytes_are_kept_as_are_searched():
    assert output_keeper.ENDS == TAIL_BYTES


def test_the_ends_of_what_a_job_writes_are_kept_and_go_where_they_should(output, capfd):
    run(output, "a", "seq 100000; echo first >&2; echo second > /dev/stderr")
    stderr, stdout = output.ends("a")
    assert stderr == "first\nsecond\n"
    assert stdout.endswith("\n99999\n100000\n")
    assert len(stdout) == TAIL_BYTES
    shown = capfd.readouterr()
    assert shown.out == "".join(f"{n}\n" for n in range(1, 100_001))
    assert shown.err == "first\nsecond\n"


def test_jobs_that_run_at_once_are_kept_apart(output):
    jobs = [start(output, f"job-{n}", f"echo {n}; echo -{n} >&2") for n in range(8)]
    assert [job.wait(GIVE_UP_S) for job in jobs] == [0] * 8
    assert [output.ends(f"job-{n}") for n in range(8)] == [[f"-{n}\n", f"{n}\n"] for n in range(8)]


def test_members_of_a_group_write_to_the_same_place(output):
    run(output, "a", "echo one")
    run(output, "a", "echo two")
    assert output.ends("a") == ["", "one\ntwo\n"]


def test_a_job_that_wrote_nothing_and_one_that_is_not_known_have_no_words(output):
    assert output.ends("a") == []
    run(output, "a", ":")
    assert output.ends("a") == ["", ""]
    output.drop("a")
    assert output.ends("a") == []


def test_what_a_job_left_behind_may_write_on_and_keeps_nobody_waiting(output, tmp_path, capfd):
    os.mkfifo(tmp_path / "go")
    run(output, "a", f"echo early; (read < '{tmp_path}/go'; echo late) & disown")
    assert output.ends("a") == ["", "early\n"]
    output.drop("a")
    output.close()
    (tmp_path / "go").write_text("go\n")
    assert output._keeper.wait(GIVE_UP_S) == 0
    assert capfd.readouterr().out == "early\nlate\n"


def test_all_that_jobs_wrote_is_there_when_a_run_ends(output, capfd):
    run(output, "a", "seq 200000")
    output.close()
    assert capfd.readouterr().out.endswith("\n200000\n")
    assert not proc.runs(keeper(output))


def test_signals_of_the_keyboard_and_of_the_end_do_not_reach_it(output):
    run(output, "a", "echo one")
    output.ends("a")  # it has begun
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(keeper(output), number)
    run(output, "a", "echo two")
    assert output.ends("a") == ["", "one\ntwo\n"]
    assert os.getsid(keeper(output)) != os.getsid(0)


def test_jobs_outlive_the_run_that_started_them_with_all_that_they_write(tmp_path):
    """As after kill -9: whoever started the job is gone at once, and what it writes is shown."""
    program = f"""
import os, subprocess
from snakemake_executor_plugin_nvinx.kept_output import KeptOutput
stdout, stderr = KeptOutput().pipes("a")
subprocess.Popen(["bash", "-c", f"exec >>{{stdout}}; touch '{tmp_path}/up'; read < '{tmp_path}/go'; seq 100000"])
while not os.path.exists("{tmp_path}/up"): pass
os.kill(os.getpid(), 9)
"""
    os.mkfifo(tmp_path / "go")
    with (tmp_path / "shown").open("w") as shown:
        killed = subprocess.run([sys.executable, "-c", program], stdout=shown, check=False)
    assert killed.returncode == -signal.SIGKILL
    (tmp_path / "go").write_text("go\n")
    assert eventually(lambda: (tmp_path / "shown").read_text().endswith("\n100000\n"))


def test_jobs_outlive_a_run_that_died_before_it_had_read_an_answer(output, tmp_path, capfd):
    os.mkfifo(tmp_path / "go")
    job = start(output, "a", f"echo early; read < '{tmp_path}/go'; echo late")
    assert eventually(lambda: output.ends("a") == ["", "early\n"])
    output._asked("tell a")
    select.select([output._socket], [], [], GIVE_UP_S)  # answered
    output._leave()
    (tmp_path / "go").write_text("go\n")
    assert job.wait(GIVE_UP_S) == 0
    output.drop("a")
    assert output._keeper.wait(GIVE_UP_S) == 0
    assert capfd.readouterr().out == "early\nlate\n"


def test_where_no_process_can_be_started_nothing_stays_open(output, monkeypatch):
    def fail(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(subprocess, "Popen", fail)
    with pytest.raises(OSError, match="temporarily"):
        output.pipes("a")
    output.close()
    assert os.listdir("/proc/self/fd") == before


def test_where_nobody_reads_it_any_more_jobs_go_on():
    """As under `snakemake | head`."""
    program = """
import subprocess
from snakemake_executor_plugin_nvinx.kept_output import KeptOutput
output = KeptOutput()
stdout, stderr = output.pipes("a")
job = subprocess.run(["bash", "-c", f"exec >>{stdout}; seq 100000; exit 7"], stdout=subprocess.DEVNULL)
raise SystemExit(job.returncode if output.ends("a")[1].endswith("100000\\n") else "no words")
"""
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    running.stdout.close()
    assert running.wait(GIVE_UP_S) == 7


def test_after_its_death_the_next_job_gets_another(output):
    run(output, "a", "echo one")
    output.ends("a")
    os.kill(keeper(output), signal.SIGKILL)
    output._keeper.wait()
    assert not "".join(output.ends("a"))
    run(output, "b", "echo two")
    assert output.ends("b") == ["", "two\n"]


def test_one_that_does_not_answer_is_not_waited_for_for_ever(output, monkeypatch):
    monkeypatch.setattr(kept_output, "_PATIENCE_S", 0.2)
    run(output, "a", "echo one")
    first = output._keeper
    first.send_signal(signal.SIGSTOP)
    try:
        assert not "".join(output.ends("a"))
        run(output, "b", "echo two")
        assert output._keeper is not first
    finally:
        first.kill()
        first.wait()


def test_it_is_no_sign_of_life_of_any_job(output, monkeypatch):
    monkeypatch.setenv("NVINX_JOB", f"outer-{os.getpid()}.1")
    token = f"kept-{os.getpid()}.1"
    run(output, token, "echo one")
    output.ends(token)
    assert not Markers().pids({token, f"outer-{os.getpid()}.1"})
