"""One Snakemake run's view of the cluster: what each job asks for, and what its node answered."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nvinx.admission import adjust, explain
from nvinx.admission.estimates import Estimates
from nvinx.admission.job import Job
from nvinx.bench import machine
from nvinx.bench.oom_words import words_for
from nvinx.errors import HintError, ImpossibleJobError, NvinxError, SlurmError, StateDirError
from nvinx.formatting import gb
from nvinx.history.past import Past
from nvinx.host import files, proc, statedir
from nvinx.jobs import hints
from nvinx.jobs.outcome import Outcome
from nvinx.leases import tokens
from nvinx.residency import Residency
from nvinx.slurm import node as slurm_node
from nvinx.slurm import reach
from nvinx.slurm import tools as slurm_tools
from nvinx.slurm.anti_affinity import AntiAffinity
from nvinx.slurm.task import End, Task
from snakemake_executor_plugin_nvinx import job_claims, messages, snakemake_internals
from snakemake_executor_plugin_nvinx.oom_retry import OomRetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nvinx.bench.resolve import Bench
    from nvinx.jobs.claim import Claim
    from nvinx.slurm.cluster import Ask, Cluster, Node
    from snakemake_executor_plugin_nvinx_slurm.settings import OwnSettings

_FOLDER = Path(".nvinx") / "slurm"
_TASK = ".nvinx-task"  # as no pattern of a workflow's ends
_NAME = "name"  # of the run, as Slurm knows it; and whose process it is
_KEPT_S = 30 * 24 * 3600.0  # tasks of a run that was killed, since its jobs may still be queued
_FOR_SLURM = ("gres", "gpus", "gpu_model")  # whoever writes these speaks to Slurm alone


@dataclass(slots=True)
class Placed:
    """A job on its way through Slurm. file: its task's.

    stated: its resources, as the rule has them. within: the part of the cluster that these leave
    it. excluded: the nodes that they name.
    since: when it was seen to be over without an answer from its node, in seconds.
    """

    job: Job
    ask: Ask
    file: Path
    handle: Any
    stated: Mapping[str, Any]
    within: Cluster
    excluded: frozenset[str]
    since: float | None = None


@dataclass(slots=True)
class SlurmRun:
    """What a run knows of cluster, rules and earlier runs."""

    cluster: Cluster
    _bench: Bench
    _settings: OwnSettings
    _workflow: Any
    _past: Past
    _oom_retry: OomRetry
    _default_partition: str | None
    anti_affinity: AntiAffinity
    folder: Path
    engine: str
    _news: list[str] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, settings: OwnSettings, workflow: Any) -> SlurmRun:
        """Raises NvinxError where Slurm, the bench file or the state folder cannot be used."""
        folder = Path(snakemake_internals.workflow_folder(workflow))
        bench = machine.bench(settings.bench, folder, settings.headroom_mb)
        cluster = slurm_tools.cluster(bench)
        state = statedir.prepare(statedir.choose(settings.state_dir, os.environ))
        names = {_card_name(n) for n in cluster.nodes if n.cards}
        past = Past.read(state, names, bench.slowdowns)
        estimates = Estimates(bench.slowdowns, bench.utilisation, past.statistics)
        engine = tokens.new()
        tasks = Path(workflow.workdir_init) / _FOLDER
        _sweep(tasks)
        return cls(
            cluster=cluster,
            _bench=bench,
            _settings=settings,
            _workflow=workflow,
            _past=past,
            _oom_retry=OomRetry(cluster.capacity(), bench.oom_patterns),
            _default_partition=_default_partition(settings),
            anti_affinity=AntiAffinity(estimates.conflict),
            folder=tasks / engine,
            engine=engine,
            _news=[] if past.problem is None else [messages.untaught(past.problem)],
        )

    def demand_possible(self, handles: Iterable[Any]) -> None:
        """Raise one error for every rule that is wrong, or that no node can ever run."""
        problems: dict[str, NvinxError] = {}
        claims = []
        for handle in handles:
            rule = job_claims.rule_of(handle)
            known = snakemake_internals.can_be_evaluated(handle)
            if rule in problems or handle.is_local or not known:
                continue
            try:
                claim = self._claim(handle)
                if job_claims.is_settled(handle, claim):
                    within = self._within(rule, job_claims.stated(handle))
                    claims.append(within.ask(rule, claim).claim)
            except NvinxError as error:
                problems[rule] = error
        if problems:
            raise job_claims.together(problems.values())
        self.anti_affinity.expect(claims)

    def demand_alike(self, handles: Iterable[Any], arrays: Iterable[str]) -> None:
        """An array asks once for all its jobs. Raises ImpossibleJobError where they differ."""
        wanted = set(arrays)
        first: dict[str, tuple[object, ...]] = {}
        for handle in handles:
            rule = job_claims.rule_of(handle)
            if handle.is_local or handle.is_group() or not {rule, "all"} & wanted:
                continue
            ask = self.ask(handle)
            same = (ask.gres, ask.not_on, ask.claim.cores, ask.claim.ram_mib)
            if first.setdefault(rule, same) != same:
                problem = "cannot be an array: its jobs ask for different amounts"
                fix = f"leave {rule} out of --nvinx-slurm-array-jobs"
                raise ImpossibleJobError(rule, problem, fix)
            if ask.claim.residency is Residency.GPU_RAM_OVERFLOW:
                problem = "cannot be an array: where its jobs spill to is known on their node only"
                fix = f"leave {rule} out of --nvinx-slurm-array-jobs"
                raise ImpossibleJobError(rule, problem, fix)

    def ask(self, handle: Any) -> Ask:
        """What a job asks Slurm for. Raises HintError, ImpossibleJobError."""
        rule = job_claims.rule_of(handle)
        return self._within(rule, job_claims.stated(handle)).ask(rule, self._claim(handle))

    def _within(self, rule: str, stated: Mapping[str, Any]) -> Cluster:
        """The part of the cluster that a job may use. Raises HintError, SlurmError."""
        return reach.within(self.cluster, rule, stated, self._default_partition, slurm_tools.names)

    def _claim(self, handle: Any) -> Claim:
        known = self._bench.slowdowns.traits if self._bench.slowdowns else ()
        _demand_one_voice(handle)
        claim = job_claims.claim_of(handle, self._bench.models, known, translate=False)
        _demand_not_suspended(handle, claim)
        if claim.elastic_mib:
            self._tell(_least_only(job_claims.rule_of(handle), claim))
        largest_mib = self.cluster.capacity().largest_share_mib(claim.cards.least)
        adapted = adjust.by_statistics(claim, self._past.statistics, largest_mib)
        if adjust.keeps_running_out(claim, self._past.statistics):
            rule = job_claims.rule_of(handle)
            self._tell(explain.holds_alone(rule, self._past.statistics.ran_out(claim.kind)))
        return adapted

    def excluded(self, extra: str) -> frozenset[str]:
        """The nodes that a `slurm_extra` excludes. Raises SlurmError."""
        return reach.named(extra, "exclude", slurm_tools.names)

    def nodes_for(self, placed: Placed) -> frozenset[str] | None:
        """The nodes with cards that a job may use, by who is on them; None: not now."""
        able = frozenset(n.name for n in placed.within.nodes if n.cards)
        if not placed.ask.gres:
            return able
        free = able - placed.ask.not_on
        return self.anti_affinity.enter(placed.job.id, placed.ask.claim, free, time.monotonic())

    def speaks_for_itself(self, handle: Any) -> bool:
        """Whether a rule asks Slurm for cards in Slurm's own words."""
        members = snakemake_internals.members(handle)
        return any(_slurms_words(job_claims.stated(member)) for member in members)

    def place(
        self, handle: Any, claim: Claim | None = None, before: Placed | None = None
    ) -> Placed:
        """Write down the task of a job for its node. claim: instead of what its rule says.

        before: the same job in an earlier try, of which its resources tell by now. Raises
        NvinxError.
        """
        rule = job_claims.rule_of(handle)
        stated = dict(handle.resources.items()) if before is None else before.stated
        words = job_claims.stated(handle) if before is None else before.stated
        within = self._within(rule, words)
        excluded = self.excluded(str(words.get("slurm_extra") or ""))
        ask = within.ask(rule, self._claim(handle) if claim is None else claim)
        token = f"{self.engine}.{uuid.uuid4().hex[:8]}"
        job = Job(token, job_claims.name_of(handle), ask.claim, self.engine)
        file = self.folder / f"{token}{_TASK}"
        node_dir = self._settings.node_state_dir
        task = Task(
            job=job,
            card_mib=ask.card_mib,
            card_name=self._card_name_of(ask),
            attempt=self._oom_retry.number(handle),
            last_failure=Outcome.OUT_OF_MEMORY if self._oom_retry.is_again(handle) else None,
            oom_patterns=words_for(self._bench.oom_patterns, rule),
            logs=tuple(
                str(Path(log).absolute())
                for m in snakemake_internals.members(handle)
                for log in m.log
            ),
            state_dir=None if node_dir is None else str(node_dir),
            caps=self._settings.caps == "on",
        )
        with self._writing():
            files.write(task.text(), file)
        return Placed(job, ask, file, handle, stated, within, excluded)

    def _card_name_of(self, ask: Ask) -> str | None:
        """What the cards that a job may get are called; None where there are several kinds."""
        names = {
            _card_name(n) for n in self.cluster.nodes if n.cards and n.card_mib == ask.card_mib
        }
        return names.pop() if len(names) == 1 else None

    def make_folder(self) -> None:
        """Where jobs and their nodes write to each other. Raises StateDirError."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            files.write_once(self.folder.parents[1] / ".gitignore", "*\n")

    def note_name(self, name: str) -> None:
        """Write down what Slurm calls the run's jobs, for the next run if this one is killed."""
        text = f"{name} {platform.node()} {os.getpid()} {proc.started(os.getpid())}"
        with contextlib.suppress(OSError):
            files.write(text, self.folder / _NAME)

    def demand_alone(self) -> None:
        """Raise SlurmError where jobs of a run that was killed here would write the same files."""
        if not any(not job.is_local for job in snakemake_internals.pending_jobs(self._workflow)):
            return
        for file in self.folder.parent.glob(f"*/{_NAME}"):
            with contextlib.suppress(OSError, ValueError):
                name, host, pid, started = file.read_text(encoding="utf-8").split()
                if host != platform.node() or str(proc.started(int(pid))) == started:
                    continue  # it may run: then Snakemake's own lock keeps the two apart
                if jobs := slurm_tools.alive(name):
                    still = "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"
                    problem = f"still has {still} of a run that was killed here, and both runs "
                    problem += "would write the same files"
                    fix = f"wait until `squeue --name={name}` shows none, or cancel them: "
                    raise SlurmError("Slurm", problem, f"{fix}`scancel --name={name}`")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = f"cannot be written to ({error.strerror or error})"
            fix = "free disk space, or run where you may write beside the workflow's results"
            raise StateDirError(str(self.folder.parent), problem, fix) from error

    def node_of(self, placed: Placed) -> str | None:
        """Where the job began, as its node said; None where it said nothing yet."""
        with contextlib.suppress(OSError):
            return placed.file.with_suffix(slurm_node.BEGUN).read_text(encoding="utf-8")
        return None

    def end_of(self, placed: Placed) -> End | None:
        """How the job ended, as its node said; None where it said nothing yet."""
        file = placed.file.with_suffix(slurm_node.ENDED)
        with contextlib.suppress(OSError, ValueError):
            return End.read(file.read_text(encoding="utf-8"))
        return None

    def learn(self, placed: Placed, end: End | None) -> None:
        """Remember how a job ended; what cannot be written is told once."""
        if end is not None and end.run is not None:
            self._past.statistics.add(end.run)
            source = snakemake_internals.snakefile(self._workflow)
            problem = self._past.keep([end.run], source)
            self._past.learn_meanwhile()
            if problem is not None:
                self._tell(messages.untaught(problem))
        for suffix in (_TASK, slurm_node.BEGUN, slurm_node.ENDED):
            with contextlib.suppress(OSError):
                placed.file.with_suffix(suffix).unlink()
        if end is not None and end.outcome is Outcome.OK:
            self._oom_retry.forget(placed.handle)

    def again(self, placed: Placed, end: End) -> Claim | None:
        """What to ask for instead by a job that ran out of memory; None when all was tried."""
        job = replace(placed.job, claim=placed.ask.claim)
        claim, news = self._oom_retry.next_claim(job, placed.handle, end.peak_mib)
        self._news += news
        return claim

    def warnings(self) -> list[str]:
        """What to warn of that was not warned of before."""
        news, self._news = self._news, []
        return news

    def greeting(self) -> Iterator[str]:
        """What this run works with, for the first lines of the log."""
        cards = [node for node in self.cluster.nodes if node.cards]
        count = sum(node.cards for node in cards)
        yield f"nvinx: {len(self.cluster.nodes)} nodes, {count} GPUs; Slurm starts the jobs."
        if cards and not self.cluster.has_shards:
            yield (
                "nvinx: this Slurm has no shards, so each GPU job gets a whole card. Fix: "
                "GresTypes=gpu,shard in slurm.conf lets jobs share (ask the administrators of "
                "the cluster)."
            )

    def close(self) -> None:
        self._past.learn_the_rest()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tell(self, line: str) -> None:
        """Once in a run."""
        if line not in self._told:
            self._told.add(line)
            self._news.append(line)


