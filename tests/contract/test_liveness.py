"""A lease lives while anything of its job does, and not a moment longer. Real processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from waiting import GIVE_UP_S, eventually

from nvinx.host import proc as processes
from nvinx.leases import tokens
from nvinx.leases.liveness import ProcessLiveness

ENGINE = tokens.new()  # signs of life are seen all over the machine
TOKEN, OTHER = f"{ENGINE}.7", f"{ENGINE}.8"


@pytest.fixture
def liveness(tmp_path):
    """One whose locks end with the test: an open one counts, also where its file is gone."""
    lives = ProcessLiveness(tmp_path / "life")
    yield lives
    lives.retire(TOKEN)


@pytest.fixture
def child():
    started = []

    def start(args, **kwargs):
        proc = subprocess.Popen(
            args, stdout=subprocess.PIPE, text=True, start_new_session=True, **kwargs
        )
        started.append(proc)
        return proc

    yield start
    for proc in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(proc.pid, signal.SIGKILL)
        proc.wait()
        proc.stdout.close()


def test_a_token_lives_from_begin_to_end(liveness):
    assert liveness.alive([TOKEN]) == set()
    liveness.announce(TOKEN)
    assert liveness.alive([TOKEN, OTHER]) == {TOKEN}
    liveness.retire(TOKEN)
    assert liveness.alive([TOKEN]) == set()
    assert not liveness.file(TOKEN).exists()


def test_a_shell_that_inherited_the_lock_keeps_the_token_alive(liveness, child):
    liveness.announce(TOKEN)
    proc = child(
        ["bash", "-c", f"exec 243<>'{liveness.file(TOKEN)}'; flock -s 243; echo up; sleep 3600; :"]
    )
    assert proc.stdout.readline() == "up\n"
    liveness.retire(TOKEN)

    assert liveness.alive([TOKEN]) == {TOKEN}
    os.killpg(proc.pid, signal.SIGKILL)
    assert eventually(lambda: not liveness.alive([TOKEN]))


def test_a_double_forked_child_keeps_the_token_alive(liveness, child):
    script = (
        f"exec 243<>'{liveness.file(TOKEN)}'; flock -s 243; (setsid sleep 3600 & echo $!); exit 0"
    )
    liveness.announce(TOKEN)
    proc = child(["bash", "-c", script])
    orphan = int(proc.stdout.readline())
    proc.wait()
    liveness.retire(TOKEN)

    assert liveness.alive([TOKEN]) == {TOKEN}
    os.kill(orphan, signal.SIGKILL)
    assert eventually(lambda: not liveness.alive([TOKEN]))


def test_a_child_that_closed_the_lock_is_found_by_its_marker(liveness, child):
    env = {**os.environ, "NVINX_JOB": TOKEN}
    proc = child(
        [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(3600)"], env=env
    )
    assert proc.stdout.readline() == "up\n"

    assert liveness.alive([TOKEN]) == {TOKEN}
    assert liveness.alive([f"{TOKEN}0", ENGINE]) == set()
    os.killpg(proc.pid, signal.SIGKILL)
    proc.wait()
    assert eventually(lambda: not liveness.alive([TOKEN]))


def test_a_starter_that_was_killed_leaves_no_life_behind(liveness, child, tmp_path):
    code = f"""
from pathlib import Path
from nvinx.host import proc as processes
from nvinx.leases import tokens
from nvinx.leases.liveness import ProcessLiveness
ProcessLiveness(Path({str(tmp_path / "life")!r})).announce({TOKEN!r})
print("up", flush=True)
import time; time.sleep(3600)
"""
    proc = child([sys.executable, "-c", code])
    assert proc.stdout.readline() == "up\n"
    assert liveness.alive([TOKEN]) == {TOKEN}
    os.killpg(proc.pid, signal.SIGKILL)
    proc.wait()
    assert eventually(lambda: not liveness.alive([TOKEN]))


def test_a_process_is_known_by_its_own_marker_or_an_ancestors(liveness, child):
    env = {**os.environ, "NVINX_JOB": TOKEN}
    proc = child(["bash", "-c", "env -i sleep 3600 & echo $!; wait"], env=env)
    grandchild = int(proc.stdout.readline())

    assert liveness.owners([grandchild, os.getpid()]) == {grandchild: TOKEN}


def test_a_notice_reaches_whoever_listens_for_the_token_and_nobody_else(liveness, tmp_path):
    other = ProcessLiveness(tmp_path / "life")
    for one, token in ((liveness, TOKEN), (other, OTHER)):
        one.announce(token)
        one.listen(token)
    other.notify(TOKEN)
    other.notify(TOKEN)
    assert liveness.await_notice(TOKEN, 0)
    assert not liveness.await_notice(TOKEN, 0)
    assert not other.await_notice(OTHER, 0)
    other.notify("nobody")
    assert not liveness.await_notice("nobody", 0)
    liveness.retire(TOKEN)
    left = {path.name for path in (tmp_path / "life").iterdir()}
    assert left == {f"{OTHER}.lock", f"{OTHER}.notice"}
    other.retire(OTHER)


def test_waiting_for_a_notice_ends_when_there_is_something_else_to_do(liveness):
    wake = os.eventfd(1)
    liveness.announce(TOKEN)
    liveness.listen(TOKEN)
    assert not liveness.await_notice(TOKEN, GIVE_UP_S, wake)
    os.close(wake)


def test_a_notice_is_never_written_into_what_is_no_pipe(liveness, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "life" / f"{TOKEN}.notice").symlink_to(mine)
    (tmp_path / "life" / "plain.notice").write_text("plain")
    liveness.notify(TOKEN)
    liveness.notify("plain")
    assert mine.read_text() == "mine"
    liveness.listen(TOKEN)
    assert not liveness.await_notice(TOKEN, 0)


def test_a_killed_listeners_pipe_is_swept_away(liveness, tmp_path, child):
    code = f"""
