"""Who carries a token is found whatever it does; each program is read once. Real processes."""

import os
import select
import shutil
import signal
import subprocess
import sys

import pytest
from msgspec.structs import replace
from waiting import eventually

from nvinx.host import proc
from nvinx.leases import tokens
from nvinx.leases.markers import Markers

TOKEN = f"{tokens.new()}.1"  # signs of life are seen all over the machine
# Waits for a line, then becomes another program that carries the token.
BECOMES = """
import os, sys
print("up", flush=True)
sys.stdin.readline()
os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(3600)"], {"NVINX_JOB": sys.argv[1]})
"""


@pytest.fixture
def start():
    started = []

    def begin(words, **options):
        popen = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )
        started.append(popen)
        assert popen.stdout.readline() == "up\n"
        return popen

    yield begin
    for popen in started:
        popen.kill()
        popen.communicate()


@pytest.mark.parametrize("drawn", [True, False])
def test_an_older_process_that_becomes_one_of_the_jobs_is_found(start, drawn):
    """Even where the kernel gives the new program the addresses of the old one."""
    if not drawn and shutil.which("setarch") is None:
        pytest.skip("there is no setarch here")
    before = [] if drawn else ["setarch", "--addr-no-randomize"]
    popen = start([*before, sys.executable, "-c", BECOMES, TOKEN])
    markers = Markers()
    assert markers.pids({TOKEN}) == {}
    popen.stdin.write("\n")
    popen.stdin.flush()
    assert eventually(lambda: markers.pids({TOKEN}) == {popen.pid: TOKEN})


def test_a_program_that_was_read_is_not_read_again(start, monkeypatch):
    popen = start([sys.executable, "-c", "print('up', flush=True); input()"])
    read = []
    monkeypatch.setattr(proc, "environment", lambda pid: read.append(pid) or b"")
    markers = Markers()
    for _ in range(3):
        markers.pids({TOKEN})
    assert read.count(popen.pid) == 1


def test_what_a_process_was_is_forgotten_with_it(start):
    popen = start([sys.executable, "-c", "print('up', flush=True); input()"])
    markers = Markers()
    markers.pids({TOKEN})
    assert popen.pid in markers._known
    popen.send_signal(signal.SIGKILL)
    popen.wait()
    markers.pids({TOKEN})
    assert popen.pid not in markers._known


def test_a_job_that_hands_over_from_child_to_child_never_looks_dead():
    """Each child starts the next and ends at once; somebody is always there until the last."""
    script = "import os, sys\nfor _ in range(300):\n    if os.fork():\n        os._exit(0)\n"
    first = subprocess.Popen(
        [sys.executable, "-c", f"{script}print('done', flush=True)"],
        env={**os.environ, "NVINX_JOB": TOKEN},
        stdout=subprocess.PIPE,
        text=True,
    )
    markers = Markers()
    while markers.pids({TOKEN}):
        pass
    ended, _, _ = select.select([first.stdout], [], [], 0)
    assert ended
    first.communicate()


def test_the_kernels_own_processes_are_looked_at_once_each(monkeypatch):
    kernels = {pid for pid in proc.pids() if (it := proc.program(pid)) and it.is_kernels}
    if not kernels:
        pytest.skip("the kernel's own processes are not seen here, as in a container")
    markers = Markers()
    markers.pids({TOKEN})
    looked = []
    program = proc.program
    monkeypatch.setattr(proc, "program", lambda pid: looked.append(pid) or program(pid))
    markers.pids({TOKEN})
    assert looked
    assert len(kernels & set(looked)) < len(kernels) / 2  # but for a few that are new


def test_a_pid_of_the_kernels_that_another_process_got_is_looked_at(start, monkeypatch):
    """The folder of another process has another inode."""
    popen = start(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        env={**os.environ, "NVINX_JOB": TOKEN},
    )
    program, entries = proc.program, proc.entries
    markers = Markers()
    monkeypatch.setattr(
        proc, "program", lambda pid: (it := program(pid)) and replace(it, is_kernels=True)
    )
    monkeypatch.setattr(proc, "entries", lambda: dict.fromkeys(entries(), 1))
    markers.pids({"another"})
    monkeypatch.undo()
    assert markers.pids({TOKEN}) == {popen.pid: TOKEN}


def test_a_program_whose_environment_is_still_being_laid_out_is_looked_at_again(start, monkeypatch):
    """Inside `execve` there is a moment with a command line and no environment."""
    popen = start(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        env={**os.environ, "NVINX_JOB": TOKEN},
    )
    program, environment, left = proc.program, proc.environment, [5]

    def half_laid_out(pid):
        found = program(pid)
        is_half = pid == popen.pid and left[0] > 0
        return replace(found, environment_end=found.environment) if is_half else found

    def nothing_yet(pid):
        if pid != popen.pid or left[0] == 0:
            return environment(pid)
        left[0] -= 1
        return b""

    monkeypatch.setattr(proc, "program", half_laid_out)
    monkeypatch.setattr(proc, "environment", nothing_yet)
    assert Markers().pids({TOKEN}) == {popen.pid: TOKEN}


def inside_execve(popen, monkeypatch, seconds):
    """The process is inside `execve`, without a command line, while others wait so long in all."""
    program, environment, command_line = proc.program, proc.environment, proc.command_line
    waited_s = [0.0]

    def pause(pause_s):
        waited_s[0] += pause_s

    def shown(read, nothing):
        def reads(pid):
            is_inside = pid == popen.pid and waited_s[0] < seconds
            return nothing(read(pid)) if is_inside else read(pid)

        return reads

    def without_addresses(found):
        return replace(found, arguments=b"0", environment=b"0", environment_end=b"0")

    monkeypatch.setattr(proc, "program", shown(program, without_addresses))
    monkeypatch.setattr(proc, "environment", shown(environment, lambda _: b""))
    monkeypatch.setattr(proc, "command_line", shown(command_line, lambda _: b""))
    monkeypatch.setattr("nvinx.leases.markers.time.sleep", pause)
    return waited_s


@pytest.mark.parametrize(("seconds", "is_found"), [(0.02, True), (0.5, True), (999.0, False)])
def test_a_process_that_lost_its_core_inside_execve_is_waited_for_but_not_for_ever(
    start, monkeypatch, seconds, is_found
):
    popen = start(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        env={**os.environ, "NVINX_JOB": TOKEN},
    )
    waited_s = inside_execve(popen, monkeypatch, seconds)
    assert Markers().pids({TOKEN}) == ({popen.pid: TOKEN} if is_found else {})
    assert waited_s[0] < 1.0


@pytest.mark.parametrize("variables", [{}, {"A": "1"}, {f"A{n}": "x" for n in range(9000)}])
def test_a_running_program_has_its_whole_environment(start, variables):
    popen = start([sys.executable, "-c", "print('up', flush=True); input()"], env=variables)
    program = proc.program(popen.pid)
    assert proc.has_whole_environment(popen.pid, program)
    assert (program.environment_end == program.environment) is (not variables)
