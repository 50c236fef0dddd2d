"""A job's task gets to its node whole, and the node takes the card that Slurm gave it."""

import errno
import json
import os

import pytest
from builders import company, cpu_claim, gpu_state, job, shared_claim
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nvinx.admission.job import Job
from nvinx.catalog import Residency
from nvinx.cli import main
from nvinx.gpu.ports import GpuInventory
from nvinx.history.runs import PastRun
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.outcome import Outcome
from nvinx.slurm import node as slurm_node
from nvinx.slurm.task import End, Task

SHARED = shared_claim(858, kind="embed")
CPU = cpu_claim()
UUID = "GPU-1234"
DRIVER = GpuInventory(
    tuple(
        gpu_state(index, id=uuid, name="A100", total_mib=40_000)
        for index, uuid in enumerate(("GPU-0", UUID))
    )
)
NO_DRIVER = GpuInventory(())


def task(claim=SHARED, **other):
    return Task(job=job("engine.1", claim, name="embed[3]"), card_mib=3814, **other)


@given(st.text(), st.lists(st.text()), st.none() | st.text(), st.booleans())
def test_a_task_reads_as_it_was_written(name, logs, state, caps):
    asked = Job("engine.1", name, SHARED, "engine")
    made = Task(job=asked, card_mib=1, card_name=name, logs=tuple(logs), state_dir=state, caps=caps)
    assert Task.read(made.text()) == made


@pytest.mark.parametrize("outcome", Outcome)
def test_an_end_reads_as_it_was_written(outcome):
    run = PastRun(
        name="embed[3]", kind="embed", profile="embed", residency=Residency.GPU_SHARED, ran_s=1.5,
        card="A100", company=(company(0.5, "fold"),), outcome=outcome, declared_mib=858, peak_mib=700,
    )  # fmt: skip
    for made in (
        End(node="n1", outcome=outcome, peak_mib=700, run=run),
        End(node="n1", outcome=outcome),
    ):
        assert End.read(made.text()) == made


def card(environ, look=DRIVER, claim=SHARED, **other):
    cards = slurm_node.bench_here(task(claim, **other), environ, look).cards
    return cards[0] if cards else None


@pytest.mark.parametrize("granted", ["1", UUID, f"{UUID},GPU-0"])
def test_the_card_is_the_one_that_slurm_gave(granted):
    found = card({"CUDA_VISIBLE_DEVICES": granted})
    assert (found.id, found.index, found.total_mib, found.simulated) == (UUID, 1, 40_000, False)
    assert found.shareable_mib == 3814


def test_a_job_of_several_cards_has_all_that_slurm_gave():
    claim = replace(SHARED, cards=CardCount(2, 2))
    granted = {"CUDA_VISIBLE_DEVICES": f"2,{UUID}", "SLURMD_NODENAME": "n7"}
    found = slurm_node.bench_here(task(claim), granted, NO_DRIVER).cards
    assert [one.id for one in found] == ["n7-2", f"n7-{UUID}"]


def test_the_card_is_called_as_the_bench_file_calls_it_or_nothing_would_be_learned():
    assert card({"CUDA_VISIBLE_DEVICES": "1"}, card_name="a100").name == "a100"
    assert card({"CUDA_VISIBLE_DEVICES": "1"}).name == "A100"


def test_without_a_driver_it_is_the_one_that_the_bench_file_describes():
    found = card({"CUDA_VISIBLE_DEVICES": "2", "SLURMD_NODENAME": "n7"}, NO_DRIVER, card_name="toy")
    assert (found.id, found.index, found.name) == ("n7-2", 2, "toy")
    assert (found.total_mib, found.simulated) == (3814, True)


def test_cpu_work_gets_no_card_whatever_slurm_gave():
    assert card({"CUDA_VISIBLE_DEVICES": "0"}, claim=CPU) is None
    assert card({}) is None


def test_cores_and_ram_are_enough_as_slurm_has_judged():
    claim = cpu_claim(cores=10_000, ram_mib=10**9)
    found = slurm_node.bench_here(task(claim), {}, NO_DRIVER)
    assert (found.cores, found.ram_mib) == (claim.cores, claim.ram_mib)


def run(tmp_path, monkeypatch, script, made):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    monkeypatch.delenv("NVINX_JOB", raising=False)
    monkeypatch.setattr(slurm_node, "NvmlProbe", type("None", (), {"read": lambda _: NO_DRIVER}))  # fmt: skip
    file = tmp_path / "task.json"
    file.write_text(made.text())
    result = CliRunner().invoke(main, ["slurm-task", str(file), "sh", "-c", script])
    return result, file


def test_a_job_gets_its_environment_and_leaves_its_end(tmp_path, monkeypatch):
    made = task(state_dir=str(tmp_path / "state"), card_name="toy")
    script = f"env > {tmp_path / 'env'}"
    result, file = run(tmp_path, monkeypatch, script, made)

    assert result.exit_code == 0, result.output
    said = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)  # fmt: skip
    assert (said["NVINX_PLACEMENT"], said["NVINX_VRAM_MB"]) == ("gpu_shared", "900")
    assert said["CUDA_VISIBLE_DEVICES"] == "0"
    assert file.with_suffix(slurm_node.BEGUN).read_text() == "n7"
    end = End.read(file.with_suffix(slurm_node.ENDED).read_text())
    assert (end.node, end.outcome, end.run.card, end.run.kind) == ("n7", Outcome.OK, "toy", "embed")


def test_out_of_memory_is_told_from_stderr_and_from_the_rules_log(tmp_path, monkeypatch):
    words = "torch.OutOfMemoryError: CUDA out of memory."
    log = tmp_path / "rule.log"
    state = str(tmp_path / "state")
    _, file = run(tmp_path, monkeypatch, f"echo '{words}' >&2; exit 1", task(state_dir=state))
    assert json.loads(file.with_suffix(slurm_node.ENDED).read_text())["outcome"] == "out_of_memory"
    made = task(state_dir=state, logs=(str(log),))
    result, file = run(tmp_path, monkeypatch, f"echo '{words}' > {log}; exit 3", made)
    assert result.exit_code == 3
    assert json.loads(file.with_suffix(slurm_node.ENDED).read_text())["outcome"] == "out_of_memory"
    result, file = run(tmp_path, monkeypatch, "exit 3", task(state_dir=state))
    assert json.loads(file.with_suffix(slurm_node.ENDED).read_text())["outcome"] == "failed"


def test_a_job_that_ends_after_its_run_has_its_own_status(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    made = task(state_dir=str(tmp_path / "state"))
    result, file = run(tmp_path / "run", monkeypatch, f"rm -r {tmp_path / 'run'}; exit 3", made)
    assert result.exit_code == 3
    assert "permissions" not in result.output
    assert not file.parent.exists()


def test_a_state_folder_that_cannot_be_used_is_told_with_the_option_for_nodes(
    tmp_path, monkeypatch
):
    (tmp_path / "state").touch()
    result, _ = run(tmp_path, monkeypatch, "true", task(state_dir=str(tmp_path / "state")))
    told = "(on node n7). Fix: name a folder on the nodes' own disks with --nvinx-slurm-node"
    assert result.exit_code != 0
    assert told in result.output


def test_a_job_is_none_the_worse_where_its_end_cannot_be_written(tmp_path, monkeypatch):
    made = task(state_dir=str(tmp_path / "state"))

    def full(text, file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(slurm_node, "write", full)
    result, file = run(tmp_path, monkeypatch, "true", made)
    assert result.exit_code == 0, result.output
    assert (
        f"{file.with_suffix('.end')} cannot be written (No space left on device)" in result.output
    )
