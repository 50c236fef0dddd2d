"""A Snakemake job's resources, in nvinx's words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvinx.errors import HintError, NvinxError
from nvinx.formatting import plain, word_of
from nvinx.jobs import (
    card_share,
    default_hints,
    gpu_hint,
    gpu_words,
    hints,
    misspelt,
    preemption,
    rounded,
    share_hint,
    stage_hint,
)
from nvinx.jobs.card_count import ONE
from nvinx.jobs.claim import Claim
from nvinx.leases.environment import declared_mb
from nvinx.residency import Residency
from nvinx.sizes import need_from_mb, parse_bytes
from snakemake_executor_plugin_nvinx import snakemake_internals

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from nvinx.catalog import ModelSpec
    from nvinx.history.statistics import RunStatistics
    from nvinx.jobs.card_count import CardCount
    from nvinx.jobs.card_share import CardShare


def name_of(job: Any) -> str:
    """What people call the job: the rule with its wildcard values, `embed[3]`."""
    if job.is_group():
        return f"group[{job.groupid}]"
    values = ",".join(str(v) for v in job.wildcards_dict.values())
    return plain(f"{job.rule.name}[{values}]" if values else str(job.rule.name))


def rule_of(job: Any) -> str:
    return str(job.groupid if job.is_group() else job.rule.name)


def stated(job: Any) -> dict[str, Any]:
    """The resources that have a value by now; those that wait for a file are left out."""
    known = snakemake_internals.known_values(job.resources.items())
    return {name: value for name, value in known.items() if name not in _SNAKEMAKES_OWN}


def demand_countable_vram(workflow: Any) -> None:
    """Raises WorkflowError where `--resources vram_mb=N` meets VRAM that it cannot count."""
    from snakemake_executor_plugin_nvinx import messages
    from snakemake_executor_plugin_nvinx.workflow_error import WorkflowError

    snakemake_internals.demand_countable_vram(
        workflow, lambda *stated: WorkflowError(messages.not_countable(*stated))
    )


def vram_mb(resources: Mapping[str, Any], models: Mapping[str, ModelSpec]) -> int | None:
    """The VRAM that is stated in other words than `vram_mb`; None where none is, or wrongly.

    models: those of the bench file, whose size a rule may leave to it.
    """
    words = gpu_words.translated(snakemake_internals.known_values(resources.items()))
    if "vram_mb" in resources or gpu_hint.is_off(words.get(gpu_hint.HINT)):
        return None
    if share_hint.HINT in words or card_share.is_written(words.get(gpu_hint.HINT)):
        return None  # how much that is depends on the card
    size = words.get("vram")
    if size is None:
        return _vram_mb_of_model(words, models)
    try:
        return ceil(parse_bytes(size) / 1e6) if isinstance(size, str) else None
    except (OverflowError, ValueError):
        return None  # "auto", or refused where the hints are read


def _vram_mb_of_model(words: Mapping[str, Any], models: Mapping[str, ModelSpec]) -> int | None:
    spec = models.get(word_of(words.get("model")))
    if spec is None or not spec.vram_gb:
        return None
    residency = words.get("residency", spec.residency.value)
    return None if residency == Residency.CPU_ONLY.value else ceil(spec.vram_gb * 1000)


def readable_now(job: Any) -> list[Any]:
    """What to read the claim of: the job, or the members of a group that waits for a file."""
    members = snakemake_internals.members(job)
    return members if job.is_group() and any(map(_has_open_hints, members)) else [job]


def is_settled(job: Any, claim: Claim) -> bool:
    """Whether the claim tells by now if there is a card that can hold the job."""
    return not any(unsettled(member, claim) for member in snakemake_internals.members(job))


def unsettled(job: Any, claim: Claim) -> list[str]:
    """Those of a single job's resources that wait for a file and tell where it can run.

    How much RAM and disk it takes does, where it may spill to them.
    """
    return open_names(job) if claim.may_overflow else open_names(job, hints.HINTS)


def _has_open_hints(job: Any) -> bool:
    return bool(open_names(job, hints.HINTS))


def open_names(job: Any, names: tuple[str, ...] = (*hints.HINTS, "mem_mb", "disk_mb")) -> list[str]:
    """Those of these resources that wait for a file to be there."""
    known, named = stated(job), set(job.resources.keys())
    return [name for name in names if name in named and name not in known]


def is_guessed(job: Any) -> bool:
    """True when nobody can tell yet whether, and how, the job will use a card."""
    return not snakemake_internals.can_be_evaluated(job) or bool(open_names(job, hints.ASKING))


def asks_for_card(job: Any) -> bool:
    """Whether the rule has a hint that asks for a card, whatever its value will be."""
    resources = dict(job.rule.resources.items())
    return hints.wish(resources) is not None and not gpu_hint.is_off(resources.get(gpu_hint.HINT))


def hints_of(job: Any) -> dict[str, Any]:
    """What is known of a job's resources, with what others call a GPU in nvinx's hints.

    A local rule has no hints but its own. What the user limits with `--resources` is the user's.
    """
    resources, defaults = stated(job), snakemake_internals.default_names(job)
    for_scheduler = {word.name: word.value for word in _words_in_params(job) if word.means}
    own = for_scheduler | {k: v for k, v in resources.items() if k not in defaults}
    of_user = snakemake_internals.limited_names(job)
    meant = {k: misspelt.meant(k, v, hints.HINTS) for k, v in own.items() if k in of_user}
    own = {k: v for k, v in own.items() if meant.get(k) is None}
    if snakemake_internals.is_local_rule(job):
        return gpu_words.translated(own)
    return default_hints.beside(own, {k: v for k, v in resources.items() if k in defaults})


def understood(job: Any) -> list[gpu_words.Reading]:
    """What others call a GPU in the rule, and nvinx too."""
    words = (*gpu_words.readings(stated(job)), *_words_in_params(job))
    return [word for word in words if word.means]


def counts(job: Any, word: gpu_words.Reading) -> bool:
    """Whether a word that is understood adds anything to what the rule says in nvinx's hints."""
    resources, defaults = stated(job), snakemake_internals.default_names(job)
    own = {k: v for k, v in resources.items() if k not in defaults}
    if gpu_hint.is_off(own.get(gpu_hint.HINT)):
        return False
    if word.name in resources and word.name in defaults:
        said = gpu_words.translated(own)
        made = default_hints.beside(own, {word.name: word.value})
    else:
        said = {k: v for k, v in own.items() if k in hints.HINTS}
        made = gpu_words.translated(said | {word.name: word.value})
    return any(made.get(hint) != said.get(hint) for hint in hints.HINTS)


