"""What of this machine could keep nvinx from working well, and what to do about it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import resource
import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.bench import machine, visible
from nvinx.bench.resolve import resolve
from nvinx.errors import NvinxError
from nvinx.formatting import counted, gb
from nvinx.gpu import meter, sharing
from nvinx.gpu.checkpoint import DriverCheckpoint
from nvinx.gpu.nvml import NvmlProbe
from nvinx.history.past import Past
from nvinx.host import statedir
from nvinx.host.resources import detect
from nvinx.leases.ledger import SqliteLedger
from nvinx.slurm import tools as slurm_tools

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nvinx.gpu.ports import GpuState
    from nvinx.interference.belief import Belief

_FILES, _PROCESSES = 1024, 1000
_SHOWN = 3  # pairs that runs contradict
_NEEDED = {"bash": "runs the jobs of a workflow"}
_WANTED = {
    "flock": "(util-linux) lets a job that outlives its shell keep its lease",
    "tee": "(coreutils) lets nvinx see why a job on a card failed",
    "tail": "(coreutils) lets nvinx see why a job on a card failed",
}
_PACKAGES = {  # and the extra that brings each
    "snakemake": None,
    "bokeh": "report",
    "matplotlib": "report",
    "scipy": "calibrate",
    "safetensors": "hf",
    "torch": "hf",
    "accelerate": "hf",
    "transformers": "hf",
    "gguf": "llama-cpp",
    "snakemake-executor-plugin-slurm": "slurm",
    "cuda-bindings": "suspend",
}
_EXTRAS = {
    "report": "pages and pictures",
    "calibrate": "measured slowdowns",
    "hf": "models that are split",
    "llama-cpp": "GGUF models",
    "slurm": "runs on a cluster",
    "suspend": "jobs that are suspended",
}


class Level(Enum):
    """ABSENT: something that only some need is not there."""

    OK = "ok"
    ABSENT = "absent"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. fix: empty where there is nothing to do."""

    level: Level
    what: str
    found: str
    fix: str = ""