import time; from pathlib import Path
from nvinx.leases.liveness import ProcessLiveness
life = ProcessLiveness(Path({str(tmp_path / "life")!r}))
life.announce({TOKEN!r}); life.listen({TOKEN!r})
print("up", flush=True); time.sleep(3600)
"""
    proc = child([sys.executable, "-c", code])
    assert proc.stdout.readline() == "up\n"
    assert (tmp_path / "life" / f"{TOKEN}.notice").exists()
    proc.kill()
    proc.wait()
    liveness.notify(TOKEN)
    liveness.sweep()
    assert list((tmp_path / "life").iterdir()) == []


def test_a_start_time_tells_a_process_from_its_pid(liveness):
    assert liveness.started(os.getpid()) == liveness.started(os.getpid())
    assert liveness.started(2**22 + 1) is None


def test_a_token_that_only_this_process_shows_is_not_outlived_and_lives_on(liveness):
    liveness.announce(TOKEN)
    assert not liveness.outlived(TOKEN)
    assert liveness.alive([TOKEN]) == {TOKEN}


def test_a_token_is_outlived_by_a_shell_that_has_the_lock_and_by_a_marked_child(liveness, child):
    liveness.announce(TOKEN)
    shell = child(
        ["bash", "-c", f"exec 243<>'{liveness.file(TOKEN)}'; flock -s 243; echo up; sleep 3600; :"]
    )
    assert shell.stdout.readline() == "up\n"
    assert liveness.outlived(TOKEN)
    os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
    # Its child, killed too, may take a moment to be gone.
    assert eventually(lambda: not liveness.outlived(TOKEN))

    marked = child(["sh", "-c", "echo up; sleep 3600"], env={**os.environ, "NVINX_JOB": TOKEN})
    assert marked.stdout.readline() == "up\n"
    assert liveness.outlived(TOKEN)


HOPPER = """
import os, sys, time
os.closerange(3, 1024)
how, over = sys.argv[1:]
while not os.path.exists(over):
    if how == "exec":
        time.sleep(0.002)
        os.execve(sys.executable, [sys.executable, "-SE", "-c", os.environ["CODE"], how, over], os.environ)
    if os.fork():
        os._exit(0)
    time.sleep(0.003)
"""


@pytest.mark.parametrize("how", ["fork", "exec"])
def test_a_token_lives_while_its_only_process_turns_into_another(liveness, child, tmp_path, how):
    """One that closed the lock, and forks and ends, or becomes another program, meanwhile."""
    over = tmp_path / "over"
    env = {**os.environ, "NVINX_JOB": TOKEN, "CODE": HOPPER}
    child([sys.executable, "-SE", "-c", HOPPER, how, over], env=env)
    time.sleep(0.3)
    end = time.monotonic() + 2
    looks = [liveness.alive([TOKEN]) for _ in iter(lambda: time.monotonic() < end, False)]
    assert looks.count(set()) == 0, f"dead in {looks.count(set())} of {len(looks)} looks"
    over.touch()
    assert eventually(lambda: not liveness.alive([TOKEN]))


def test_a_sweep_lists_the_processes_a_few_times_however_many_files_there_are(
    liveness, child, monkeypatch
):
    carrier = child(["sleep", "3600"], env={**os.environ, "NVINX_JOB": TOKEN})
    dead = [f"{tokens.new()}.1" for _ in range(450)]
    liveness.announce(OTHER)
    for token in (*dead, TOKEN):
        liveness.file(token).touch()
    lists = []
    listed = processes.entries
    monkeypatch.setattr(processes, "entries", lambda: lists.append("/proc") or listed())
    assert eventually(lambda: liveness.alive({TOKEN}))
    lists.clear()
    liveness.sweep()
    left = {path.name for path in liveness.file("x").parent.iterdir()}
    assert left == {f"{OTHER}.lock", f"{TOKEN}.lock"}
    assert 0 < len(lists) < len(dead)  # each look lists them again while they change
    assert carrier.poll() is None


def test_whoever_only_looks_whether_a_lease_lives_leaves_no_file_behind(liveness, tmp_path, child):
    """A look locks the file for a moment, and others look at any time.

    Where the system stops a process in the midst of a look, its file waits for the next sweep.
    """
    code = f"""
import sys; from pathlib import Path
from nvinx.leases.liveness import ProcessLiveness
life = ProcessLiveness(Path({str(tmp_path / "life")!r}))
print("up", flush=True)
while True:
    life._is_locked({TOKEN!r})
"""
    looker = child([sys.executable, "-c", code])
    assert looker.stdout.readline() == "up\n"
    left = 0
    for _ in range(3000):
        liveness.announce(TOKEN)
        liveness.retire(TOKEN)
        left += liveness.file(TOKEN).exists()
    assert left < 30
