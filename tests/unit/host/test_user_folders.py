"""Where a user's own bench file and state are looked for."""

import pytest

from nvinx.host import user_folders


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


def test_they_are_below_the_users_home(home):
    assert user_folders.config() == home / ".config" / "nvinx"
    assert user_folders.state() == home / ".local" / "state" / "nvinx"


def test_the_user_may_name_others(home, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "s"))
    assert user_folders.config() == home / "c" / "nvinx"
    assert user_folders.state() == home / "s" / "nvinx"


@pytest.mark.parametrize("odd", ["", "relative/folder"])
def test_a_name_that_does_not_begin_at_the_root_does_not_count(home, monkeypatch, odd):
    monkeypatch.setenv("XDG_STATE_HOME", odd)
    assert user_folders.state() == home / ".local" / "state" / "nvinx"