def findings(
    bench: Path | None, state_dir: Path | None, environ: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Everything that is looked at, one by one; bench and state_dir as the options have them."""
    environ = os.environ if environ is None else environ
    yield _distributions()
    yield from _packages()
    yield from _programs(environ)
    yield from _bench(bench)
    yield from _driver(environ)
    yield _suspension()
    yield _visible(environ)
    yield _state(state_dir, environ)
    yield from _calibration(bench, state_dir, environ)
    yield from _limits()


def _distributions() -> Finding:
    try:
        other = importlib.metadata.version("nvinx")
    except importlib.metadata.PackageNotFoundError:
        own = importlib.metadata.version("snakemake-executor-plugin-nvinx")
        return Finding(Level.OK, "nvinx", own)
    fix = "pip uninstall nvinx, and then install snakemake-executor-plugin-nvinx again"
    return Finding(Level.ERROR, "nvinx", f"PyPI's nvinx {other} is installed as well", fix)


def _packages() -> Iterator[Finding]:
    for name, extra in _PACKAGES.items():
        try:
            yield Finding(Level.OK, name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield _absent(name, extra)


def _absent(name: str, extra: str | None) -> Finding:
    if extra is None:
        found = "not installed in this environment, so no workflow runs with nvinx from here"
        return Finding(Level.WARNING, name, found, f"pip install {name}")
    return Finding(Level.ABSENT, name, f"not installed (extra {extra}: {_EXTRAS[extra]})")


def _programs(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, use in (_NEEDED | _WANTED).items():
        if shutil.which(name, path=environ.get("PATH")) is None:
            level = Level.ERROR if name in _NEEDED else Level.WARNING
            yield Finding(level, name, f"not on the PATH; it {use}", f"install {name}")
    yield from _slurm(environ)
    nextflow = shutil.which("nextflow", path=environ.get("PATH"))
    if nextflow is None:
        yield Finding(Level.ABSENT, "nextflow", "not on the PATH")
    else:
        yield Finding(Level.OK, "nextflow", nextflow)


def _slurm(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Slurm is looked at where its plugin is installed: then every Snakemake start asks it."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return
    if shutil.which("scontrol", path=environ.get("PATH")) is None:
        found = "its plugin is installed, its tools are not on the PATH"
        yield Finding(Level.ABSENT, "Slurm", found)
        return
    try:
        nodes = slurm_tools.nodes()
    except NvinxError as error:
        problem, _, fix = str(error).partition(" Fix: ")
        if slurm_tools.NOT_SET_UP in problem:
            yield Finding(Level.ABSENT, "Slurm", "its tools are installed, but find no cluster")
            return
        found = f"{problem} Each start of Snakemake waits some 10 s for it"
        yield Finding(Level.WARNING, "Slurm", found, fix.rstrip("."))
        return
    cards, shards = sum(n.cards for n in nodes), sum(n.shards for n in nodes)
    yield Finding(Level.OK, "Slurm", f"{len(nodes)} nodes, {cards} GPUs, {shards} shards")


def _bench(file: Path | None) -> Iterator[Finding]:
    try:
        bench = machine.bench(file, Path.cwd())
    except NvinxError as error:
        problem, _, fix = str(error).partition(" Fix: ")
        yield Finding(Level.ERROR, "bench file", problem, fix.rstrip("."))
        return
    kind = "simulated GPU" if bench.simulated else "GPU"
    found = f"{counted(len(bench.cards), kind)}, {bench.cores} cores, {gb(bench.ram_mib)} RAM"
    yield Finding(Level.OK, "bench", f"{bench.path or 'this machine as detected'}: {found}")
    for doubt in bench.doubts:
        problem, _, fix = doubt.partition(" Fix: ")
        yield Finding(Level.WARNING, "bench file", problem.rstrip("."), fix)


def _driver(environ: Mapping[str, str]) -> Iterator[Finding]:
    inventory = NvmlProbe().read()
    if inventory.problem is not None:
        problem, _, fix = inventory.problem.partition(" Fix: ")
        level = Level.ERROR if inventory.gpus else Level.WARNING
        yield Finding(level, "driver", problem.rstrip("."), fix.rstrip("."))
    for gpu in inventory.gpus:
        yield from _gpu(gpu, environ)


def _suspension() -> Finding:
    """Whether jobs can be suspended here, which none is that does not ask for it."""
    problem = DriverCheckpoint().problem()
    if problem is None:
        return Finding(Level.OK, "suspend", "this machine can suspend jobs (experimental)")
    return Finding(Level.ABSENT, "suspend", f"no job can be suspended here: {problem.problem}")


def _gpu(gpu: GpuState, environ: Mapping[str, str]) -> Iterator[Finding]:
    what, facts = f"GPU {gpu.index}", meter.facts(gpu.id)
    driver = f", driver {facts.driver}" if facts is not None and facts.driver else ""
    used = "" if gpu.used_mib is None else f", {gb(gpu.used_mib)} used now"
    yield Finding(Level.OK, what, f"{gpu.name}, {gb(gpu.total_mib)}{used}{driver}")
    yield Finding(Level.OK, what, f"shared by {sharing.sharing_mode(gpu.id, environ)}")
    if facts is not None and facts.persistence is False:
        fix = "sudo nvidia-smi -pm 1, or start nvidia-persistenced"
        found = "persistence mode is off: each first use of the idle card takes a second or more"
        yield Finding(Level.WARNING, what, found, fix)
    if facts is not None and facts.accounting is not None:
        on = "on" if facts.accounting else "off (VRAM use is sampled twice a second)"
        yield Finding(Level.OK, what, f"accounting mode is {on}")


def _visible(environ: Mapping[str, str]) -> Finding:
    value = environ.get(visible.VARIABLE)
    if value is None:
        return Finding(Level.OK, visible.VARIABLE, "not set")
    cards = resolve(None, detect(), NvmlProbe().read()).cards
    ids = visible.named(value, cards)
    left = ", ".join(f"GPU {card.index}" for card in cards if card.id in ids) or "no real card"
    found = f"set to {value!r} here; nvinx uses {left}"
    if visible.is_ambiguous(value, cards, environ):
        found += f", {visible.AMBIGUOUS}"
    fix = "unset it to use all, or name others as nvidia-smi -L shows them"
    return Finding(Level.WARNING, visible.VARIABLE, found, fix)


def _state(explicit: Path | None, environ: Mapping[str, str]) -> Finding:
    folder = statedir.choose(explicit, environ)
    try:
        SqliteLedger(statedir.prepare(folder) / "ledger.db").close()
    except NvinxError as error:
        problem, _, fix = str(error).partition(" Fix: ")
        return Finding(Level.ERROR, "state folder", problem.rstrip("."), fix.rstrip("."))
    shared = ", shared with its group" if statedir.is_shared(folder) else ""
    return Finding(Level.OK, "state folder", f"{folder}, {statedir.file_system(folder)}{shared}")


def _calibration(
    file: Path | None, explicit: Path | None, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Whether runs speak against what was calibrated."""
    with contextlib.suppress(NvinxError):  # which the bench and the state folder told of
        bench = machine.bench(file, Path.cwd())
        if bench.slowdowns is None:
            return
        names = [card.name for card in bench.cards]
        past = Past.read(statedir.choose(explicit, environ), names, bench.slowdowns)
        past.learn()
        wrong = contradictions(past.statistics.belief)
        if not wrong:
            yield Finding(Level.OK, "calibration", "no run contradicts it")
            return
        fix = "calibrate again (nvinx calibrate); until then nvinx uses what runs showed"
        yield Finding(Level.WARNING, "calibration", f"runs contradict it: {wrong}", fix)


def contradictions(belief: Belief | None) -> str:
    """The calibrated pairs that runs speak against, the first few in words; empty where none is."""
    pairs = {} if belief is None else belief.pairs
    wrong = [
        f"{of} takes {1 + pair.excess:.2f} times as long beside {beside}, not {pair.measured:.2f}"
        for of, beside_of in sorted(pairs.items())
        for beside, pair in sorted(beside_of.items())
        if pair.contradicted
    ]
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return "; ".join(wrong[:_SHOWN]) + more


def _limits() -> Iterator[Finding]:
    for name, number, least, letter in (
        ("open files", resource.RLIMIT_NOFILE, _FILES, "n"),
        ("processes", resource.RLIMIT_NPROC, _PROCESSES, "u"),
    ):
        soft, _hard = resource.getrlimit(number)
        if soft != resource.RLIM_INFINITY and soft < least:
            found = f"at most {soft} {name}; every running job needs a few"
            yield Finding(Level.WARNING, "limits", found, f"ulimit -{letter} {4 * least}")
        else:
            found = f"{'any number of' if soft == resource.RLIM_INFINITY else soft} {name}"
            yield Finding(Level.OK, "limits", found)
