"""What `nvinx-slurm` leans on in snakemake-executor-plugin-slurm; a failure says what to look at."""

import asyncio
import inspect
import threading
from dataclasses import fields
from importlib.metadata import version
from types import SimpleNamespace

import aside  # noqa: F401  (it makes the plugin importable)
import pytest
from recorded_slurm import RecordedSlurm, executor, job
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.registry.plugin import Plugin

plugin = pytest.importorskip("snakemake_executor_plugin_slurm")
jobstep = pytest.importorskip("snakemake_executor_plugin_slurm_jobstep")

NAME = "snakemake-executor-plugin-slurm"
CHANGED = f"{NAME} {version(NAME)} changed what nvinx-slurm builds on: "


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return RecordedSlurm(tmp_path / "bin")


@pytest.fixture
def made(slurm):
    """Makes executors, and shuts them down."""
    every = []

    def make(**settings):
        every.append(executor(plugin, **settings))
        return every[-1]

    yield make
    for one in every:
        one.shutdown()


def submit(one, submitted):
    """Have it submitted, and wait for the thread that does so."""
    one.run_jobs([submitted])
    one._job_submission_executor.shutdown(wait=True)
    (done,) = (*one.workflow.scheduler.submitted, *one.workflow.scheduler.failed)
    return done


def check(one, *infos):
    """The jobs that one look at the states leaves active."""

    async def look():
        return [info async for info in one.check_active_jobs(list(infos))]

    return asyncio.run(look())


def info(number="7", **resources):
    aux = {"slurm_logfile": SimpleNamespace(exists=lambda: False)}
    return SubmittedJobInfo(job(**resources), external_jobid=number, aux=aux)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("__init__", ["self", "workflow", "logger"]),
        ("__post_init__", ["self", "test_mode"]),
        ("run_jobs", ["self", "jobs"]),
        ("run_job", ["self", "job"]),
        ("check_active_jobs", ["self", "active_jobs"]),
        ("cancel", ["self"]),
        ("additional_general_args", ["self"]),
        ("format_job_exec", ["self", "job"]),
        ("get_job_exec_prefix", ["self", "job"]),
        ("get_account_arg", ["self", "job"]),
        ("report_job_success", ["self", "job_info"]),
        ("shutdown", ["self"]),
    ],
)
def test_the_methods_that_are_overridden_have_the_same_parameters(method, parameters):
    found = list(inspect.signature(getattr(plugin.Executor, method)).parameters)
    assert found == parameters, CHANGED + f"Executor.{method}"


@pytest.mark.parametrize(
    "setting",
    [
        "array_jobs",
        "exclude_failed_nodes",
        "init_seconds_before_status_checks",
        "no_requeue",
        "pass_command_as_script",
        "requeue",
        "status_attempts",
        "status_command",
    ],
)
def test_the_settings_that_are_used_are_there(setting):
    assert setting in {field.name for field in fields(plugin.ExecutorSettings)}, CHANGED + setting


def test_a_subclass_has_all_settings_under_its_own_prefix():
    named = Plugin(
        _name="nvinx-slurm",
        executor=plugin.Executor,
        common_settings=plugin.common_settings,
        _executor_settings_cls=plugin.ExecutorSettings,
    )
    assert named.get_cli_arg("status_command") == "--nvinx-slurm-status-command"


def test_resources_reach_sbatch(made, slurm):
    wanted = {"gres": "shard:2", "constraint": "a&b", "mem_mb": 100, "runtime": 5}
    submit(made(exclude_failed_nodes="bad"), job(**wanted, slurm_extra="--exclude=n1"))
    called = slurm.called("sbatch")
    for word in ("--gres=shard:2", "a&b", "--export=ALL", "--exclude=bad", "--exclude=n1"):
        assert word in called, CHANGED + f"get_submit_command, set_gres_string: {word}"
    for word in ("--ntasks=1", "--cpus-per-task=2", "100", "rule_r_wildcards_a"):
        assert word in called, CHANGED + f"get_submit_command: {word}"
    assert called.index("--exclude=bad") < called.index("--exclude=n1"), CHANGED + "--exclude"


def test_gpu_beside_gres_is_asked_for_too_so_that_it_has_to_be_taken_away(made, slurm):
    submit(made(), job(gres="shard:2", gpu=1))
    assert {"--gres=shard:2", "--gpus=1"} <= set(slurm.called("sbatch")), (
        CHANGED + "set_gres_string"
    )


def test_a_node_that_failed_is_excluded_from_the_next_submission(made, slurm):
    one = made()
    one._failed_nodes.add("n2")
    submit(one, job())
    assert "--exclude=n2" in slurm.called("sbatch"), CHANGED + "Executor._failed_nodes"