def ignored(job: Any, claim: Claim) -> list[gpu_words.Reading]:
    """What looks like a wish for a GPU in the rule and has no effect on this claim of it."""
    if claim.uses_gpu:
        return [r for r in gpu_words.readings(stated(job)) if not r.means and r.is_size]
    if hints.wish(hints_of(job)) is not None:
        return []  # the rule says itself that it wants no card
    words = (*gpu_words.readings(stated(job)), *_words_in_params(job))
    return [word for word in words if not word.means]


def _words_in_params(job: Any) -> Iterator[gpu_words.Reading]:
    """Functions are asked only where their param's name is such a word."""
    params = snakemake_internals.named(job.rule.params)
    if any(callable(value) and _is_gpu_word(name) for name, value in params):
        params = snakemake_internals.named(snakemake_internals.params_now(job))
    return gpu_words.readings_of_params(params)


def _is_gpu_word(name: str) -> bool:
    """Whether a switch of this name, or a text as Slurm has it, asks for a GPU."""
    return any(gpu_words.readings_of_params([(name, 1), (name, "gpu:1")]))


def kind_of(job: Any) -> str:
    """The name under which runs of the rule are remembered, in every copy of the workflow.

    A rule that runs something else than before is another one.
    """
    rule = job.rule
    does = (rule.shellcmd, rule.script, rule.notebook, rule.wrapper, rule.run_func_src)
    return f"{rule.name}@{hashlib.sha256(repr(does).encode()).hexdigest()[:8]}"


def claim_of(
    job: Any,
    models: Mapping[str, ModelSpec],
    calibrated: Collection[str] = (),
    cards: Collection[str] = (),
    *,
    translate: bool = True,
) -> Claim:
    """The claim of a job or group job; calibrated, cards: see `hints.read`.

    translate: what others call a GPU counts as nvinx's hints.

    Raises HintError naming the rule.
    """
    if job.is_group():
        return _claim_of_group(job, models, calibrated, cards, translate=translate)
    _demand_whole_numbers(job, translate=translate)
    resources = hints_of(job) if translate else stated(job)
    common = hints.Common(
        cores=job.threads,
        mem_mb=resources.get("mem_mb"),
        disk_mb=resources.get("disk_mb"),
        runtime_s=_seconds(resources),
        priority=_whole(job.priority),
        kind=kind_of(job),
        size=input_size(job),
        open=tuple(open_names(job)),
    )
    try:
        claim = hints.read(job.rule.name, resources, common, models, calibrated, cards)
    except HintError as error:
        raise _where_it_is_written(job, error) from None
    if claim.uses_gpu and snakemake_internals.is_local_rule(job):
        hint = hints.wish(resources) or "model"
        problem = "a local rule gets no card"
        ways = (snakemake_internals.to_be_no_local_rule(job), "take the hint out of the rule")
        fix = ", or ".join(filter(None, ways))
        raise HintError(job.rule.name, f"{hint}={resources[hint]!r}", problem, fix)
    return claim


