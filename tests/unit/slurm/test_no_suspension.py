"""Under nvinx-slurm no job is suspended, and the rule that asks for it is named with the fix."""

from types import SimpleNamespace

import pytest
from builders import exclusive_claim

from nvinx.errors import HintError
from nvinx.jobs.preemption import Mode, Preemptible
from snakemake_executor_plugin_nvinx import job_claims
from snakemake_executor_plugin_nvinx_slurm import run


@pytest.fixture
def handle(monkeypatch):
    monkeypatch.setattr(job_claims, "rule_of", lambda job: job.rule)
    return SimpleNamespace(rule="fold")


def test_such_a_job_is_refused(handle):
    claim = exclusive_claim(preemptible=Preemptible(Mode.SUSPEND))
    with pytest.raises(HintError) as told:
        run._demand_not_suspended(handle, claim)
    assert str(told.value) == (
        "rule fold: preemptible='suspend': cannot be under nvinx-slurm, where Slurm decides who "
        "runs. Fix: leave it out there, or run with --executor nvinx."
    )


@pytest.mark.parametrize("how", [None, Preemptible(Mode.REQUEUE)])
def test_others_are_not(handle, how):
    run._demand_not_suspended(handle, exclusive_claim(preemptible=how))
