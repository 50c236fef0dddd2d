"""The state folder: whose it may be, and who may write there."""

import errno
import fcntl
import os
import stat
import subprocess
import sys

import pytest

from nvinx.errors import StateDirError
from nvinx.host import statedir
from nvinx.leases import tokens
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to other users")
OURS, THEIRS = tokens.new(), tokens.new()  # signs of life are seen all over the machine
STRANGER, GROUP = 54_321, 54_322


def rights(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_all_in_it_are_the_owners_alone(tmp_path):
    folder = statedir.prepare(tmp_path / "state")
    SqliteLedger(folder / "ledger.db").close()
    liveness = ProcessLiveness(folder / "life")
    liveness.announce("a")
    assert rights(folder) == 0o700
    assert rights(folder / "ledger.db") == rights(folder / "ledger.lock") == 0o600
    assert rights(liveness.file("a")) == 0o600
    liveness.retire("a")


def test_a_folder_that_everybody_may_write_to_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(StateDirError, match=r"it is world-writable\. Fix: chmod o-w"):
        statedir.prepare(tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), None])
def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch, error):
    """None: it says that it locked, and lets everybody in, as some network file systems do."""

    def flock(_fd, _operation):
        if error is not None:
            raise error

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StateDirError, match="without file locks"):
        statedir.prepare(tmp_path / "state")


@as_root
def test_a_strangers_folder_is_refused(tmp_path):
    os.chown(tmp_path, STRANGER, STRANGER)
    with pytest.raises(StateDirError, match="belongs to another user"):
        statedir.prepare(tmp_path)


@as_root
def test_a_folder_that_our_group_shares_is_used_and_its_files_are_the_groups(tmp_path):
    os.chown(tmp_path, STRANGER, os.getegid())
    tmp_path.chmod(0o2770)
    before = os.umask(0o077)
    try:
        folder = statedir.prepare(tmp_path)
        ledger = SqliteLedger(folder / "ledger.db")
        liveness = ProcessLiveness(folder / "life")
        liveness.announce("a")
    finally:
        os.umask(before)
    assert rights(folder / "ledger.db") == 0o660
    assert rights(liveness.file("a")) == 0o660
    liveness.retire("a")
    ledger.close()


@as_root
def test_a_folder_of_another_group_is_refused(tmp_path):
    os.chown(tmp_path, STRANGER, GROUP)
    tmp_path.chmod(0o2770)
    with pytest.raises(StateDirError, match="share it with a group of yours"):
        statedir.prepare(tmp_path)


@as_root
def test_two_users_of_one_group_share_a_ledger(tmp_path):
    """Another user writes to the ledger that we made, and we to what that user made."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    program = f"""
import os
from pathlib import Path
from nvinx.host import statedir
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
os.setgroups([{GROUP}]); os.setgid({STRANGER}); os.setuid({STRANGER})
folder = statedir.prepare(Path({str(folder)!r}))
ledger = SqliteLedger(folder / "ledger.db")
life = ProcessLiveness(folder / "life")
life.announce({THEIRS!r})
with ledger.transaction() as page:
    page.drop("nobody")
print("fine", life.alive([{OURS!r}, {THEIRS!r}]) == {{{OURS!r}, {THEIRS!r}}}, flush=True)
input()
"""
    ledger, liveness = SqliteLedger(folder / "ledger.db"), ProcessLiveness(folder / "life")
    liveness.announce(OURS)
    other = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = other.stdout.readline()
    try:
        assert said == "fine True\n", other.stderr.read()
        assert liveness.alive({THEIRS}) == {THEIRS}
        with ledger.transaction() as entries:
            entries.drop("nobody")
    finally:
        other.kill()
        other.communicate()
        ledger.close()
    assert liveness.alive({THEIRS}) == set()
    liveness.retire(OURS)
