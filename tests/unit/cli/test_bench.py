"""`nvinx bench` and `nvinx init`, as people type them."""

import json
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from nvinx.bench.parse import parse
from nvinx.cli import VERBS, main

FILE = """\
hardware:
  cpu_cores: 8
  ram_gb: 16
gpus:
  - {name: a card with quite a long name for a table, vram_gb: 4, simulated: true}
  - {name: "[red]toy[/red]", vram_gb: 2, headroom_gb: 1, simulated: true}
models:
  - {name: a_model_with_quite_a_long_name_for_a_table, vram_gb: 0.9, residency: gpu_shared}
"""


@pytest.fixture
def nvinx(tmp_path, monkeypatch):
    """Runs `nvinx` in an empty folder, for a user who has no settings."""
    (tmp_path / "flow").mkdir()
    monkeypatch.chdir(tmp_path / "flow")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NVINX_BENCH", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *words: CliRunner().invoke(main, words)


@pytest.fixture
def flow(tmp_path, nvinx):
    path = tmp_path / "flow" / "nvinx.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_every_verb_is_in_the_help(nvinx):
    result = nvinx("--help")
    assert result.exit_code == 0
    hidden = {"slurm-task"}  # nobody but the executor types it
    for verb in VERBS:
        found = re.search(rf"^  {verb} ", result.output, re.MULTILINE)
        assert (found is None) == (verb in hidden)


def test_every_verb_has_help_of_its_own(nvinx):
    for verb in VERBS:
        assert nvinx(verb, "--help").exit_code == 0


def test_the_version_is_shown(nvinx):
    result = nvinx("--version")
    assert result.exit_code == 0
    assert result.output.startswith("nvinx ")


def test_an_unknown_verb_is_a_usage_error(nvinx):
    assert nvinx("bensh").exit_code == 2


@pytest.mark.parametrize("verb", VERBS)
def test_help_loads_nothing_heavy(verb):
    heavy = "{'yaml', 'rich', 'psutil', 'pynvml', 'platformdirs', 'snakemake', 'numpy'}"
    code = (
        f"import sys, nvinx.cli.{verb.replace('-', '_')}; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_bench_in_force_is_shown_with_where_each_value_came_from(nvinx, flow):
    result = nvinx("bench")
    assert result.exit_code == 0
    assert str(flow) in result.output
    assert re.search(r"CPU cores +8 +nvinx.yaml, line 2", result.output)
    assert re.search(r"RAM +16.0 GB +nvinx.yaml, line 3", result.output)
    assert re.search(r"VRAM +4.0 GB +nvinx.yaml, line 5", result.output)
    assert re.search(r"headroom +0.0 GB +default", result.output)
    assert re.search(r"headroom +1.0 GB +nvinx.yaml, line 6", result.output)
    assert "gpu_shared" in result.output
    assert "Simulated" in result.output


def test_names_are_shown_as_they_are(nvinx, flow):
    assert "[red]toy[/red]" in nvinx("bench").output


def test_the_bench_fits_80_columns_and_a_pipe(nvinx, flow):
    output = nvinx("bench").output
    table = [line for line in output.splitlines() if str(flow) not in line]
    assert max(len(line) for line in table) <= 80
    assert "\x1b" not in output


def test_the_bench_is_shown_as_json(nvinx, flow):
    plain = json.loads(nvinx("bench", "--json").output)
    assert plain["path"] == str(flow)
    assert plain["simulated"] is True
    assert [card["id"] for card in plain["cards"]] == ["simulated-0", "simulated-1"]
    assert plain["origins"]["gpus[1].headroom_gb"] == "nvinx.yaml, line 6"
    assert [model["residency"] for model in plain["models"].values()] == ["gpu_shared"]


def test_without_a_file_the_machine_is_shown(nvinx):
    result = nvinx("bench")
    assert result.exit_code == 0
    assert "none; this machine as detected" in result.output
    plain = json.loads(nvinx("bench", "--json").output)
    assert plain["path"] is None
    assert plain["cores"] == len(os.sched_getaffinity(0))
    assert plain["ram_mib"] > 0
    assert bool(plain["cards"]) or plain["problem"]


def test_a_bench_without_a_gpu_says_so(nvinx, flow):
    flow.write_text("hardware: {vram_gb: 0}", encoding="utf-8")
    result = nvinx("bench")
    assert re.search(r"GPUs +none", result.output)
    assert "No GPU: nvinx.yaml, line 1 says that this bench has no GPU." in result.output


def test_another_file_may_be_asked_for(nvinx, flow):
    other = flow.with_name("other.yaml")
    other.write_text("hardware: {cpu_cores: 3}", encoding="utf-8")
    assert re.search(
        r"CPU cores +3 +other.yaml, line 1", nvinx("bench", "--bench", str(other)).output
    )


@pytest.mark.parametrize("text", ["hardware:\n  vram: 4\n", "a: b: c\n", ""])
def test_a_mistake_in_the_file_is_one_line_and_status_2(nvinx, flow, text):
    flow.write_text(text, encoding="utf-8")
    result = nvinx("bench")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "Fix:" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there_is_one_line_and_status_2(nvinx):
    result = nvinx("bench", "--bench", "none.yaml")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_init_writes_a_file_that_is_then_in_force(nvinx, flow):
    flow.unlink()
    result = nvinx("init")
    assert result.exit_code == 0
    file = parse(flow.read_text(encoding="utf-8"), str(flow))
    assert file.cpu_cores == len(os.sched_getaffinity(0))
    assert str(flow) in nvinx("bench").output


def test_init_can_declare_a_simulated_card(nvinx, flow):
    result = nvinx("init", "-o", "toy.yaml", "--simulate-vram-gb", "4")
    assert result.exit_code == 0
    plain = json.loads(nvinx("bench", "--bench", "toy.yaml", "--json").output)
    assert plain["simulated"] is True
    assert plain["problem"] is None


def test_init_leaves_a_file_that_is_there_alone(nvinx, flow):
    result = nvinx("init")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert flow.read_text(encoding="utf-8") == FILE


def test_init_replaces_a_file_when_told_to(nvinx, flow):
    assert nvinx("init", "--force").exit_code == 0
    assert flow.read_text(encoding="utf-8") != FILE


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "1e9", "many"])
def test_init_refuses_a_card_of_no_size_and_writes_nothing(nvinx, flow, size):
    flow.unlink()
    assert nvinx("init", "--simulate-vram-gb", size).exit_code == 2
    assert not flow.exists()


def test_init_says_where_it_cannot_write(nvinx):
    result = nvinx("init", "-o", "no/such/folder/nvinx.yaml")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_the_bench_tells_of_its_slowdowns(nvinx, flow):
    pairs = "interference:\n  pairs: [{a: x, b: y, slowdown_a: 1.5, slowdown_b: 1.2}]\n"
    flow.write_text(FILE + pairs, encoding="utf-8")
    assert "2 models, 1 measured pairs" in nvinx("bench").output
    assert json.loads(nvinx("bench", "--json").output)["interference"] == ["x", "y"]


def test_slowdowns_that_cannot_be_read_are_one_line(nvinx, flow):
    flow.write_text(FILE + "interference: none.json\n", encoding="utf-8")
    result = nvinx("bench")
    assert result.exit_code == 2
    assert re.fullmatch(r"nvinx: slowdown model .*none\.json: cannot be read.*\n", result.stderr)
