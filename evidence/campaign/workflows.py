"""Part workflows: the contended card and an example, under stock Snakemake and under nvinx.

On a card the jobs are models of this campaign, each with so many iterations as take it a given time
alone. Without one, the card is a file and the jobs sleep.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign import child, coruns, models
from campaign.busy import BusyWatch
from campaign.steps import MeasurementError, MissingError, Step
from nvinx.calibration.programs import Program
from nvinx.calibration.rates import slowdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from campaign.steps import Part

LONG, SMALL = "resnet_50", {"cool": "decoder_500m", "hot": "esm2_150m_long"}
SECONDS = {"long": 20.0, "cpu": 5.0, "small": 3.0}
CARD_MB, VRAM_MB = 8000, {"long": 7000, "small": 1900}
FILE_CARD_MB, FILE_VRAM_MB = 4000, {"long": 3500, "small": 900}
FILE_HOT = 2.0  # excess slowdown beside one other
SHRUNK = 0.15  # of the seconds, where the campaign is only tried
SETS = ("cool", "hot")
ROUNDS = 2
EXAMPLE = child.ROOT / "example_workflows" / "phage_proteins"
LEFT_OUT = shutil.ignore_patterns("results", "logs", ".snakemake", ".nvinx", "__pycache__")


@dataclass(frozen=True, slots=True)
class Contender:
    """How the workflow is run. rules: how its GPU jobs state their need."""

    name: str
    arguments: tuple[str, ...]
    rules: str
    calibrated: bool = False


NVINX = ("--executor", "nvinx", "--jobs", "100")
CONTENDERS = (
    Contender("gpu=1", ("--resources", "gpu=1"), "gpu"),
    Contender("vram_mb", ("--resources", "vram_mb={card_mb}"), "vram"),
    Contender("nvinx", NVINX, "nvinx", calibrated=True),
    Contender("nvinx, told nothing", NVINX, "nvinx"),
)


def steps(part: Part) -> Iterator[Step]:
    """All measurements of this part."""
    yield Step("workflows/rates", lambda: _rates(part), 30 if part.small else 120)
    for number in range(1 if part.small else ROUNDS):
        for kind in SETS:
            for one in CONTENDERS:
                key = f"workflows/{kind}/{one.name}/{number}"
                takes_s = 15 if part.small else 90
                yield Step(key, partial(_contend, part, kind, one), takes_s)
    if not part.small:
        for executor in ("stock", "nvinx"):
            key = f"workflows/example/{executor}"
            yield Step(key, partial(_example, part, executor), 90)


def _rates(part: Part) -> dict[str, Any]:
    """Iterations per second of each job's model alone, and how much two small ones slow down."""
    if part.card is None:
        return {"alone": {}, "twins": {"cool": 1.0, "hot": 1.0 + FILE_HOT}}
    loaders = {name: name for name in (LONG, *SMALL.values())}
    loaders |= {f"{name}_too": name for name in SMALL.values()}
    programs = {n: Program(n, loader=f"{models.__name__}:{of}") for n, of in loaders.items()}
    plan = coruns.Plan(programs, [], [], coruns.SHORT if part.small else coruns.LONG)
    with contextlib.ExitStack() as stack:
        campaign = coruns.campaign(part, plan, stack)
        stack.callback(campaign.close)
        names = (LONG, *SMALL.values())
        alone = {name: statistics.median(campaign.side_by_side([name])[0]) for name in names}
        twins = {}
        for kind, name in SMALL.items():
            both = campaign.side_by_side([name, f"{name}_too"])
            twins[kind] = statistics.fmean(slowdown(alone[name], rates) for rates in both)
    return {"alone": alone, "twins": twins}


def _contend(part: Part, kind: str, one: Contender) -> dict[str, Any]:
    """Wall time of the workflow, seconds from first start to last end, and the card meanwhile."""
    _demand_snakemake()
    known = _known_rates(part)
    size_mb, vram_mb = _sizes_mb(part)
    with tempfile.TemporaryDirectory(dir=part.scratch, prefix="contended-") as made:
        folder = Path(made)
        commands = _commands(part, kind, known["alone"])
        config = {"commands": commands, "vram_mb": vram_mb, "rules": one.rules}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "nvinx.yaml").write_text(_bench(part, known["twins"][kind], one))
        shutil.copy(child.HERE / "contended" / "Snakefile", folder)
        (folder / "log").touch()
        words = [word.format(card_mb=size_mb) for word in one.arguments]
        command = ["snakemake", "--quiet", "all", "--keep-going", "--cores", "8"]
        command += [*words, "--configfile", "config.json"]
        ended, busy = _watched(part, [sys.executable, "-m", *command], folder, kind)
        return {**_span(folder), **ended, **busy}


