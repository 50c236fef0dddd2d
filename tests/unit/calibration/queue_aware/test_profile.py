"""What a profile is computed from: the profiler's events, ncu behind sudo, a file's name."""

from types import SimpleNamespace

import pytest

from nvinx.calibration.cuda import count_kernels
from nvinx.calibration.queue_aware.ncu import METRIC, l2_saturation_pct
from nvinx.calibration.queue_aware.profile import file_name


def event(name, us, device="DeviceType.CUDA"):
    return SimpleNamespace(name=name, device_time=us, device_type=device)


def test_kernels_are_the_events_on_the_device_without_copies():
    events = [
        event("gemm", 1500.0),
        event("softmax", 500.0),
        event("Memcpy HtoD (Pageable -> Device)", 9000.0),
        event("Memset (Device)", 100.0),
        event("aten::mm", 7000.0, device="DeviceType.CPU"),
    ]
    assert count_kernels(events) == (2, 2.0)
    assert count_kernels([]) == (0, 0)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("small", "small.json"),
        ("facebook/esm2_t30", "facebook_esm2_t30.json"),
        ("../../etc/x", ".._.._etc_x.json"),
        ("ESM-2 v1.0", "ESM-2 v1.0.json"),
    ],
)
def test_a_model_of_any_name_has_a_file_in_the_folder(model, name):
    assert file_name(model) == name


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """An ncu and a sudo that do as told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(**scripts):
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    return make


def test_sudo_is_told_never_to_ask_for_a_password(programs, tmp_path):
    header = '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"'
    programs(
        sudo=f'printf "%s " "$@" > {tmp_path}/words; [ "$1" = -n ] && shift && exec "$@"',
        ncu=f"""echo '{header}'; echo '"0","gemm","{METRIC}","%","41.5"'""",
    )
    assert l2_saturation_pct("inference_fn, sample_input = print, 1", sudo=True) == (41.5, "")
    words = (tmp_path / "words").read_text().split()
    assert words[:2] == ["-n", str(tmp_path / "bin" / "ncu")]
    assert words[2:5] == ["--csv", "--metrics", METRIC]


def test_a_sudo_that_wants_a_password_is_a_reason_and_no_question(programs):
    programs(ncu="exit 1", sudo="echo 'sudo: a password is required' >&2; exit 1")
    value, problem = l2_saturation_pct("x = 1", sudo=True)
    assert value is None
    assert "a password is required" in problem