def test_a_command_passed_as_script_arrives_to_the_letter(made, slurm):
    one = made(pass_command_as_script=True)
    one.format_job_exec = lambda job: """echo 'a$HOME"b`date`\\c'"""
    submit(one, job())
    assert slurm.called("sbatch")[-1] == "/dev/stdin", CHANGED + "run_job"
    assert slurm.script == """#!/bin/sh\necho 'a$HOME"b`date`\\c'""", CHANGED + "run_job"


def test_a_command_that_is_wrapped_is_expanded_by_the_submitting_shell(made, slurm):
    one = made()
    one.format_job_exec = lambda job: "echo '$((1 + 1))'"
    submit(one, job())
    assert "--wrap=echo '2'" in slurm.called("sbatch"), CHANGED + "run_job (better than it was)"


def test_snakemake_starts_again_in_a_job_step_only_by_the_additional_arguments(made):
    one = made()
    assert one.additional_general_args() == "--executor slurm-jobstep --jobs 1", (
        CHANGED + "additional_general_args"
    )
    assert "--executor slurm-jobstep --jobs 1 --mode 'remote'" in one.format_job_exec(job())
    one.additional_general_args = str
    assert "--executor" not in one.format_job_exec(job()), CHANGED + "format_job_exec"


def test_tasks_of_an_array_need_the_job_step_executor():
    assert "--slurm-jobstep-array-execs" in inspect.getsource(plugin.Executor.run_array_jobs), (
        CHANGED + "run_array_jobs"
    )
    assert "array_execs" in {field.name for field in fields(jobstep.ExecutorSettings)}


def test_jobs_are_submitted_by_threads_of_their_own(made, slurm):
    one, seen = made(), []
    one.get_job_exec_prefix = lambda job: seen.append(threading.current_thread().name) or ""
    submit(one, job())
    assert seen[0].startswith("slurm_job_submit"), CHANGED + "_submit_job"


def test_a_submission_that_is_refused_is_a_failed_job(made, slurm):
    (slurm.folder / "sbatch").write_text("#!/bin/sh\nexit 1\n")
    one, refused = made(), job()
    submit(one, refused)
    assert one.workflow.scheduler.failed == [refused], CHANGED + "run_job"


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "PREEMPTED"])
def test_a_job_in_this_state_stays_active(made, slurm, state):
    slurm.says(f"7|{state}")
    active = info()
    assert check(made(), active) == [active], CHANGED + "check_active_jobs"


@pytest.mark.parametrize("state", ["CANCELLED", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"])
def test_a_job_in_this_state_has_failed(made, slurm, state):
    slurm.says(f"7|{state}")
    one, active = made(), info()
    assert check(one, active) == [], CHANGED + "check_active_jobs"
    assert one.workflow.scheduler.failed == [active.job], CHANGED + "fail_stati"


@pytest.mark.parametrize("state", ["COMPLETED", "UNKNOWN"])
def test_a_job_in_this_state_has_finished(made, slurm, state):
    slurm.says(f"7|{state}")
    one, active = made(), info()
    assert check(one, active) == [], CHANGED + "check_active_jobs"
    assert one.workflow.scheduler.finished == [active.job], CHANGED + f"status {state}"


def test_a_job_that_squeue_does_not_show_stays_active(made, slurm):
    slurm.says()
    active = info()
    assert check(made(), active) == [active], CHANGED + "check_active_jobs"


def test_all_jobs_are_forgotten_when_the_controller_does_not_answer(made, slurm):
    """`nvinx-slurm` remembers them; when this fails it need not any more."""
    assert check(made(), info()) == [], CHANGED + "check_active_jobs (better than it was)"


def test_how_long_it_sleeps_can_be_set_after_each_look(made, slurm):
    slurm.says("7|RUNNING")
    one = made()
    check(one, info())
    assert one.next_seconds_between_status_checks == 10.1, CHANGED + "next_seconds_..."
    one.next_seconds_between_status_checks = 0.5
    assert one.next_seconds_between_status_checks == 0.5, CHANGED + "next_seconds_..."


def test_all_jobs_of_a_run_have_its_name(made, slurm):
    one = made()
    submit(one, job())
    called = slurm.called("sbatch")
    assert called[called.index("--job-name") + 1] == one.run_uuid, CHANGED + "--job-name"


def test_what_is_being_submitted_is_not_cancelled_by_the_base(made, slurm):
    """`nvinx-slurm` cancels by the name; when this fails it need not any more."""
    one = made()
    one._main_event_loop = SimpleNamespace(call_soon_threadsafe=lambda *_: None)
    one.run_jobs([job()])
    one.cancel()
    assert slurm.called("sbatch")
    assert not slurm.called("scancel"), CHANGED + "cancel (better than it was)"
