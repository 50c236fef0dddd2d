"""`nvinx nextflow config` and `check`, and the files that are shipped."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from builders import granted, shared_claim, simulated_card
from click.testing import CliRunner

from nvinx import cli
from nvinx.bench.capacity import Capacity
from nvinx.jobs import attempt
from nvinx.jobs.outcome import Outcome
from nvinx.leases import memory_caps
from nvinx.leases.environment import variables
from nvinx.nextflow import ext_names, signs
from nvinx.nextflow.check import ENGINES

NEXTFLOW = Path(__file__).parents[2] / "nextflow"
BENCH = """
hardware: {cpu_cores: 6, ram_gb: 8, gpus: [{name: c, vram_gb: 4, simulated: true}]}
models:
  - {name: esm-2, vram_gb: 0.9, residency: gpu_shared}
  - {name: fold, vram_gb: 3.0, residency: gpu_exclusive}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    return tmp_path


def nvinx(*words):
    return CliRunner().invoke(cli.main, ["nextflow", *words])


def test_the_configuration_of_a_bench_names_its_size_and_its_models(here):
    done = nvinx("config", "-o", "my.config")
    assert (done.exit_code, done.output.split()[:2]) == (0, ["Wrote", "my.config."])
    text = (here / "my.config").read_text()
    assert f"includeConfig '{NEXTFLOW / 'nvinx.config'}'" in text
    assert "executor.'$local'.cpus      = 10  // 6 cores, and 4 that tasks hold" in text
    assert "resourceLimits = [cpus: 6, memory: 7629.MB]" in text
    assert "maxForks = 4" in text  # of 0.9 GB on 4 GB
    assert "withName: '(?i)(.*:)?esm.2'" in text
    assert text.count("task.ext.nvinx_guard") == 2
    assert f"ext.nvinx_bench = '{here / 'nvinx.yaml'}'" in text


def test_a_file_that_is_there_is_kept_unless_forced(here):
    assert nvinx("config", "-o", "nvinx.yaml").exit_code == 2
    assert (here / "nvinx.yaml").read_text() == BENCH
    assert nvinx("config", "-o", "nvinx.yaml", "--force").exit_code == 0


def test_a_folder_that_is_not_there_is_told(here):
    done = nvinx("config", "-o", "no/such/folder")
    assert done.exit_code == 2
    assert "cannot be written" in done.output


def test_a_machine_without_models_and_card_has_a_configuration_too(here):
    (here / "nvinx.yaml").write_text("hardware: {cpu_cores: 2, vram_gb: 0, ram_gb: 4}\n")
    done = nvinx("config", "-o", "-")
    assert done.exit_code == 0
    assert "maxForks" not in done.output


def test_the_configuration_and_the_check_know_the_same_words_for_a_gpu():
    assert f"=~ /{signs.WORDS}/" in (NEXTFLOW / "nvinx.config").read_text()


def test_the_configuration_and_the_check_know_the_same_settings():
    text = (NEXTFLOW / "nvinx.config").read_text()
    assert f"==~ /{ext_names.LIKE_OURS}/" in text
    listed = text.partition(".minus([")[2].partition("])")[0]
    assert set(re.findall(r"'(\w+)'", listed)) == {*ext_names.KNOWN, *ext_names.OF_CONFIGURATION}
    set_there = set(re.findall(r"^process\.ext\.(\w+)", text, re.M)) | {"nvinx_bench"}
    assert set_there - {"nvinx_mode"} == set(ext_names.OF_CONFIGURATION)
    asked = set(re.findall(r"task\.ext\.(\w+)", text)) - {"use_gpu", "keySet"}
    assert asked == {*ext_names.KNOWN, *ext_names.OF_CONFIGURATION}


def test_on_several_cards_as_many_tasks_may_have_one_alone(here):
    two = BENCH.replace("gpus: [{", "gpus: [{name: d, vram_gb: 4, simulated: true}, {")
    (here / "nvinx.yaml").write_text(two)
    text = nvinx("config", "-o", "-").output
    block = text.partition("withLabel: 'nvinx_gpu_exclusive|nvinx_gpu_overflow' {")[2]
    assert block.split()[:3] == ["maxForks", "=", "2"]


def test_containers_get_every_variable_that_a_job_gets():
    capacity = Capacity((simulated_card(),), 1, 1)
    placement = granted(shared_claim(), card="simulated-0")
    wanted = {
        *variables("x", placement, capacity),
        *memory_caps.variables(placement, capacity, "", {}),
        *attempt.variables(2, Outcome.OUT_OF_MEMORY),
    }
    lines = (NEXTFLOW / "nvinx.config").read_text().splitlines()
    lists = {line.split("=")[0].strip(): line.split("'")[1] for line in lines if "envWh" in line}
    assert set(lists) == {f"{engine}.envWhitelist" for engine in ENGINES}
    for names in lists.values():
        assert set(names.split(",")) == wanted - {"PYTHONPATH"}  # a path of the host


@pytest.mark.usefixtures("two_parsers")
def test_nextflow_lints_the_configurations_clean(flow):
    flow.run("nvinx", "nextflow", "config")
    assert (flow.folder / "nvinx.local.config").exists()
    files = [str(path) for path in (*NEXTFLOW.glob("*.config"), "nvinx.local.config")]
    done = flow.run(flow.program, "lint", *files)
    assert "3 files had no errors" in done.stdout, done.stdout


@pytest.mark.usefixtures("two_parsers")
@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_a_process_named_like_a_model_of_the_bench_needs_no_label(flow, parser):
    """And either parser reads the configuration that says so."""
    flow.environ["NXF_SYNTAX_PARSER"] = parser
    flow.run("nvinx", "nextflow", "config")
    flow.write(
        "named.nf",
        """
process ESM {
    script: 'echo "$NVINX_PLACEMENT:$NVINX_VRAM_MB" >> $TRUTH/ran'
}
workflow { ESM() }
""",
    )
    flow.configs = ("nvinx.local.config",)
    done = flow.run(*flow.nextflow("named.nf"))
    assert done.returncode == 0, done.stdout
    assert flow.ran() == ["gpu_shared:900"]


def test_the_wheel_ships_every_file_that_a_user_gives_to_nextflow():
    wheel = tomllib.loads((NEXTFLOW.parent / "pyproject.toml").read_text())["tool"]["hatch"]
    shipped = wheel["build"]["targets"]["wheel"]["force-include"]
    for path in (*NEXTFLOW.glob("*.config"), *NEXTFLOW.glob("*.sh")):
        assert shipped[f"nextflow/{path.name}"] == f"nvinx/_nextflow/{path.name}"
