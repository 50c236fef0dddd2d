"""`nvinx plan` and `nvinx simulate` show the order that a run would choose, which looks ahead."""

import json

import pytest
import yaml
from click.testing import CliRunner

from nvinx.admission.estimates import Estimates
from nvinx.admission.policy import LongestChainFirst
from nvinx.bench import machine
from nvinx.cli import main
from nvinx.simulation import simulate, workload_file

BENCH = "hardware: {cpu_cores: 4, gpus: [{name: c, vram_gb: 4, simulated: true}]}"
SECONDS = (13, 59, 21, 36, 35, 29, 11, 6, 32, 53, 49, 22)
VRAM_MB = (1500, 900, 900, 2500, 1500, 900, 2500, 2500, 1500, 900, 2500, 1500)
JOBS = [
    {
        **{"name": f"j{n}", "duration_s": s, "runtime_s": s, "cpu_duration_s": 3 * s},
        **{"vram_mb": mb, "after": [f"j{n - 4}"] if n > 3 else []},
    }
    for n, (s, mb) in enumerate(zip(SECONDS, VRAM_MB, strict=True))
]


@pytest.fixture
def played(tmp_path, monkeypatch):
    """The makespan that a verb shows, in seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    (tmp_path / "jobs.yaml").write_text(yaml.safe_dump(JOBS))

    def run(verb):
        done = CliRunner().invoke(main, [verb, "jobs.yaml", "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["makespan_s"]

    return run


def makespan_s(folder, **how):
    capacity = machine.bench(None, folder).capacity
    workload = workload_file.parse(yaml.safe_dump(JOBS), "jobs.yaml")
    return simulate.simulate(workload, capacity, LongestChainFirst(Estimates()), **how).makespan_s


@pytest.mark.parametrize("verb", ["plan", "simulate"])
def test_what_a_run_would_do_is_shown(played, tmp_path, verb):
    shown = played(verb)
    planner = simulate.planner_for(workload_file.parse(yaml.safe_dump(JOBS), "jobs"), Estimates())
    assert shown == pytest.approx(makespan_s(tmp_path, planner=planner))
    assert shown < makespan_s(tmp_path)


@pytest.mark.parametrize("verb", ["plan", "simulate"])
def test_a_large_workload_is_played_job_by_job(played, tmp_path, verb, monkeypatch):
    monkeypatch.setattr(simulate, "LOOKED_AHEAD", len(JOBS) - 1)
    assert played(verb) == pytest.approx(makespan_s(tmp_path))