def _where_it_is_written(job: Any, error: HintError) -> HintError:
    """The error, which names the option where the hint is a default."""
    if error.hint.partition("=")[0] not in snakemake_internals.default_names(job):
        return error
    hint = f"{error.hint}, as for rule {error.rule}"
    return HintError("--default-resources", hint, error.problem, error.fix, kind="option")


def together(problems: Iterable[NvinxError]) -> NvinxError:
    """One error for all; what is wrong with an option is told once, with one of its rules."""
    different = {_what_is_wrong(error): str(error) for error in problems}
    return NvinxError("\n".join(different.values()))


def _what_is_wrong(error: NvinxError) -> str:
    """The same for all rules that have it from one option."""
    if isinstance(error, HintError) and error.kind == "option":
        return f"{error.rule}: {error.problem}. Fix: {error.fix}."
    return str(error)


def _demand_whole_numbers(job: Any, *, translate: bool) -> None:
    stated = {
        rounded.Source.RULE: snakemake_internals.rounded_numbers(job),
        rounded.Source.TYPED: snakemake_internals.typed_numbers(job),
        rounded.Source.DEFAULT: snakemake_internals.default_numbers(job),
    }
    for source, numbers in stated.items():
        rounded.demand_whole(job.rule.name, numbers, source, translate=translate)


def input_size(job: Any) -> float | None:
    """Bytes of all that the job reads; None where it reads nothing, or what is not there yet."""
    try:
        sizes = [_bytes(Path(str(file))) for file in job.input]
    except OSError:
        return None
    return float(sum(sizes)) if sizes else None


