"""One suite, every Budgets: what a job is told, and what it answers."""

import os
import signal
import subprocess
import sys

import pytest
import users
from users import as_root
from waiting import GIVE_UP_S, eventually

from nvinx import placement
from nvinx.admission.job import Budget
from nvinx.host import budget_files
from nvinx.leases import tokens
from nvinx.leases.budgets import BudgetFiles
from nvinx.leases.liveness import ProcessLiveness
from nvinx.testing import FakeBudgets

TOKEN = f"{tokens.new()}.1"  # signs of life are seen all over the machine
FIRST, LESS, SAME_AGAIN = Budget(4000), Budget(2000, 1, "small"), Budget(2000, 3)


class Real:
    def __init__(self, folder):
        self.liveness = ProcessLiveness(folder)
        self.liveness.announce(TOKEN)
        self.port = BudgetFiles(folder)

    def answer(self):
        """As a program does: it is told, and then asks again."""
        file = self.port.file(TOKEN)
        here = placement.current({"NVINX_JOB": TOKEN, "NVINX_BUDGET": str(file)})
        assert here.budget_changed()
        assert not here.budget_changed()


class Fake:
    def __init__(self):
        self.port = FakeBudgets()

    def answer(self):
        self.port.answer(TOKEN)


@pytest.fixture(params=["fake", "files"])
def job(request, tmp_path):
    if request.param == "fake":
        yield Fake()
    else:
        made = Real(tmp_path / "life")
        yield made
        made.liveness.retire(TOKEN)


@pytest.fixture
def real(tmp_path):
    made = Real(tmp_path / "life")
    yield made
    made.liveness.retire(TOKEN)


def test_nothing_is_kept_before_it_is_told(job):
    assert not job.port.is_kept(TOKEN, FIRST)
    assert not job.port.is_heard(TOKEN, FIRST)


def test_it_is_kept_once_the_job_answers(job):
    job.port.tell(TOKEN, FIRST)
    job.port.tell(TOKEN, LESS)
    assert not job.port.is_kept(TOKEN, LESS)
    job.answer()
    assert job.port.is_kept(TOKEN, LESS)


def test_an_answer_is_to_the_very_budget_that_was_told(job):
    job.port.tell(TOKEN, LESS)
    job.answer()
    job.port.tell(TOKEN, SAME_AGAIN)
    assert not job.port.is_kept(TOKEN, SAME_AGAIN)


def test_who_comes_late_with_an_earlier_decision_tells_nothing(job):
    job.port.tell(TOKEN, SAME_AGAIN)
    job.port.tell(TOKEN, LESS)
    job.answer()
    assert job.port.is_kept(TOKEN, SAME_AGAIN)


def test_a_program_that_listens_is_told_by_a_signal_and_once(real):
    told = []
    before = signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
    try:
        seen = [(os.getpid(), real.liveness.started(os.getpid()))]
        for budget in (FIRST, FIRST, LESS, LESS):
            real.port.tell(TOKEN, budget, seen)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told == [1]
    assert real.port.is_heard(TOKEN, LESS)


def test_a_program_that_does_not_listen_lives_on_and_has_heard_nothing(real, tmp_path):
    ready = tmp_path / "ready"
    script = f"open({str(ready)!r}, 'w').close(); input()"
    env = {**os.environ, "NVINX_JOB": TOKEN}
    with subprocess.Popen([sys.executable, "-c", script], env=env, stdin=subprocess.PIPE) as child:
        assert eventually(ready.exists)
        real.port.tell(TOKEN, LESS)
        child.communicate(b"\n", timeout=GIVE_UP_S)
    assert child.returncode == 0
    assert not real.port.is_heard(TOKEN, LESS)


def test_a_signal_that_a_killed_program_did_not_send_is_sent_by_the_next(real):
    told = []
    budget_files.write(budget_files.Told(2098, 1), real.port.file(TOKEN))
    before = signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
    try:
        real.port.tell(TOKEN, LESS, [(os.getpid(), real.liveness.started(os.getpid()))])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told == [1]


def test_another_process_of_the_same_number_is_not_told(real):
    told = []
    before = signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
    try:
        real.port.tell(TOKEN, LESS, [(os.getpid(), 1)])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told == []


def test_nothing_is_left_when_the_job_has_ended(real):
    real.port.tell(TOKEN, LESS)
    real.answer()
    real.liveness.retire(TOKEN)
    assert list(real.liveness.folder.iterdir()) == []


def test_who_tells_a_job_that_has_ended_leaves_nothing(real):
    real.liveness.retire(TOKEN)
    real.port.tell(TOKEN, LESS)
    assert list(real.liveness.folder.iterdir()) == []


def test_what_a_killed_teller_left_of_a_job_that_has_ended_is_swept(real):
    real.liveness.retire(TOKEN)
    budget_files.write(budget_files.Told(1, 1), real.port.file(TOKEN))
    real.port.file(TOKEN).with_name(f"{TOKEN}.budget.heard.new").touch()
    real.liveness.sweep()
    assert list(real.liveness.folder.iterdir()) == []


@pytest.mark.parametrize("token", ["../outside", "a/b", "", "x" * 5000])
def test_a_token_that_leaves_the_folder_is_told_nothing(real, tmp_path, token):
    (tmp_path / "outside.lock").touch()
    real.port.tell(token, LESS)
    assert not (tmp_path / "outside.budget").exists()


@as_root
def test_a_job_of_another_user_is_told_by_the_file_and_by_a_signal_of_its_own_user():
    with users.open_folder() as place:
        alice, shared = users.make(place, 54_331), users.shared_folder(place, 54_332)
        here = f"from nvinx.leases.liveness import ProcessLiveness\nstate = Path({str(shared)!r})\n"
        alice.run(f"{here}ProcessLiveness(state / 'life').announce({TOKEN!r})")
        port = BudgetFiles(shared / "life")
        port.tell(TOKEN, LESS)
        file = port.file(TOKEN)
        assert not file.with_name(f"{file.name}.signalled").exists()
        said = alice.run(f"""
            from nvinx import placement
            from nvinx.admission.job import Budget
            from nvinx.leases.budgets import BudgetFiles
            here = placement.current({{"NVINX_JOB": "j", "NVINX_BUDGET": {str(file)!r}}})
            print(here.budget_changed(), here.budget_changed())
            BudgetFiles(Path({str(shared / "life")!r})).tell({TOKEN!r}, Budget(2000, 1))
        """)
        assert said.split() == ["True", "False"]
        assert port.is_kept(TOKEN, LESS)
        assert file.with_name(f"{file.name}.signalled").exists()


@pytest.mark.parametrize("text", [b"", b"x", b"2000\n", b"2000 3", b"-1 3\n", b"\xff" * 200])
def test_what_makes_no_sense_there_is_no_answer(real, text):
    real.port.tell(TOKEN, LESS)
    budget_files.answer_file(real.port.file(TOKEN)).write_bytes(text)
    assert not real.port.is_kept(TOKEN, LESS)


def test_a_pipe_or_a_link_in_its_place_holds_up_nobody(real, tmp_path):
    file = real.port.file(TOKEN)
    os.mkfifo(budget_files.answer_file(file))
    file.symlink_to(tmp_path / "elsewhere")
    real.port.tell(TOKEN, LESS)
    assert not real.port.is_kept(TOKEN, LESS)
    assert not (tmp_path / "elsewhere").exists()
    assert budget_files.read(file) is not None
