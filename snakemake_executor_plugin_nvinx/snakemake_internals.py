"""Everything of Snakemake that is not its plugin interface, in one guarded place.

The contract test for this file names the Snakemake version when one of these changes.
"""

from __future__ import annotations

import _thread
import contextlib
import copy
import os
import shlex
import signal
import sys
import threading
from concurrent.futures import Future
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from concurrent.futures import Executor as Pool
    from pathlib import Path

_RAM = "mem_mb"
_VRAM = "vram_mb"
_COMMAND_LINE = "args_to_api"
_DEFAULT_RATE = 100, 1  # jobs, seconds


class InlinePool:
    """Runs what is submitted at once, in the caller's own thread."""

    def submit(self, work: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True) -> None:
        """Nothing is left running, so there is nothing to wait for."""


def local_executor(workflow: Any, logger: Any, pool: Pool | InlinePool) -> Any:
    """Snakemake's own local executor, with its jobs run in `pool`."""
    from snakemake_interface_executor_plugins.registry import (
        ExecutorPluginRegistry,
    )

    local = ExecutorPluginRegistry().get_plugin("local").executor(workflow, logger)
    local.pool.shutdown()
    local.pool = pool
    local.use_threads = False
    local.workers = 10**6
    return local


def run_in_processes(workflow: Any) -> None:
    """Let `run:` and `shadow:` jobs have processes of their own, as they have under `--cores`.

    Remote mode forces threads; a thread would change this process's working directory.
    """
    workflow.execution_settings.use_threads = False


def cap_threads(workflow: Any, cores: int) -> None:
    """Scale rules that claim more threads down to the bench, as `--cores` does."""
    if workflow.resource_settings.cores is None:
        workflow.resource_settings.cores = cores
        workflow.global_resources["_cores"] = cores
        forget_resources(workflow.dag.jobs)


def can_be_evaluated(job: Any) -> bool:
    """Whether a job's resources can be computed yet, which may need what earlier jobs make.

    Functions of users may raise anything then; once the job is ready, Snakemake reports it.
    """
    return evaluation_error(job) is None


def evaluation_error(job: Any) -> Exception | None:
    """Why a job's resources cannot be computed: what a function of the user raised, if one did."""
    try:
        for member in members(job):
            _ = member.resources
    except Exception as error:
        return error
    return None


