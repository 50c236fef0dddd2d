"""The shell that tells a job its placement is otherwise the shell that the rule asked for."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from family import tree
from waiting import GIVE_UP_S, eventually

from nvinx.errors import StateDirError
from nvinx.leases.markers import Markers
from snakemake_executor_plugin_nvinx.job_shell import ShellExec, Shells, sweep


@pytest.fixture
def shells(tmp_path):
    shells = Shells.under(tmp_path / "a state", "engine-1")
    yield shells
    shells.output.close()


def run(path, command):
    done = subprocess.run([path, "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def test_a_job_sees_its_variables_whatever_is_in_them(shells):
    path = shells.make("engine-1.1", "bash", {"NVINX_JOB": 'it\'s $HOME "quoted"\n'}, None)
    assert run(path, 'printf %s "$NVINX_JOB"') == 'it\'s $HOME "quoted"\n'


def test_the_real_shell_runs_under_its_own_name_and_leaks_nothing(shells):
    path = shells.make("engine-1.1", "sh", {}, None)
    assert path.endswith("/sh")
    assert run(path, "echo $0; env | grep -c _nvinx || true") == "sh\n0\n"


def test_any_program_may_be_the_shell(shells):
    path = shells.make("engine-1.1", "python3", {"A": "b"}, None)
    assert run(path, "import os; print(os.environ['A'])") == "b\n"


def test_members_of_a_group_may_have_different_shells(shells):
    bash = shells.make("engine-1.1", "bash", {}, None)
    python = shells.make("engine-1.1", "python3", {}, None)
    assert (run(bash, "echo $BASH_VERSION")[0].isdigit(), run(python, "print(1)")) == (True, "1\n")


def test_members_that_start_together_do_not_disturb_each_other(shells):
    path = shells.make("engine-1.1", "bash", {"A": "b"}, None)
    done = threading.Event()

    def make_again():
        while not done.is_set():
            shells.make("engine-1.1", "bash", {"A": "b"}, None)

    maker = threading.Thread(target=make_again)
    maker.start()
    try:
        assert {run(path, "echo $A") for _ in range(60)} == {"b\n"}
    finally:
        done.set()
        maker.join()


def test_a_job_holds_the_lock_of_its_lease_as_long_as_it_lives(shells, tmp_path):
    lock = tmp_path / "lease.lock"
    lock.touch()
    path = shells.make("engine-1.1", "bash", {}, lock)
    held = f"while flock -n -x '{lock}' true; do :; done; echo held"

    assert run(path, held) == ""
    assert shells.output.ends("engine-1.1") == ["", "held\n"]
    assert run("bash", f"flock -n -x '{lock}' echo free") == "free\n"


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "shells").write_text("a file in the way")
    with pytest.raises(StateDirError, match="cannot be written"):
        Shells.under(tmp_path, "engine-1")


def test_what_keeps_the_last_words_is_no_sign_of_the_jobs_life(shells, tmp_path):
    """The job has ended, but a program that it left behind, and disowned, still has its stderr."""
    token = f"last-words-{os.getpid()}.1"  # markers are seen all over the machine
    path = shells.make("engine-1.1", "bash", {"NVINX_JOB": token}, tmp_path / "lease.lock")
    pids = tmp_path / "pids"
    script = f"exec 243<&-; env -i sleep 3600 >/dev/null </dev/null & echo $! > '{pids}'"
    job = subprocess.Popen([path, "-c", script], stderr=subprocess.DEVNULL)
    job.wait()
    try:
        # A shell that is just starting still has the job in its command line.
        assert eventually(lambda: not Markers().pids({token}))
    finally:
        left_behind = int(pids.read_text())
        os.kill(left_behind, signal.SIGKILL)
        # Until then it can write, and what keeps the words stays beyond this test.
        assert eventually(lambda: not tree(left_behind))


def test_a_job_whose_files_went_before_it_began_to_write_leaves_no_complaint(
    shells, tmp_path, capfd
):
    path = shells.make("a", "bash", {}, tmp_path / "lease.lock")
    script = f"until rm -rf '{shells.folder / 'a'}' 2>/dev/null; do :; done; echo words >&2"
    subprocess.run([path, "-c", script], check=True)
    shells.close()
    assert capfd.readouterr().err == "words\n"


def test_a_job_whose_run_died_before_it_began_writes_where_it_would(shells, tmp_path, capfd):
    path = Path(shells.make("a", "bash", {}, tmp_path / "lease.lock"))
    variables = path.with_name("bash.env")
    gone = variables.read_text().replace(f"/proc/{os.getpid()}/", "/proc/0/")
    variables.write_text(gone)
    subprocess.run([path, "-c", "echo words >&2"], check=True)
    assert capfd.readouterr().err == "words\n"


@pytest.mark.parametrize("lock", [True, False])
def test_a_program_that_waits_for_all_its_children_meets_none_that_it_does_not_know(
    shells, tmp_path, lock
):
    file = tmp_path / "lease.lock"
    file.touch()
    path = shells.make("a", sys.executable, {}, file if lock else None)
    program = "import os, time; time.sleep(0.3); os.wait()"
    done = subprocess.run(
        [path, "-c", program], stderr=subprocess.PIPE, timeout=GIVE_UP_S, check=False
    )
    assert "No child processes" in done.stderr.decode() + "".join(shells.output.ends("a"))


def test_what_a_job_left_goes_and_nothing_else(shells):
    one = shells.make("engine-1.1", "bash", {}, None)
    two = shells.make("engine-1.2", "bash", {}, None)
    shells.drop("engine-1.1")
    shells.close()
    assert (shells.folder / "engine-1.2").exists()
    assert run(two, "echo up") == "up\n"
    assert one != two
    shells.drop("engine-1.2")
    shells.close()
    assert not shells.folder.exists()


class FakeLiveness:
    def __init__(self, *alive):
        self.tokens = set(alive)

    def alive(self, tokens):
        return self.tokens & set(tokens)


@pytest.mark.parametrize(
    ("alive", "stays"), [((), False), (("engine-1",), True), (("engine-1.1",), True)]
)
def test_what_killed_engines_left_is_swept_but_not_what_still_lives(tmp_path, alive, stays):
    shells = Shells.under(tmp_path, "engine-1")
    shells.make("engine-1.1", "bash", {}, None)
    sweep(tmp_path, FakeLiveness(*alive))
    assert shells.folder.exists() is stays


def test_the_shell_survives_snakemakes_ways_of_using_a_path():
    path = ShellExec("/a/bash")
    assert path == "/a/bash"
    assert f"shell.executable({path})" == "shell.executable(shell.get_executable())"
    assert type(pickle.loads(pickle.dumps(path))) is str
