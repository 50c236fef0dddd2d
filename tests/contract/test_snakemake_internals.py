"""What we use of Snakemake beyond its plugin interface is there; a failure names the version."""

import inspect
import signal
import threading
from pathlib import Path

import pytest
import snakemake
import snakemake.api
import snakemake.cli
from snakemake.common.tbdstring import TBDString
from snakemake.dag import DAG
from snakemake.executors.local import Executor as LocalExecutor
from snakemake.io import AnnotatedString
from snakemake.jobs import GroupJob, Job
from snakemake.persistence import PersistenceBase
from snakemake.persistence.file import FilePersistence
from snakemake.resources import GroupResources, Resource
from snakemake.rules import Rule
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.types import ResourceSettings
from snakemake.shell import shell
from snakemake.workflow import Workflow

from snakemake_executor_plugin_nvinx import snakemake_internals

HERE = f"Snakemake {snakemake.__version__} changed what nvinx builds on: "


def source(thing):
    return inspect.getsource(thing)


@pytest.mark.parametrize(
    "name",
    [
        "_errors",
        "_user_kill",
        "_executor_error",
        "_lock",
        "_open_jobs",
        "_free_resources",
        "running",
        "failed",
        "keepgoing",
    ],
)
def test_the_scheduler_has_what_handing_back_needs(name):
    assert name in source(JobScheduler), HERE + f"JobScheduler.{name}"


def test_the_scheduler_takes_note_of_sigterm_under_its_lock():
    text = source(JobScheduler)
    assert "signal.signal(signal.SIGTERM, self.exit_gracefully)" in text, HERE + "SIGTERM"
    assert "with self._lock:" in source(JobScheduler.exit_gracefully), HERE + "exit_gracefully"


def test_sigterm_is_heard_while_the_main_thread_holds_the_schedulers_lock():
    scheduler = JobScheduler.__new__(JobScheduler)
    scheduler._lock, scheduler._open_jobs = threading.Lock(), threading.Semaphore(0)
    before = signal.signal(signal.SIGTERM, scheduler.exit_gracefully)
    try:
        snakemake_internals.hear_sigterm(scheduler)
        with scheduler._lock:
            signal.raise_signal(signal.SIGTERM)
        assert scheduler._open_jobs.acquire(timeout=10)
        assert snakemake_internals.is_killed(scheduler)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_executor_errors_can_be_reported_to_the_scheduler():
    parameters = inspect.signature(JobScheduler.executor_error_callback).parameters
    assert list(parameters) == ["self", "exception"], HERE + "executor_error_callback"


@pytest.mark.parametrize(
    "name",
    [
        "_ready_jobs",
        "needrun_jobs",
        "dependencies",
        "_group",
        "toposorted",
        "get_unneeded_temp_files",
    ],
)
def test_the_dag_has_what_handing_back_and_ordering_need(name):
    assert name in source(DAG), HERE + f"DAG.{name}"


@pytest.mark.parametrize(
    "name",
    [
        "run_single_job",
        "run_group_job",
        "job_args_and_prepare",
        "spawn_job",
        "pool",
        "use_threads",
        "workers",
    ],
)
def test_the_local_executor_can_be_given_a_pool_and_a_shell(name):
    assert name in source(LocalExecutor), HERE + f"local Executor.{name}"


def test_jobs_keep_their_expanded_resources_where_we_reset_them():
    for name in ("_resources", "_scheduler_resources", "_params", "_non_derived_params"):
        assert name in source(Job), HERE + f"Job.{name}"
    assert "_scheduler_resources" in source(GroupJob), HERE + "GroupJob"
    parameters = inspect.signature(Rule.expand_resources).parameters
    assert {"wildcards", "input", "attempt", "skip_evaluation"} <= set(parameters), (
        HERE + "expand_resources"
    )


def test_a_rule_may_name_its_shell():
    assert 'resources.get("shell_exec")' in source(shell.__new__), HERE + "shell_exec"