def _bytes(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    found = path.stat()
    return _in_folder(path, found.st_mtime_ns) if path.is_dir() else found.st_size


@lru_cache(maxsize=128)
def _in_folder(folder: Path, _changed_ns: int) -> int:
    """Looked at once, as it may be a database of many files that all jobs read."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@dataclass(frozen=True, slots=True)
class Weights:
    """The paths that a job will load, and whether its rule names them or they are its input."""

    paths: tuple[str, ...]
    are_named: bool


def weights(job: Any) -> Weights:
    """What to read ahead for a job or group job. Raises HintError."""
    members = snakemake_internals.members(job)
    wishes = [stage_hint.named(m.rule.name, stated(m).get(stage_hint.HINT)) for m in members]
    paths: list[str] = []
    for member, wish in zip(members, wishes, strict=True):
        paths += map(str, member.input) if wish is None else wish
    return Weights(tuple(paths), all(wish is not None for wish in wishes))


def length_s(job: Any, statistics: RunStatistics) -> float:
    """How long the job takes as its rule says, else as earlier runs took; else all count alike."""
    known = stated(job) if snakemake_internals.can_be_evaluated(job) else {}
    stated_s = _seconds(known)
    if stated_s is not None:
        return stated_s
    kind, size = kind_of(job), _size_of(job, known)
    return statistics.gpu_s(kind, size) or statistics.cpu_s(kind, size) or _UNKNOWN_S


def _size_of(job: Any, known: Mapping[str, Any]) -> float | None:
    """As the rule measures it, else in bytes."""
    own = known.get("nvinx_size")
    try:
        return input_size(job) if own is None else float(own)
    except ValueError:
        return None  # refused once the job is handed over


def _claim_of_group(
    group: Any,
    models: Mapping[str, ModelSpec],
    calibrated: Collection[str],
    cards: Collection[str],
    *,
    translate: bool,
) -> Claim:
    """One claim for all members: of what they need, what they need at once.

    The strictest residency wins, since the members share one placement.
    """
    for job in group.jobs:
        if waiting := open_names(job, hints.HINTS):
            problem = "depends on a file that is made inside the job's own group"
            fix = "write a number, or take the rule out of the group"
            raise HintError(job.rule.name, waiting[0], problem, fix)
    by_job = {j: claim_of(j, models, calibrated, cards, translate=translate) for j in group.jobs}
    claims = list(by_job.values())
    on_gpu = [c for c in claims if c.uses_gpu]
    _demand_not_preemptible(group, by_job)
    _demand_sizes(by_job)
    limits = [c.max_slowdown for c in on_gpu if c.max_slowdown is not None]
    residencies = {c.residency for c in claims}
    residency = next(r for r in _STRICTEST_FIRST if r in residencies)
    share = _share_at_once(group, by_job)
    return Claim(
        residency=residency,
        share=share if residency is Residency.GPU_SHARED else None,
        vram_mib=_at_once(group, by_job),
        ram_mib=max(need_from_mb(group.resources.get("mem_mb") or 0), *(c.ram_mib for c in claims)),
        disk_mib=max(c.disk_mib for c in claims),
        cores=int(group.resources.get("_cores") or max(c.cores for c in claims)),
        cpu_fallback=bool(on_gpu) and all(c.cpu_fallback for c in on_gpu),
        ram_overflow=any(c.may_overflow for c in on_gpu),
        max_slowdown=min(limits, default=None),
        kind="+".join(sorted({c.kind for c in claims})),
        priority=max(c.priority for c in claims),
        card_name=next((c.card_name for c in on_gpu if c.card_name), None),
        cards=max((c.cards for c in on_gpu), key=_fewest_first, default=ONE),
    )


def _fewest_first(cards: CardCount) -> tuple[int, int]:
    return (cards.least, cards.most)


def _at_once(group: Any, claims: Mapping[Any, Claim]) -> int | None:
    """The VRAM of those members that run side by side; None where nobody states any."""
    layers = [
        [claims[job].vram_mib for job in layer] for layer in snakemake_internals.levels(group)
    ]
    sums = [sum(size or 0 for size in layer) for layer in layers if any(layer)]
    return max(sums, default=None)


def _share_at_once(group: Any, claims: Mapping[Any, Claim]) -> CardShare | None:
    """The part of a card of those members that run side by side; None where nobody asks for one."""
    shares = [
        [share for job in layer if (share := claims[job].share)]
        for layer in snakemake_internals.levels(group)
    ]
    most = max(map(card_share.together, shares), default=0)
    if not most:
        return None
    asked = f"{share_hint.HINT}={most!s}"
    fix = "write one kind for all of them, or take the rule out of the group"
    if any(claim.vram_mib for claim in claims.values()):
        problem = "is combined with a size in MB"
        raise HintError(str(group.groupid), asked, problem, fix, kind="group")
    if most > 1:
        problem = "is more than a card, for jobs of the group that run side by side"
        fix = "ask for less, or take a rule out"
        raise HintError(str(group.groupid), asked, problem, fix, kind="group")
    return card_share.read(str(most))


def _demand_not_preemptible(group: Any, claims: Mapping[Any, Claim]) -> None:
    """A group, also of pipes or services, ends as a whole, whatever one of its rules agrees to."""
    for job, claim in claims.items():
        if claim.preemptible is not None and not _is_preemptible_by_default(job):
            problem = f"is not possible, as {_end_together(group)}"
            fix = "leave it out, or take the rule out of the group"
            raise HintError(job.rule.name, f"preemptible={claim.preemptible.hint!r}", problem, fix)


def not_preemptible(group: Any) -> str | None:
    """Why a group's jobs are not preempted that are to be by default; None where none is."""
    if not any(map(_is_preemptible_by_default, snakemake_internals.members(group))):
        return None
    return f"group {group.groupid} is not preempted, as {_end_together(group)}"


def _is_preemptible_by_default(job: Any) -> bool:
    by_default = preemption.HINT in snakemake_internals.default_names(job)
    agreed = preemption.named(job.rule.name, hints_of(job).get(preemption.HINT))
    return by_default and agreed is not None


def _end_together(group: Any) -> str:
    are_joined = snakemake_internals.runs_all_at_once(group)
    whose = "that share pipes or services" if are_joined else "of a group"
    return f"jobs {whose} hold one lease together and end together"


def _demand_sizes(claims: Mapping[Any, Claim]) -> None:
    """A group holds one share for all its jobs, which cannot be learned job by job."""
    for job, claim in claims.items():
        if claim.uses_gpu and claim.elastic_mib:
            least, most = declared_mb(claim.vram_mib or 0), declared_mb(claim.most_mib)
            asked = f"vram_mb='{least}-{most}'"
            problem = "is a range, and the jobs of a group hold one share together to its end"
            fix = "state one size, or take the rule out of the group"
            error = HintError(job.rule.name, asked, problem, fix)
            raise _where_it_is_written(job, error)
        if claim.uses_gpu and claim.auto_vram:
            problem = "cannot be learned for the jobs of a group, which hold one share together"
            fix = "write a number, or take the rule out of the group"
            error = HintError(job.rule.name, "vram_mb='auto'", problem, fix)
            raise _where_it_is_written(job, error)


_SNAKEMAKES_OWN = {"_cores", "_nodes"}
_UNKNOWN_S = 60.0
_STRICTEST_FIRST = (
    Residency.GPU_EXCLUSIVE,
    Residency.GPU_RAM_OVERFLOW,
    Residency.GPU_SHARED,
    Residency.CPU_ONLY,
)


def _seconds(resources: Mapping[str, Any]) -> float | None:
    """Snakemake's `runtime` is in minutes."""
    minutes = resources.get("runtime")
    return float(minutes) * 60 if isinstance(minutes, int | float) else None


def _whole(priority: Any) -> int:
    """Snakemake's highest priority is an object of its own kind."""
    try:
        return int(priority)
    except (TypeError, ValueError, OverflowError):
        return 10**9
