"""How a card is shared is believed only when it can be seen."""

import pytest

from nvinx.gpu.sharing import sharing_mode


@pytest.fixture
def mps(tmp_path):
    """An MPS control program that does as told, and the environment to find it."""

    def make(script, pipes=True):
        control = tmp_path / "nvidia-cuda-mps-control"
        control.write_text(f"#!/bin/sh\n{script}\n")
        control.chmod(0o755)
        if pipes:
            (tmp_path / "pipes").mkdir()
        path = f"{tmp_path}:/usr/bin:/bin"
        return {"PATH": path, "CUDA_MPS_PIPE_DIRECTORY": str(tmp_path / "pipes")}

    return make


def test_a_mig_device_is_shared_by_mig(mps):
    assert sharing_mode("MIG-1234", mps("exit 0")) == "mig"


def test_a_daemon_that_answers_means_mps(mps):
    environ = mps('read word; test "$word" = get_server_list')
    assert sharing_mode("GPU-0", environ) == "mps"


@pytest.mark.parametrize(
    ("script", "pipes"),
    [("exit 1", True), ("exit 0", False), ("exec sleep 60", True)],
    ids=["the daemon does not run", "there are no pipes", "it never answers"],
)
def test_without_an_answer_it_is_time_slicing(mps, script, pipes):
    assert sharing_mode("GPU-0", mps(script, pipes)) == "time-slicing"


def test_without_the_program_it_is_time_slicing(tmp_path):
    environ = {"PATH": str(tmp_path), "CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    assert sharing_mode("GPU-0", environ) == "time-slicing"