def _least_only(rule: str, claim: Claim) -> str:
    """A range of VRAM means no more than its least here."""
    return (
        f"nvinx: rule {rule} asks for {gb(claim.vram_mib)} to {gb(claim.most_mib)} of VRAM; "
        f"under Slurm its jobs get {gb(claim.vram_mib)}, as Slurm changes nothing while they run."
    )


def _default_partition(settings: Any) -> str | None:
    """Unless the Slurm plugin is to choose a partition for each job."""
    chosen = settings.partition_config or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    return None if chosen else slurm_tools.default_partition()


def _card_name(node: Node) -> str:
    """What a node's cards are called in the history, on whatever node it is written."""
    return node.card_name or "card"


def _sweep(tasks: Path) -> None:
    """Remove what killed runs left long ago."""
    for old in tasks.glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _KEPT_S:
                shutil.rmtree(old, ignore_errors=True)


def _demand_not_suspended(handle: Any, claim: Claim) -> None:
    """Raise HintError where a job would have to be suspended on a node."""
    if claim.preemptible is not None and claim.preemptible.suspends:
        problem = "cannot be under nvinx-slurm, where Slurm decides who runs"
        fix = "leave it out there, or run with --executor nvinx"
        raise HintError(job_claims.rule_of(handle), "preemptible='suspend'", problem, fix)


def _slurms_words(resources: Mapping[str, Any]) -> str | None:
    """The resource that asks Slurm for cards in its own words; None where none does."""
    if reach.asks_for_cards(str(resources.get("slurm_extra") or "")):
        return "slurm_extra"
    return next((name for name in _FOR_SLURM if resources.get(name)), None)


def _demand_one_voice(handle: Any) -> None:
    """Hints and Slurm's own words in one rule would contradict each other."""
    for member in snakemake_internals.members(handle):
        resources = job_claims.stated(member)
        slurms = _slurms_words(resources)
        ours = hints.wish(resources)
        if slurms is not None and ours is not None:
            problem = f"contradicts {ours}: nvinx works out what to ask Slurm for"
            value = f"{slurms}={resources[slurms]!r}"
            raise HintError(member.rule.name, value, problem, "leave one of the two out")