def known_values(resources: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Numbers and plain texts, but for what waits for a file, which is a text of its own kind.

    Texts may be of any kind: an input file, one of numpy's. A path is one word of a text.
    """
    from pathlib import PurePath

    from snakemake.common.tbdstring import TBDString

    known = {name: value for name, value in resources if not isinstance(value, TBDString)}
    words = {k: shlex.quote(str(v)) for k, v in known.items() if isinstance(v, PurePath)}
    texts = {k: str(v) for k, v in known.items() if isinstance(v, str)}
    return known | words | texts


def named(params: Any) -> list[tuple[str, Any]]:
    """All params with their names; those without one are all called `params`."""
    return [(name or "params", value) for name, value in params._allitems()]


def params_now(job: Any) -> Any:
    """A job's params as they are now, not kept by Snakemake; its rule's where that fails."""
    before = job._params, job._non_derived_params
    try:
        return job.params
    except Exception:
        return job.rule.params  # what they need may be made by an earlier job
    finally:
        job._params, job._non_derived_params = before


def forget_resources(jobs: Iterable[Any]) -> None:
    """Have the resources of these jobs evaluated again when next asked for."""
    for job in jobs:
        job._resources = None
        job._scheduler_resources = None


def replace_resources(job: Any, wanted: dict[str, Any]) -> None:
    """Have a job ask for these resources from now on, until it is evaluated anew."""
    job._resources = type(job.resources)(fromdict=wanted)


def let_group_texts_differ() -> None:
    """Let the members of a group have different texts as resources, as they may under `--cores`.

    Snakemake demands one text for all, as a cluster would get it; here each member is read alone.
    """
    from snakemake.resources import GroupResources

    def is_text(_cls: type, _name: str, values: Iterable[Any]) -> bool:
        return not all(isinstance(value, int) for value in values)

    GroupResources._is_string_resource = classmethod(is_text)


def take_local_rules(workflow: Any) -> None:
    """Have `localrules` handed over too, so that they count as everybody: as under `--cores`.

    What has nothing to run, as a rule `all`, stays Snakemake's own.
    """
    is_local = workflow.is_local
    workflow.is_local = lambda rule: is_local(rule) and (rule.norun or rule.is_template_engine)


def is_local_rule(job: Any) -> bool:
    """Whether the workflow says that the job is local, or it has nothing to run."""
    return bool(job.is_local or job.rule.name in job.rule.workflow._localrules)


def to_be_no_local_rule(job: Any) -> str | None:
    """What to change of a local rule so that it is none; None where nothing can be."""
    rule = job.rule
    if rule.norun or rule.is_template_engine:
        return None
    for keyword in ("handover", "localrule"):
        if getattr(rule.ruleinfo, keyword):
            return f"leave out {keyword}: True"
    return "take the rule out of localrules"


def hold_limits(workflow: Any) -> None:
    """Let all of `--resources` limit sums, also what by default is each job's own elsewhere.

    But for RAM, which nvinx counts itself: a job that waits for the card then holds none.
    """
    names = {name for name in workflow.global_resources if not name.startswith("_")} - {_RAM}
    workflow.resource_scopes.update(dict.fromkeys(names, "global"))


def demand_countable_vram(workflow: Any, problem: Callable[[str, str, int], Exception]) -> None:
    """Refuse ranges and other texts of VRAM where `--resources vram_mb=N` is to count it.

    problem: the error for a rule, what it states, and the limit in MB.
    """
    limit = workflow.global_resources.get(_VRAM)
    if limit is not None and isinstance(limit.value, int):
        for rule in workflow.rules:
            rule.expand_resources = _countable(rule, limit.value, problem)
        forget_resources(workflow.dag.jobs)


def _countable(
    rule: Any, limit_mb: int, problem: Callable[[str, str, int], Exception]
) -> Callable[..., Any]:
    expand = rule.expand_resources

    def expanded(*args: Any, **named: Any) -> Any:
        from snakemake.exceptions import ResourceConstraintError, WorkflowError

        try:
            resources = expand(*args, **named)
        except WorkflowError as error:
            cause = error.__context__
            if isinstance(cause, ResourceConstraintError) and f'"{_VRAM}"' in str(cause):
                raise problem(rule.name, _VRAM, limit_mb) from None
            raise
        if isinstance(size := resources.get("vram"), str) and "-" in size:
            raise problem(rule.name, "vram", limit_mb)
        return resources

    return expanded


def limit_vram(workflow: Any, vram_mb: Callable[[dict[str, Any]], int | None]) -> None:
    """Let a limit of `vram_mb` count and hold rules that state their VRAM in other words, too.

    vram_mb: what a job's resources ask for; None where they do not say, or say `vram_mb` itself.
    """
    limit = workflow.global_resources.get(_VRAM)
    if limit is not None and isinstance(limit.value, int):
        for rule in workflow.rules:
            rule.expand_resources = _in_limit(rule.expand_resources, limit.value, vram_mb)
        forget_resources(workflow.dag.jobs)


def _in_limit(
    expand: Callable[..., Any], limit_mb: int, vram_mb: Callable[[dict[str, Any]], int | None]
) -> Callable[..., Any]:
    def expanded(*args: Any, **named: Any) -> Any:
        resources = expand(*args, **named)
        wanted = vram_mb(dict(resources.items()))
        if wanted is None:
            return resources
        given = min(wanted, limit_mb)
        same = {"vram": f"{given}MB", _VRAM: given}
        return type(resources)(fromdict={**dict(resources.items()), **same})

    return expanded


def ram_limit_mb(workflow: Any) -> int | None:
    """The RAM that `--resources` leaves to the run; None where it says nothing."""
    limit = workflow.global_resources.get(_RAM)
    return None if limit is None or limit.value is None else int(limit.value)


def fill_in_limits(cores: Callable[[Path | None, Path | None], int]) -> None:
    """Give the command line what it leaves out: all jobs at once, on so many cores.

    Snakemake wants both before it reads the Snakefile, and asks no executor. Its default of 100
    jobs a second spares the queue of a cluster; here it would make Snakemake choose among all that
    are ready again and again. cores: told of the Snakefile and the working folder, where they are
    named.
    """
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name != _COMMAND_LINE:
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or frame.f_globals.get("__name__") != "snakemake.cli":
        return
    args = frame.f_locals["args"]
    if args.jobs is None:
        args.jobs = sys.maxsize
    if args.max_jobs_per_timespan is not None and _is_default(args.max_jobs_per_timespan):
        args.max_jobs_per_timespan = None
    if args.cores is None and not args.touch:
        args.cores = cores(args.snakefile, args.directory)


def _is_default(rate: Any) -> bool:
    return bool((rate.max_jobs, rate.timespan) == _DEFAULT_RATE)


def limited_names(job: Any) -> set[str]:
    """The resources that the user limits with `--resources`."""
    return set(job.rule.workflow.global_resources)


def default_names(job: Any) -> set[str]:
    """The resources that the job has from a profile or `--default-resources`, not from its rule."""
    settings, rule = job.rule.workflow.resource_settings, job.rule
    _, stated = rule.ruleinfo.resources or ((), {})
    stated = {*stated, *settings._parsed_overwrite_resources.get(rule.name, {})}
    given = set(settings._parsed_default_resources)
    same = {_VRAM} if "vram" in given - stated else set()
    return (given | same) - stated


def rounded_numbers(job: Any) -> dict[str, float]:
    """The numbers with a fraction that the job's rule states; Snakemake rounds them.

    What a function returns is not among them, nor what the command line states instead.
    """
    settings, rule = job.rule.workflow.resource_settings, job.rule
    _, stated = rule.ruleinfo.resources or ((), {})
    instead = settings._parsed_overwrite_resources.get(rule.name, {})
    return {
        name: value
        for name, value in stated.items()
        if isinstance(value, float) and not value.is_integer() and name not in instead
    }


def typed_numbers(job: Any) -> dict[str, float]:
    """The numbers with a fraction that the command line or a profile states for the job's rule."""
    settings, rule = job.rule.workflow.resource_settings, job.rule
    return _numbers(settings._parsed_overwrite_resources.get(rule.name, {}))


def default_numbers(job: Any) -> dict[str, float]:
    """The same of those that it states for all rules, where the job's own says nothing else."""
    defaults = job.rule.workflow.resource_settings._parsed_default_resources
    return _numbers({name: defaults[name] for name in default_names(job) if name in defaults})


def _numbers(typed: Mapping[str, Any]) -> dict[str, float]:
    """Those with a fraction, as `0.5` or `1/3`: Snakemake works them out and rounds them."""
    numbers = {name: _number(resource.raw) for name, resource in typed.items()}
    return {k: v for k, v in numbers.items() if v is not None and not v.is_integer()}


def _number(typed: object) -> float | None:
    try:
        return float(Fraction(typed)) if isinstance(typed, str | float) else None
    except (ValueError, ZeroDivisionError):
        return None


def set_attempt(job: Any, number: int) -> None:
    """Have a job, or all of a group, evaluate its functions of `attempt` with this number."""
    job.attempt = number


def without_retries(rules: Collection[str]) -> str:
    """Options for a job's own process: it does not try jobs of these rules again by itself.

    `--retries 0` leaves a rule its own `retries`; those of rules that a cloud may end do not.
    """
    return f"--preemptible-rules {' '.join(rules)} --preemptible-retries 0" if rules else ""


def lacks_output(job: Any) -> bool:
    """Whether a job that ended well left out a file that it was to write.

    Files that Snakemake itself makes afterwards (`touch`) do not count, nor pipes.
    """
    return any(
        not os.path.exists(file)
        for member in members(job)
        for file in member.output
        if file not in member.touch_output and file not in member.pipe_or_service_output
    )


def evaluate_tmpdir(job: Any, *, anew: bool = False) -> None:
    """Evaluate `resources.tmpdir` here: remote mode leaves it, and params that use it, open.

    anew: params, too. Else they keep their values of the first attempt, as under `--cores`.
    """
    job._resources = job.rule.expand_resources(
        job.wildcards_dict, job.input, job.attempt, skip_evaluation=set()
    )
    if job.attempt == 1 or anew:
        job._params = None
        job._non_derived_params = None


def shell_of(job: Any) -> str:
    """The shell that the rule names, else the one that Snakemake uses for all others."""
    from snakemake.shell import shell

    return str(job.resources.get("shell_exec") or shell.get_executable() or "sh")


def with_shell(resources: Any, executable: str) -> Any:
    """A job's resources that answer `get("shell_exec")` with `executable`.

    Nothing else about them changes: a rule that prints `{resources}` prints what it always did,
    and a script gets the plain resources, since its environment need not have this plugin.
    """
    plain = type(resources)

    class Placed(plain):  # type: ignore[valid-type,misc]
        def get(self, key: str, default: Any = None) -> Any:
            return executable if key == "shell_exec" else super().get(key, default)

        def __reduce_ex__(self, protocol: Any) -> Any:
            return (copy.copy, (resources,))

    return Placed(toclone=resources)


def members(job: Any) -> list[Any]:
    return list(job.jobs) if job.is_group() else [job]


def groups(workflow: Any) -> set[Any]:
    """The groups as the run knows them now."""
    return set(workflow.dag._group.values())


def levels(group: Any) -> list[list[Any]]:
    """A group's members in Snakemake's layers: those of one run side by side, layer after layer."""
    if runs_all_at_once(group):
        return [list(group.jobs)]
    layers = group.dag.toposorted(group.jobs, inherit_pipe_dependencies=True)
    return [list(layer) for layer in layers]


def runs_all_at_once(group: Any) -> bool:
    """True for a group whose members are joined by pipes or services only."""
    inside = set(group.jobs)
    dependencies = group.dag.dependencies
    for job in group.jobs:
        for other, files in dependencies[job].items():
            if other in inside and not all(_flows(other, f) for f in files):
                return False
    return any(job.is_pipe or job.is_service for job in group.jobs)


def _flows(producer: Any, file: Any) -> bool:
    return file in producer.pipe_or_service_output


class Times(NamedTuple):
    """When the members of a group began and ended, where that is known, in seconds since 1970."""

    begun: Mapping[Any, float]
    ended: Mapping[Any, float]


class Markers:
    """When the members of a group began and ended, or one job, as their own process knows.

    That process writes the marker of an unfinished output anew when its job begins, and removes it
    when the job ends; a file that is open tells both.
    """

    def __init__(self, workflow: Any, handle: Any) -> None:
        """To be made once Snakemake has marked the outputs, and before that process runs."""
        self._open: dict[Any, tuple[int, int, str]] = {}
        self._closing = threading.Lock()
        persistence = workflow.persistence
        for job in members(handle):
            for file in list(job.output)[:1]:
                with contextlib.suppress(OSError, AttributeError):  # records in a data base
                    folder, key = persistence._incomplete_path, persistence._get_key(file)
                    path = persistence._record_path(folder, key)
                    marker = os.open(path, os.O_RDONLY)
                    self._open[job] = marker, os.fstat(marker).st_mtime_ns, path

    def removed(self) -> set[Any]:
        """Those whose marker is gone by now, and not there anew for another try."""
        with self._closing:
            return {job for job, (_, _, path) in self._open.items() if not os.path.exists(path)}

    def close(self) -> Times:
        with self._closing:
            now = {job: os.fstat(marker) for job, (marker, _, _) in self._open.items()}
            before, self._open = self._open, {}
        rewritten = {j: s.st_mtime_ns for j, s in now.items() if s.st_mtime_ns != before[j][1]}
        removed = {job: seen.st_ctime_ns for job, seen in now.items() if not seen.st_nlink}
        for marker, _, _ in before.values():
            os.close(marker)
        return Times(*({job: at / 1e9 for job, at in of.items()} for of in (rewritten, removed)))


def note_group_end(workflow: Any, group: Any, began: float, known: Times) -> None:
    """Have Snakemake's records say of a group what only its own process knew.

    A member of which no start is known counts from when what it needs of the group was there. What
    needs a file that is gone again stays as it was. began: of the group, in seconds since 1970.
    """
    ends: dict[Any, float] = {}
    times: dict[str, tuple[float, float | None]] = {}
    persistence = workflow.persistence
    for job in (job for level in levels(group) for job in level):
        ready = max((ends[o] for o in group.dag.dependencies[job] if o in ends), default=began)
        start = known.begun.get(job, ready)
        written = [os.path.getmtime(file) for file in job.output if os.path.exists(file)]
        end = max(written, default=known.ended.get(job))
        ends[job] = start if end is None else end
        times |= {persistence._get_key(file): (start, end) for file in job.output}
        _evaluate_again(job)
    persistence._write_record = _timed(persistence._write_record, times)


def _timed(
    write: Callable[[str, Any], None], times: dict[str, tuple[float, float | None]]
) -> Callable[[str, Any], None]:
    def written(key: str, record: Any) -> None:
        if key in times:
            record.starttime, end = times.pop(key)
            record.endtime = end or record.endtime
        write(key, record)

    return written


def _evaluate_again(job: Any) -> None:
    """What a job reads is there now; where it is gone again, all stays as it was."""
    before = job._resources, job._params, job._non_derived_params
    try:
        evaluate_tmpdir(job, anew=True)
        is_known = bool(job.shellcmd or job.params is not None)
    except Exception:
        is_known = False
    if not is_known:
        job._resources, job._params, job._non_derived_params = before


def exit_status(error: BaseException) -> int:
    """The exit status behind a job's failure; 1 where there was no process."""
    seen: BaseException | None = error
    while seen is not None:
        status = getattr(seen, "returncode", None)
        if isinstance(status, int):
            return status
        seen = seen.__cause__ or seen.__context__
    return 1


def clean_up(workflow: Any, job: Any) -> None:
    """Remove what a failed try left, as after a failure, without using up `retries`."""
    with workflow.scheduler._lock:
        workflow.async_run(job.postprocess(error=True))


def is_last_attempt(job: Any) -> bool:
    return bool(job.restart_times <= job.attempt - 1)


def is_stopping(scheduler: Any) -> bool:
    """True once no further job may start: a failure, a signal, or an executor's error."""
    failed = scheduler._errors and not scheduler.keepgoing
    return bool(failed or scheduler._user_kill or scheduler._executor_error)


def has_executor_error(scheduler: Any) -> bool:
    """True once an executor ended the run: Snakemake waits for no job then, and cancels none."""
    return bool(scheduler._executor_error)


def is_killed(scheduler: Any) -> bool:
    """True once the user asked by SIGTERM to stop."""
    return bool(scheduler._user_kill)


def hear_sigterm(scheduler: Any) -> None:
    """Have Snakemake take note of SIGTERM beside its main thread.

    Its handler interrupts that thread, and would wait for ever for a lock that the thread holds
    while it works on the ends of jobs.
    """
    if signal.getsignal(signal.SIGTERM) == scheduler.exit_gracefully:
        with contextlib.suppress(ValueError):  # not asked on the main thread
            signal.signal(
                signal.SIGTERM,
                lambda *_: _thread.start_new_thread(scheduler.exit_gracefully, ()),
            )


def hand_back(workflow: Any, jobs: Iterable[Any]) -> None:
    """Give jobs that never started back without a trace.

    `error_callback` would log errors, use up retries and delete outputs of earlier runs.
    """
    scheduler = workflow.scheduler
    with scheduler._lock:
        for job in jobs:
            scheduler.running.discard(job)
            scheduler._free_resources(job)
            workflow.dag._ready_jobs.add(job)
    scheduler._open_jobs.release()


def refuse(workflow: Any, job: Any) -> None:
    """Let a job fail that never started: nothing of it is cleaned up, and it is not tried again."""
    scheduler = workflow.scheduler
    with scheduler._lock:
        scheduler.running.discard(job)
        scheduler._free_resources(job)
        scheduler._errors = True
        scheduler.failed.add(job)
    scheduler._open_jobs.release()


def pending_jobs(workflow: Any) -> Iterator[Any]:
    """The jobs that this run knows it will have to run."""
    yield from workflow.dag.needrun_jobs()


def needs(workflow: Any) -> Callable[[Any], Iterator[Any]]:
    """Gives the jobs still to run whose output a job needs."""
    needed = set(pending_jobs(workflow))
    dependencies = workflow.dag.dependencies
    return lambda job: (other for other in dependencies[job] if other in needed)


def makers(workflow: Any, handle: Any) -> Iterator[Any]:
    """The jobs that make what this one, or this group, reads."""
    own = set(members(handle))
    for job in own:
        yield from (other for other in workflow.dag.dependencies[job] if other not in own)


def planned_jobs(workflow: Any) -> int:
    """How many jobs this run has, done or not; it changes after a checkpoint."""
    return sum(1 for _ in workflow.dag.needrun_jobs(exclude_finished=False))


def chains(workflow: Any, length_s: Callable[[Any], float]) -> dict[Any, float]:
    """The longest chain of jobs still to run that begins with each of them, in seconds."""
    needed = set(pending_jobs(workflow))
    depending = workflow.dag.depending
    found: dict[Any, float] = {}
    for job in needed:
        path = [job]
        while path:
            behind = [j for j in depending.get(path[-1], ()) if j in needed]
            unknown = [j for j in behind if j not in found]
            if unknown:
                path += unknown
            else:
                last = path.pop()
                found[last] = length_s(last) + max((found[j] for j in behind), default=0.0)
    return found


def jobs_beyond_limit(workflow: Any) -> int:
    """How many of the jobs to run are more than `--jobs` lets the executor see at once."""
    return max(len(list(pending_jobs(workflow))) - (workflow.resource_settings.nodes or 0), 0)


def snakefile(workflow: Any) -> str:
    """The main Snakefile."""
    return str(workflow.main_snakefile)


def workflow_folder(workflow: Any) -> str:
    """The folder of the main Snakefile."""
    from pathlib import Path

    return str(Path(snakefile(workflow)).absolute().parent)
