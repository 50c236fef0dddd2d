"""Without a package that only some of nvinx needs, what needs it says so before any work is done."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from nvinx.calibration import fit_thetas, run_calibration
from nvinx.cli import main
from nvinx.errors import MissingExtraError, NvinxError
from nvinx.host import extras
from nvinx.interference import CoRun, HardwareCoefficients, InterferenceProfile
from nvinx.interference.fit import fit_slowdown_model

BENCH = "hardware:\n  gpus:\n    - {name: Four, vram_gb: 4.0, simulated: true}\n"
PAIRS = "interference:\n  pairs:\n    - {a: x, b: y, slowdown_a: 1.4, slowdown_b: 1.2}\n"
TRUTH = "pairs:\n  - {a: x, b: y, slowdown_a: 1.4}\n"
JOBS = "- {name: one, duration_s: 4, vram_mb: 900}\n- {name: two, duration_s: 2}\n"
ALL = ("bokeh", "matplotlib", "safetensors", "scipy", "torch", "transformers", "gguf")
HW = HardwareCoefficients((2.0, -1.5), (0.0,), 1000.0, 40.0)
PROFILES = {name: InterferenceProfile(name, 300, 0.1, 9.0, 10.0) for name in "ab"}


@pytest.fixture
def lack(tmp_path, monkeypatch):
    """Makes packages as good as not installed, in a folder with a bench file and a workload."""
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    (tmp_path / "jobs.yaml").write_text(JOBS)
    (tmp_path / "truth.yaml").write_text(TRUTH)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))

    def block(*packages):
        for package in packages:
            for module in [m for m in sys.modules if m.startswith(f"{package}.")]:
                monkeypatch.delitem(sys.modules, module)
            monkeypatch.setitem(sys.modules, package, None)

    return block


def nvinx(*words):
    return CliRunner().invoke(main, list(words))


LACKING = {
    "report": ("bokeh", "report", ["report"]),
    "plan a picture": ("matplotlib", "report", ["plan", "jobs.yaml", "--picture", "p.png"]),
    "simulate a picture": ("matplotlib", "report", ["simulate", "jobs.yaml", "--picture", "p.png"]),
    "simulate with a truth": (
        "scipy",
        "calibrate",
        ["simulate", "jobs.yaml", "--truth=truth.yaml"],
    ),
    "calibrate": ("scipy", "calibrate", ["calibrate", "--command", "a=true"]),
    "calibrate's picture": ("matplotlib", "calibrate", ["calibrate", "--command", "a=true"]),
    "measure the bench": ("safetensors", "hf", ["bench", "--measure"]),
    "fit a model": ("safetensors", "hf", ["fit", "model.safetensors"]),
    "fit a config": ("transformers", "hf", ["fit", "config.json"]),
}


@pytest.mark.parametrize(("package", "extra", "words"), LACKING.values(), ids=LACKING)
def test_a_command_names_the_package_it_lacks_and_the_extra(lack, tmp_path, package, extra, words):
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text("{}")
    before = sorted(tmp_path.iterdir())
    lack(package, *(["torch"] if package == "transformers" else []))
    done = nvinx(*words)
    wanted = "torch" if package == "transformers" else package
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert f" needs {wanted}, which is not installed. Fix: pip install " in done.stderr
    assert f'"snakemake-executor-plugin-nvinx[{extra}]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_without_scipy_plans_and_simulations_go_without_the_lower_bound(lack):
    lack(*ALL)
    for verb in ("plan", "simulate"):
        done = nvinx(verb, "jobs.yaml")
        assert done.exit_code == 0, done.output
        assert "Takes 4.0 s.\n" in done.stdout
        assert "the lower bound needs scipy" in done.stderr
        assert json.loads(nvinx(verb, "jobs.yaml", "--json").stdout)["lower_bound_s"] is None


def test_a_bench_file_with_co_runs_says_that_it_needs_scipy(lack, tmp_path):
    (tmp_path / "nvinx.yaml").write_text(BENCH + PAIRS)
    lack("scipy")
    done = nvinx("bench")
    assert done.exit_code == 2
    assert "`interference:` of " in done.stderr
    assert "nvinx.yaml needs scipy" in done.stderr
    assert "[calibrate]" in done.stderr
    assert "nvinx calibrate instead of the co-runs" in done.stderr


def test_a_run_with_such_a_bench_file_fails_before_its_first_job(lack, tmp_path):
    (tmp_path / "nvinx.yaml").write_text(BENCH + PAIRS)
    (tmp_path / "Snakefile").write_text("rule a:\n    output: 'a'\n    shell: 'touch a'\n")
    block = "import sys; sys.modules['scipy'] = None; from snakemake.cli import main; main()"
    words = ["--executor", "nvinx", "--jobs", "unlimited"]
    done = subprocess.run(
        [sys.executable, "-c", block, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "WorkflowError:\nthe `interference:` of " in done.stderr
    assert 'Fix: pip install "snakemake-executor-plugin-nvinx[calibrate]"' in done.stderr
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("verb", ["bench", "doctor", "history", "jobs", "metrics", "status"])
def test_the_other_commands_do_without_all_of_them(lack, tmp_path, verb):
    lack(*ALL)
    done = nvinx(verb)
    assert not isinstance(done.exception, ImportError)
    assert "needs" not in done.stderr


def test_what_is_fitted_from_python_says_so_too(lack, tmp_path):
    lack("scipy")
    with pytest.raises(MissingExtraError, match="fitting a slowdown model needs scipy"):
        fit_slowdown_model([CoRun("x", "y", 1.2)])
    with pytest.raises(MissingExtraError, match="fitting theta needs scipy"):
        fit_thetas(PROFILES, [("a", "b", 10.0, 10.0)], HW)
    with pytest.raises(MissingExtraError, match="fitting theta needs scipy"):
        run_calibration(dict.fromkeys("abc", object), output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_error_is_ours_and_an_import_error_and_tells_what_else_there_is():
    with pytest.raises(NvinxError) as caught:
        extras.require("no_such_package.part", "report", "the page", "read the trace")
    error = caught.value
    assert isinstance(error, ImportError)
    assert (error.name, error.package, error.extra) == ("no_such_package",) * 2 + ("report",)
    assert str(error) == (
        "the page needs no_such_package, which is not installed. "
        'Fix: pip install "snakemake-executor-plugin-nvinx[report]", or read the trace.'
    )


def test_a_package_that_is_there_and_broken_is_not_said_to_be_missing(tmp_path, monkeypatch):
    (tmp_path / "a_broken_package.py").write_text("from sys import no_such_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="cannot import name") as caught:
        extras.require("a_broken_package", "report", "the page")
    assert not isinstance(caught.value, NvinxError)


def test_a_package_that_is_there_is_handed_on():
    assert extras.require("json", "report", "the page") is json