def _known_rates(part: Part) -> dict[str, Any]:
    """What `_rates` measured last. Raises MeasurementError when it did not."""
    found = [line["data"] for line in part.records.lines if line["key"] == "workflows/rates"]
    known: dict[str, Any] | None = next((data for data in reversed(found) if "twins" in data), None)
    if known is None:
        raise MeasurementError("the rates alone could not be measured")
    return known


def _sizes_mb(part: Part) -> tuple[int, dict[str, int]]:
    """MB of the card that the jobs may have, and what each kind of GPU job needs."""
    return (FILE_CARD_MB, FILE_VRAM_MB) if part.card is None else (CARD_MB, VRAM_MB)


def _span(folder: Path) -> dict[str, Any]:
    """Seconds from the first start to the last end of a job, and how many jobs ended."""
    rows = [line.split() for line in (folder / "log").read_text().splitlines()]
    times = [float(at) for at, *_ in rows]
    if not times:
        raise MeasurementError("no job started")
    jobs = sum(what == "end" for _, what, _ in rows)
    return {"span_s": round(max(times) - min(times), 2), "jobs": jobs}


def _watched(
    part: Part, command: list[str], folder: Path, kind: str = "cool"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """How a command ended and in what time; how busy the card was."""
    _python, environ = child.python("-")
    environ |= {
        models.DEVICE: part.device,
        "EVIDENCE_LOG": str(folder / "log"),
        "NVINX_STATE_DIR": str(folder / "state"),
        "NVINX_BENCH": "",
        "FAKE_CARD": str(folder / "card.json"),
        "FAKE_CARD_HOT": str(FILE_HOT if kind == "hot" else 0),
        "PYTHONPATH": f"{environ['PYTHONPATH']}:{child.STAND_IN}",
    }
    with BusyWatch(part.card) as watch:
        began = time.monotonic()
        ended = child.execute(command, environ, 300, folder)
        wall_s = time.monotonic() - began
    failed = {"said": (ended.stderr or ended.stdout)[-2000:]} if ended.status else {}
    return {"status": ended.status, "wall_s": round(wall_s, 2), **failed}, watch.found()


def _commands(part: Part, kind: str, alone: Mapping[str, float]) -> dict[str, str]:
    """What each kind of job runs."""
    program = f"{shlex.quote(sys.executable)} {shlex.quote(str(child.PROGRAMS / 'job.py'))}"
    seconds = {name: s * (SHRUNK if part.small else 1) for name, s in SECONDS.items()}
    if part.card is None:
        sizes = {"cpu": 0, **FILE_VRAM_MB}
        return {name: f"{program} file {sizes[name]} {s}" for name, s in seconds.items()}
    found = {"cpu": f"{program} core {seconds['cpu']}"}
    for name, model in (("long", LONG), ("small", SMALL[kind])):
        iterations = max(round(alone[model] * seconds[name]), 1)
        found[name] = f"{program} model {models.__name__}:{model} {iterations}"
    return found


def _bench(part: Part, twins: float, one: Contender) -> str:
    """A bench of which nvinx gives out as much as the others may declare."""
    size_mb, vram_mb = _sizes_mb(part)
    gpu: dict[str, Any] = {"vram_gb": size_mb / 1000}
    if part.card is None:
        gpu |= {"name": "a file", "simulated": True}
    bench: dict[str, Any] = {
        "hardware": {"cpu_cores": 8, "gpus": [gpu], "headroom_gb": 0},
        "models": [
            {"name": "small", "vram_gb": vram_mb["small"] / 1000, "residency": "gpu_shared"}
        ],
    }
    if one.calibrated:
        pair = {"a": "small", "b": "small", "slowdown_a": twins, "slowdown_b": twins}
        bench["interference"] = {"pairs": [pair]}
    return json.dumps(bench)  # JSON is YAML


def _example(part: Part, executor: str) -> dict[str, Any]:
    """Wall time of an example workflow on a fresh copy, and whether it found what is expected."""
    _demand_snakemake()
    if importlib.util.find_spec("pyrodigal") is None:
        raise MissingError("pyrodigal")
    bench = "nvinx.simulated.yaml" if part.card is None else "nvinx.yaml"
    ours = (*NVINX, "--nvinx-bench", bench)
    words = ours if executor == "nvinx" else ("--resources", "gpu=1")
    with tempfile.TemporaryDirectory(dir=part.scratch, prefix="example-") as made:
        folder = Path(made) / EXAMPLE.name
        shutil.copytree(EXAMPLE, folder, ignore=LEFT_OUT)
        command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--cores", _cores(), *words]
        ended, busy = _watched(part, command, folder)
        summary = folder / "results" / "summary.json"
        return {**ended, **busy, "finished": summary.exists()}


def _cores() -> str:
    return str(min(len(os.sched_getaffinity(0)), 8))


def _demand_snakemake() -> None:
    if importlib.util.find_spec("snakemake") is None:
        raise MissingError("snakemake")
