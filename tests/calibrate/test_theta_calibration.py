"""Upstream nvinx's calibration, with a torch whose card is made of sleeping."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from nvinx.calibration import (
    CalibrationResult,
    ProfileTarget,
    profile_model,
    run_calibration,
    sweep_hardware,
    validate_pair,
)
from nvinx.calibration.queue_aware.hardware import delay_polynomial, plain_name, power_line
from nvinx.calibration.queue_aware.ncu import METRIC, l2_saturation_pct, mean_metric
from nvinx.calibration.queue_aware.run import importable
from nvinx.calibration.tasks import Windows
from nvinx.cli.nvinx_calibrate import main
from nvinx.interference import HardwareCoefficients

FAKE = Path(__file__).with_name("fake_torch")
HW = HardwareCoefficients((0.0, 0.0), (0.0,), 1000.0, 40.0)
CSV = f'''==PROF== Connected
"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","gemm","{METRIC}","%","20.5"
"1","gemm","{METRIC}","%","1,030.5"
"1","gemm","other","%","99"
'''


@pytest.fixture
def torch(monkeypatch):
    if "torch" in sys.modules:
        pytest.skip("the real torch is imported in this process already")
    monkeypatch.syspath_prepend(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    import torch

    yield torch
    for name in ("torch", "sleepers"):
        sys.modules.pop(name, None)


@pytest.fixture
def sleepers(torch):
    import sleepers

    return sleepers


@pytest.fixture
def ncu(tmp_path, monkeypatch):
    """An ncu that does as told."""

    def make(script):
        program = tmp_path / "bin" / "ncu"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return make


# one model


@pytest.mark.filterwarnings("ignore:.*ncu is not installed")
def test_a_profile_tells_kernels_and_time_alone(sleepers, tmp_path):
    profile = profile_model(
        sleepers.small,
        architecture_class="toy",
        power_sustain_seconds=0,
        output_dir=tmp_path / "out",
    )
    assert (profile.name, profile.kernels, profile.theta) == ("small", 4, None)
    assert profile.act_solo_ms == pytest.approx(4.0)
    assert profile.baseidle_ms >= 0
    assert profile.architecture_class == "toy"
    written = json.loads((tmp_path / "out" / "small.json").read_text())
    assert written["kernels"] == 4


def test_without_ncu_a_profile_warns_that_it_has_no_l2_figure(sleepers):
    with pytest.warns(RuntimeWarning, match="small: no L2 figure, ncu is not installed"):
        assert profile_model(sleepers.small, power_sustain_seconds=0).l2_saturation_pct == 0


def test_with_ncu_a_profile_has_its_l2_figure(torch, ncu):
    ncu(f"cat <<'END'\n{CSV}END")

    def loader():
        return ProfileTarget("m", lambda _: None, None, loader_code="inference_fn = print")

    profile = profile_model(loader, ncu_sudo=False, power_sustain_seconds=0)
    assert profile.l2_saturation_pct == pytest.approx((20.5 + 1030.5) / 2)


# Nsight Compute


def test_ncu_runs_the_loader_code_as_a_program(ncu, tmp_path):
    ncu(f'for last; do :; done; cp "$last" {tmp_path}/seen.py')
    value, problem = l2_saturation_pct("inference_fn, sample_input = print, 1", sudo=False)
    assert (value, problem) == (None, "ncu gave no figure (no output)")
    seen = (tmp_path / "seen.py").read_text()
    assert seen.startswith("inference_fn, sample_input = print, 1\n")
    assert "inference_fn(sample_input)" in seen


@pytest.mark.parametrize(
    ("script", "code", "problem"),
    [
        ("exit 0", "", "no loader_code"),
        ("echo ==ERROR== ERR_NVGPUCTRPERM >&2; exit 1", "x = 1", "may not read the GPU's counters"),
        ("echo broken >&2; exit 1", "x = 1", "ncu gave no figure \\(broken\\)"),
        ("echo nothing", "x = 1", "ncu gave no figure \\(nothing\\)"),
    ],
)
def test_without_a_figure_ncu_says_why(ncu, script, code, problem):
    ncu(script)
    value, said = l2_saturation_pct(code, sudo=False)
    assert value is None
    assert re.search(problem, said)


def test_the_metric_is_the_mean_over_kernels():
    assert mean_metric(CSV) == pytest.approx(525.5)
    assert mean_metric("no table here") is None
    assert mean_metric('"ID","Metric Name","Metric Value"\n') is None


# two models in one process


def test_two_models_run_at_once(sleepers):
    a, b, ms_a, ms_b = validate_pair(sleepers.small(), sleepers.large(), n_measure=3)
    assert (a, b) == ("small", "large")
    assert ms_a >= 4
    assert ms_b >= 8


@pytest.mark.parametrize("first", [True, False])
def test_a_model_that_fails_in_a_pair_is_what_is_raised(sleepers, first):
    def broken(_):
        raise ArithmeticError("CUDA out of memory")

    pair = [ProfileTarget("broken", broken, None), sleepers.small()]
    with pytest.raises(ArithmeticError, match="out of memory"):
        validate_pair(*(pair if first else pair[::-1]))


# the card


def test_a_sweep_fits_the_delay_and_keeps_its_samples(torch, tmp_path):
    hw = sweep_hardware(
        output_dir=tmp_path, n_idlef_max=3, n_idlef_trials=1, powerp_sustain_seconds=0
    )
    samples = json.loads((tmp_path / "hardware_idlef_raw.json").read_text())
    assert [n for n, _ in samples] == [1, 2, 3]
    assert hw.idlef_polynomial == delay_polynomial(samples)
    assert hw.powerp_linear == (0.0,)
    assert hw.substrate_name == "unknown"
    assert (tmp_path / "hardware_powerp_raw.json").exists()


def test_the_delay_is_a_line_through_what_is_longer_than_alone():
    assert delay_polynomial([(1, 10.0), (2, 14.0), (3, 18.0)]) == (
        pytest.approx(4.0),
        pytest.approx(-4.0),
    )
    assert delay_polynomial([(1, 10.0)]) == (0.0, 0.0)


def test_power_is_a_line_from_rest_to_load():
    assert power_line([10.0, 12.0], [40.0, 42.0]) == (30.0, 11.0)
    assert power_line([], [40.0]) == (0.0,)


def test_a_card_has_a_plain_name():
    assert plain_name("NVIDIA RTX A1000 Laptop GPU") == "nvidia_rtx_a1000_laptop_gpu"


# the whole


@pytest.mark.filterwarnings("ignore:.*ncu is not installed")
def test_a_calibration_measures_importable_models_in_their_own_processes(sleepers, tmp_path):
    loaders = {name: getattr(sleepers, name) for name in ("small", "middle", "large")}
    result = run_calibration(
        loaders,
        output_dir=tmp_path,
        skip_hardware_sweep=True,
        hw_coefs_override=HW,
        fit_v5_gamma=True,
        n_measure=1,
        architecture_classes={"small": "toy"},
        windows=Windows(0.1, 3, 0.1),
    )
    assert isinstance(result, CalibrationResult)
    assert {frozenset(pair[:2]) for pair in result.pair_measurements} == {
        frozenset(pair) for pair in (("small", "middle"), ("small", "large"), ("middle", "large"))
    }
    assert all(profile.theta is not None for profile in result.profiles.values())
    assert result.profiles["small"].architecture_class == "toy"
    assert result.gamma_kernel_size is not None
    assert result.lopo_mean_pct_v5 is not None
    assert (tmp_path / "small.log").exists()
    written = json.loads((tmp_path / "calibration_result.json").read_text())
    assert written["lopo_mean_pct"] == result.lopo_mean_pct


@pytest.mark.filterwarnings("ignore:.*ncu is not installed")
def test_models_that_cannot_be_imported_run_in_threads_with_a_warning(sleepers, tmp_path):
    loaders = {
        "small": partial(sleepers.small),
        "middle": sleepers.middle,
        "large": sleepers.large,
    }
    with pytest.warns(RuntimeWarning, match="small: no other process can import"):
        result = run_calibration(
            loaders,
            output_dir=tmp_path,
            skip_hardware_sweep=True,
            hw_coefs_override=HW,
            n_measure=1,
        )
    assert len(result.pair_measurements) == 3
    assert "threads of one process" in result.notes[0]


def test_a_loader_is_importable_by_module_and_name(sleepers):
    assert importable(sleepers.small) == "sleepers:small"
    assert importable(lambda: None) is None


@pytest.mark.parametrize(
    ("count", "options", "said"),
    [(2, {}, "2 models are too few"), (3, {"skip_hardware_sweep": True}, "hw_coefs_override")],
)
def test_a_calibration_that_cannot_be_is_refused(tmp_path, count, options, said):
    loaders = {str(k): object for k in range(count)}
    with pytest.raises(ValueError, match=said):
        run_calibration(loaders, output_dir=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", [sweep_hardware, lambda: profile_model(object)])
def test_without_cuda_it_says_so(torch, monkeypatch, call):
    monkeypatch.setattr(torch.cuda, "present", False)
    with pytest.raises(RuntimeError, match=r"no CUDA card here\. Fix: check nvidia-smi"):
        call()


def test_without_torch_it_says_what_else_there_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="nvinx calibrate --command"):
        sweep_hardware()


# the command


@pytest.mark.filterwarnings("ignore:.*ncu is not installed")
def test_the_command_calibrates(sleepers, tmp_path, monkeypatch):
    monkeypatch.setattr("nvinx.calibration.queue_aware.run.sweep_hardware", lambda output_dir: HW)
    words = [f"--model=sleepers:{name}" for name in ("small", "middle", "large")]
    done = CliRunner().invoke(
        main, [*words, "--output", str(tmp_path), "--fit-v5", "--n-measure=1", "--seconds=0.1"]
    )
    assert done.exit_code == 0, done.output
    assert "small: 4.00 ms alone, theta" in done.output
    assert "With gamma" in done.output


WRONG = {
    "two models": (["--model=sleepers:small"] * 2, "--model 3 times or more"),
    "names that do not match": (["--model=sleepers:small"] * 3 + ["--name=a"], "3 --model and 1"),
    "one name twice": (["--model=sleepers:small"] * 3, "two models are called small"),
    "no colon": (["--model=sleepers"] * 3, "write module:loader"),
    "no module": (["--model=nozoo:small"] * 3, "No module named 'nozoo'"),
    "no attribute": (["--model=sleepers:tiny"] * 3, "tiny"),
    "no callable": (["--model=sleepers:NOT_A_LOADER"] * 3, "is not callable"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_the_command_refuses_what_it_cannot_use(sleepers, tmp_path, words, said):
    done = CliRunner().invoke(main, [*words, "--output", str(tmp_path)])
    assert done.exit_code == 2
    assert said in done.output


def test_the_command_says_in_one_line_that_there_is_no_cuda(sleepers, torch, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "present", False)
    names = ["--name=a", "--name=b", "--name=c"]
    words = ["--model=sleepers:small"] * 3
    done = CliRunner().invoke(main, [*words, *names, "--output", str(tmp_path)])
    assert done.exit_code == 1
    assert done.output.startswith("Error: torch finds no CUDA card here")