def test_it_can_be_told_what_a_rule_has_from_defaults_alone():
    names = ("_parsed_default_resources", "_parsed_overwrite_resources")
    for name in names:
        assert hasattr(ResourceSettings, name), HERE + f"ResourceSettings.{name}"
    assert "rule.ruleinfo = ruleinfo" in source(Workflow.rule), HERE + "Rule.ruleinfo"


def test_numbers_with_a_fraction_are_rounded():
    assert Resource("gpu", 0.5).value == 0, HERE + "Resource"


def test_what_waits_for_a_file_is_told_from_other_texts():
    of_input = AnnotatedString("a.bin")
    stated = {
        "n": 2,
        "text": "b",
        "input": of_input,
        "path": Path("my data/c"),
        "open": TBDString(),
    }
    known = snakemake_internals.known_values(stated.items())

    assert known == {"n": 2, "text": "b", "input": "a.bin", "path": "'my data/c'"}, HERE + "TBD"
    assert {type(value) for value in known.values()} == {int, str}


def test_a_rule_says_how_it_became_local():
    for keyword in ("handover", "localrule"):
        assert f"ruleinfo.{keyword}" in source(Workflow.rule), HERE + f"RuleInfo.{keyword}"


def test_local_rules_and_limits_stand_where_we_change_them():
    for name in ("_localrules", "local_exec", "norun", "is_template_engine"):
        assert name in source(Workflow.is_local), HERE + f"Workflow.is_local: {name}"
    assert "resource_scopes.is_local" in source(Job._get_scheduler_resources), HERE + "scopes"
    assert "self.dag.workflow.is_local(self.rule)" in source(Job), HERE + "Job.is_local"
    assert "self.rule.expand_resources(" in source(Job), HERE + "Rule.expand_resources"


def test_the_command_line_is_filled_in_between_reading_the_settings_and_using_them():
    text = source(snakemake.cli.args_to_api)
    steps = ("executor_plugin.get_settings(args)", "args.cores is None", "cores=args.cores")
    used = ("nodes=args.jobs", "max_jobs_per_timespan=args.max_jobs_per_timespan")
    places = [text.find(step) for step in (*steps, *used)]
    assert -1 not in places, HERE + "args_to_api"
    assert places == sorted(places), HERE + "args_to_api"


def test_the_default_limit_of_jobs_a_second_is_the_one_that_we_leave_out():
    _, args = snakemake.cli.parse_args([])
    assert snakemake_internals._is_default(args.max_jobs_per_timespan), HERE + "max_jobs"
    _, args = snakemake.cli.parse_args(["--max-jobs-per-timespan", "100/1m"])
    assert not snakemake_internals._is_default(args.max_jobs_per_timespan), HERE + "max_jobs"


def test_groups_ask_in_one_place_whether_a_resource_is_a_text():
    parameters = inspect.signature(GroupResources._is_string_resource).parameters
    assert list(parameters) == ["name", "values"], HERE + "_is_string_resource"
    assert source(GroupResources).count("cls._is_string_resource(") == 2, HERE + "GroupResources"


def test_the_marker_of_an_unfinished_output_is_written_anew_in_place_when_its_job_begins():
    assert 'open(recpath, "w")' in source(FilePersistence._io_write), HERE + "_io_write"
    marks = source(FilePersistence._mark_incomplete)
    assert "self._io_write(self._incomplete_path," in marks, HERE + "_mark_incomplete"
    assert "self._mark_incomplete(" in source(PersistenceBase.started), HERE + "started"
    assert hasattr(FilePersistence, "_record_path"), HERE + "_record_path"


def test_what_is_written_down_of_a_job_goes_through_one_place():
    assert "self._write_record(key, record)" in source(PersistenceBase.finished), HERE + "finished"
    assert hasattr(PersistenceBase, "_get_key"), HERE + "_get_key"
    for name in ("_params", "_non_derived_params"):
        assert f"self.{name} = None" in source(Job.__init__), HERE + f"Job.{name}"
