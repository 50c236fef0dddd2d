"""What lies where the state folder or the ledger should be is told, never taken for an empty one."""

import os

import pytest
from click.testing import CliRunner

from nvinx.cli import main
from nvinx.history.past import Past

BENCH = "hardware: {gpus: [{name: small card, vram_gb: 4.0, simulated: true}]}\n"
LOOKS = (
    ("status",),
    ("top", "--once"),
    ("metrics",),
    ("release", "x"),
    ("explain", "x"),
    ("run", "--vram", "10MB", "--", "true"),
)


def nvinx(*args):
    return CliRunner().invoke(main, list(args), env={"COLUMNS": "200"})


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    monkeypatch.setenv("NVINX_STATE_DIR", str(state))
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    return state


@pytest.mark.parametrize("words", [*LOOKS, ("history",)], ids=" ".join)
@pytest.mark.parametrize("put", [lambda at: at.write_text(""), lambda at: at.symlink_to("gone")])
def test_a_state_folder_that_is_no_folder_is_told(words, put, state):
    put(state)
    result = nvinx(*words)
    assert result.exit_code == 2
    said = (
        f"state folder {state}: this is a file, or a link that does not lead to a folder. "
        "Fix: name a"
    )
    assert said in result.output


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
@pytest.mark.parametrize("put", [lambda at: at.symlink_to("gone"), os.mkfifo, os.mkdir])
def test_what_is_no_ledger_is_told_with_its_place(words, put, state):
    state.mkdir(mode=0o700)
    put(state / "ledger.db")
    result = nvinx(*words)
    assert result.exit_code == 2
    assert f"{state}/ledger.db is not a regular file. Fix: move it away" in result.output


@pytest.mark.parametrize("put", [lambda at: at.symlink_to("gone"), os.mkfifo, os.mkdir])
def test_what_is_no_history_is_told_and_nothing_more(put, state):
    state.mkdir(mode=0o700)
    put(state / "history.db")
    result = nvinx("history")
    assert result.exit_code == 2
    assert "history.db is not a regular file. Fix: move the file away" in result.output
    assert Past.read(state, ["small card"]).problem is not None
    assert nvinx("status").exit_code == 0
