"""What a member of a group can do to another one through the state folder that they share."""

import os
import re
import stat

import pytest
import users
from users import as_root

from nvinx.errors import StateDirError
from nvinx.host import locks, private, statedir
from nvinx.leases import tokens
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from snakemake_executor_plugin_nvinx.job_shell import Shells

TOKEN = f"{tokens.new()}.1"  # signs of life are seen all over the machine
ALICE, MALLORY = 54_331, 54_332


@pytest.fixture
def place():
    with users.open_folder() as folder:
        yield folder


@pytest.fixture
def alice(place):
    return users.make(place, ALICE)


@pytest.fixture
def shared(place):
    return users.shared_folder(place, MALLORY)


@as_root
def test_what_a_job_executes_lies_where_no_member_can_replace_it(alice, shared):
    said = alice.run(f"""
        from nvinx.host import private
        from snakemake_executor_plugin_nvinx.job_shell import Shells
        shells = Shells.under(Path({str(shared)!r}), "engine-1")
        print(shells.make("engine-1.1", "bash", {{}}, None))
        print(private.is_private(shells.folder))
    """)
    path, is_private = said.split()
    assert is_private == "True"
    assert path.startswith(str(alice.home))
    assert not list(shared.rglob("*"))


@as_root
def test_a_job_of_a_group_runs_in_its_shell(alice, shared):
    said = alice.run(f"""
        import subprocess
        from snakemake_executor_plugin_nvinx.job_shell import Shells
        shell = Shells.under(Path({str(shared)!r}), "e-1").make("e-1.1", "sh", {{"A": "b"}}, None)
        print(subprocess.run([shell, "-c", "echo $A"], capture_output=True, text=True).stdout)
    """)
    assert said.split() == ["b"]


@as_root
def test_a_user_with_no_private_folder_is_told_where_none_was(alice, shared):
    alice.home.chmod(0o777)
    said = alice.run(f"""
        from nvinx.errors import StateDirError
        from snakemake_executor_plugin_nvinx.job_shell import Shells
        try:
            Shells.under(Path({str(shared)!r}), "engine-1")
        except StateDirError as error:
            print(error)
    """)
    assert "others could replace what jobs run" in said
    assert "Fix: make your home folder writable only for you" in said


@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_a_folder_that_others_may_fill_makes_nothing_below_it_private(tmp_path, mode):
    below = tmp_path / "open" / "below"
    below.mkdir(parents=True)
    assert private.is_private(below)
    (tmp_path / "open").chmod(mode)
    assert not private.is_private(below)
    (tmp_path / "open").chmod(0o1777)
    assert private.is_private(below), "as in /tmp, where nobody can move what is not theirs"


@as_root
def test_a_folder_that_a_group_may_fill_is_not_private(tmp_path):
    os.chown(tmp_path, 0, users.GROUP)
    tmp_path.chmod(0o770)
    assert not private.is_private(tmp_path)


def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("mine alone")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("made_by", ["symlink_to", "hardlink_to"])
def test_a_link_in_place_of_a_sign_of_life_changes_nothing_of_what_it_names(tmp_path, made_by):
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o2770)
    liveness, file = ProcessLiveness(folder / "life"), secret(tmp_path)
    getattr(liveness.file(TOKEN), made_by)(file)
    if made_by == "symlink_to":
        with pytest.raises(StateDirError, match=rf"{re.escape(TOKEN)}\.lock cannot be used"):
            liveness.announce(TOKEN)
    else:
        liveness.announce(TOKEN)
        liveness.retire(TOKEN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == "mine alone"


@pytest.mark.parametrize("name", ["ledger.db", "ledger.lock"])
def test_a_link_in_place_of_the_ledger_is_refused_and_not_followed(tmp_path, name):
    file = secret(tmp_path)
    (tmp_path / name).symlink_to(file)
    with pytest.raises(StateDirError, match=r"not a regular file|ledger cannot be used"):
        SqliteLedger(tmp_path / "ledger.db")
    assert file.read_text() == "mine alone"


def test_a_second_name_of_another_file_is_no_ledger(tmp_path):
    file = secret(tmp_path)
    file.write_text("")
    (tmp_path / "ledger.db").hardlink_to(file)
    with pytest.raises(StateDirError, match="not a regular file"):
        SqliteLedger(tmp_path / "ledger.db")
    assert file.read_text() == ""


@pytest.mark.parametrize("token", ["../../secret", "a/b", "", "x" * 5000, "a\0b", "-rf"])
def test_a_token_that_leaves_the_folder_is_nobodys(tmp_path, token):
    liveness = ProcessLiveness(tmp_path / "state" / "life")
    victim = tmp_path / "secret.lock"
    victim.touch()
    before = victim.stat().st_mtime_ns
    assert liveness.alive([token]) == set()
    liveness.notify(token)
    liveness.retire(token)
    assert victim.stat().st_mtime_ns == before


@as_root
def test_a_sign_of_life_that_one_may_not_look_at_is_taken_for_one(alice, place):
    file = place / "theirs.lock"
    file.touch(mode=0o600)
    said = alice.run(f"""
        from nvinx.host import locks
        print(locks.is_held(Path({str(file)!r})))
    """)
    assert said.split() == ["True"]
    assert not locks.is_held(file)


def test_a_pipe_in_place_of_a_sign_of_life_makes_nobody_wait(tmp_path):
    liveness = ProcessLiveness(tmp_path / "life")
    os.mkfifo(liveness.file(TOKEN))
    assert liveness.alive([TOKEN]) == set()


@as_root
def test_a_link_that_a_stranger_made_leads_nobody_to_a_state_folder(tmp_path):
    (tmp_path / "mine").mkdir(mode=0o700)
    link = tmp_path / "nvinx-0"
    link.symlink_to(tmp_path / "mine")
    os.chown(link, MALLORY, MALLORY, follow_symlinks=False)
    with pytest.raises(StateDirError, match="a link that another user made"):
        statedir.prepare(link)


def test_a_state_folder_that_everybody_may_rename_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(StateDirError, match="everyone may rename entries of"):
        statedir.prepare(tmp_path / "open" / "state")


def test_shells_of_a_state_folder_that_is_ones_own_lie_in_it(tmp_path):
    assert Shells.under(tmp_path / "state", "engine-1").folder == tmp_path / "state/shells/engine-1"
