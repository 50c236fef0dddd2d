"""What a workload file says, every mistake with its line and its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.bench.strict_yaml import At, Table, read, shown, suggestion, table
from nvinx.errors import BenchError, HintError
from nvinx.jobs import card_count, card_share, preemption
from nvinx.jobs.card_count import ONE
from nvinx.residency import Residency
from nvinx.simulation.workload import Task, Workload

if TYPE_CHECKING:
    from nvinx.jobs.card_count import CardCount
    from nvinx.jobs.card_share import CardShare
    from nvinx.jobs.preemption import Preemptible

_KEYS = (
    "name",
    "duration_s",
    "model",
    "threads",
    "mem_mb",
    "disk_mb",
    "vram_mb",
    "residency",
    "after",
    "release_s",
    "max_slowdown",
    "cpu_duration_s",
    "runtime_s",
    "priority",
    "kind",
    "card_name",
    "cards",
    "gpu_share",
    "is_guessed",
    "preemptible",
    "preempts",
    "size",
)


def parse(text: str, path: str) -> Workload:
    """The workload in a YAML text: a list of jobs, or one under `jobs:`.

    Raises BenchError with the line at the first mistake, WorkloadError for jobs that need what is
    not there or each other in a circle.
    """
    root = read(text, path)
    if root is None or root.value is None:
        raise BenchError(path, None, "there is no job in it", "write a list of jobs")
    if isinstance(root.value, dict):
        listed = table(root, "the workload", ("jobs",), needed=("jobs",)).items("jobs")
    elif isinstance(root.value, list):
        listed = root.value
    else:
        raise root.error(f"the workload is {shown(root)}, not a list", "write a list of jobs")
    return Workload.of(_task(at, position) for position, at in enumerate(listed))


def write(workload: Workload) -> str:
    """The workload as JSON, which `parse` reads back: what is default is left out."""
    import json

    default = Task(name="", duration_s=0)
    jobs = []
    for task in workload.tasks.values():
        plain = {key: getattr(task, key) for key in _KEYS}
        kept = {k: v for k, v in plain.items() if v != getattr(default, k)}
        if task.residency is not None:
            kept["residency"] = task.residency.value
        if "cards" in kept:
            kept["cards"] = task.cards.hint
        if task.gpu_share is not None:
            kept["gpu_share"] = task.gpu_share.hint
        if task.preemptible is not None:
            kept["preemptible"] = task.preemptible.hint
        jobs.append(kept)
    return json.dumps({"jobs": jobs}, indent=1, ensure_ascii=False) + "\n"


def _task(at: At, position: int) -> Task:
    entry = table(at, f"jobs[{position}]", _KEYS, needed=("name", "duration_s"))
    duration_s = entry.number("duration_s") or 0.0
    if not 0 < duration_s < float("inf"):
        problem = f"duration_s is {duration_s:g}"
        raise entry.entries["duration_s"].error(problem, "write its seconds alone, above 0")
    vram_mb, residency, share = entry.number("vram_mb"), _residency(entry), _share(entry)
    if share is not None:
        _demand_shared(entry)
    elif residency is not None and residency.needs_vram and vram_mb is None:
        raise entry.entries["residency"].error(f"{residency.value} needs vram_mb", "add vram_mb")
    return Task(
        name=entry.text("name") or "",
        duration_s=duration_s,
        model=entry.text("model"),
        threads=entry.count("threads") or 1,
        mem_mb=int(entry.number("mem_mb") or 0),
        disk_mb=int(entry.number("disk_mb") or 0),
        vram_mb=None if vram_mb is None else int(vram_mb),
        residency=residency,
        after=_names(entry),
        release_s=entry.number("release_s") or 0.0,
        max_slowdown=entry.number("max_slowdown"),
        cpu_duration_s=entry.number("cpu_duration_s"),
        runtime_s=entry.number("runtime_s"),
        priority=int(entry.number("priority") or 0),
        kind=entry.text("kind"),
        card_name=entry.text("card_name"),
        cards=_cards(entry),
        gpu_share=share,
        is_guessed=entry.flag("is_guessed"),
        preemptible=_preemptible(entry),
        preempts=entry.count("preempts"),
        size=entry.number("size"),
    )


def _preemptible(entry: Table) -> Preemptible | None:
    word = entry.text(preemption.HINT)
    try:
        return preemption.named("", word)
    except HintError as error:
        problem = f"{word} {error.problem}"
        raise entry.entries[preemption.HINT].error(problem, error.fix) from None


def _residency(entry: Table) -> Residency | None:
    word = entry.text("residency")
    if word is None:
        return None
    known = [residency.value for residency in Residency]
    if word.lower() not in known:
        problem = f"residency is {word!r}, which is unknown"
        raise entry.entries["residency"].error(problem, suggestion(word, known))
    return Residency(word.lower())


def _cards(entry: Table) -> CardCount:
    at = entry.entries.get("cards")
    if at is None or at.value is None:
        return ONE
    try:
        return card_count.read(str(at.value))
    except ValueError:
        problem = f"cards is {shown(at)}, which is not a number of cards"
        raise at.error(problem, "write a number such as 2, or '1-2' for up to two") from None


def _share(entry: Table) -> CardShare | None:
    at = entry.entries.get("gpu_share")
    if at is None or at.value is None:
        return None
    try:
        return card_share.read(at.value)
    except ValueError:
        problem = f"gpu_share is {shown(at)}, which is not a part of a card"
        raise at.error(problem, "write a part above 0 and at most 1, such as '1/3'") from None


def _demand_shared(entry: Table) -> None:
    """A part of a card is for a job that shares it, and says how much without a size."""
    if entry.entries.get("vram_mb") is not None:
        raise entry.entries["vram_mb"].error("vram_mb stands beside gpu_share", "keep one of them")
    if _residency(entry) not in (None, Residency.GPU_SHARED):
        problem = "gpu_share is for a job that shares a card"
        raise entry.entries["residency"].error(problem, "leave one of the two out")


def _names(entry: Table) -> tuple[str, ...]:
    at = entry.entries.get("after")
    if at is not None and isinstance(at.value, str):
        return (at.value,)
    found = []
    for each in entry.items("after"):
        if not isinstance(each.value, str):
            raise each.error(f"after has {shown(each)}, not a name", "write names of jobs")
        found.append(each.value)
    return tuple(found)
