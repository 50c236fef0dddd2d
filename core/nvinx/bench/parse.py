"""What a bench file says, every mistake with its line and its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.bench import unlikely
from nvinx.bench.oom_words import KEY as OOM_PATTERNS
from nvinx.bench.oom_words import oom_patterns
from nvinx.bench.resolve import BenchFile, ClusterNodes, DeclaredGpu, Interference, headroom_error
from nvinx.bench.strict_yaml import At, Table, read, shown, suggestion, table
from nvinx.errors import BenchError
from nvinx.overflow.bandwidth import Bandwidth
from nvinx.residency import Residency

if TYPE_CHECKING:
    from nvinx.catalog import ModelSpec
    from nvinx.interference.slowdown import CoRun

_TOP = ("hardware", "gpus", "headroom_gb", "models", "interference", "cluster", OOM_PATTERNS)
_HARDWARE = (
    "vram_gb",
    "ram_gb",
    "cpu_cores",
    "simulated",
    "gpus",
    "headroom_gb",
    "bus_gb_per_s",
    "disk_gb_per_s",
)
_GPU = ("name", "vram_gb", "simulated", "headroom_gb")
_MODEL = (
    "name",
    "vram_gb",
    "residency",
    "cpu_fallback_supported",
    "ram_overflow_supported",
    "ram_gb_needed",
)
_NODES = ("nodes", "vram_gb", "card")
_INTERFERENCE = ("file", "any_card", "pairs", "utilisation")


def parse(text: str, path: str) -> BenchFile:
    """What a bench file's text says. Raises BenchError with the line at the first mistake."""
    return understood(read(text, path), path)


def understood(root: At | None, path: str) -> BenchFile:
    """The same of what was read already."""
    if root is None or root.value is None:
        fix = "describe the bench, or delete the file and let nvinx look at the machine"
        raise BenchError(path, None, "the file is empty", fix)
    top = table(root, "the bench file", _TOP)
    hardware = table(top.entries.get("hardware", replace(root, value=None)), "hardware", _HARDWARE)
    gpus, lines = _gpus(hardware, _holder("gpus", top, hardware))
    for key, at in (*top.entries.items(), *hardware.entries.items()):
        lines[key] = at.line
    file = BenchFile(
        path=path,
        vram_gb=hardware.gb("vram_gb"),
        ram_gb=hardware.gb("ram_gb"),
        cpu_cores=hardware.count("cpu_cores"),
        gpus=gpus,
        headroom_gb=_holder("headroom_gb", top, hardware).gb("headroom_gb"),
        bandwidth=_bandwidth(hardware),
        models=_models(top),
        interference=_interference(top),
        cluster=_cluster(top),
        oom_patterns=oom_patterns(top),
        lines=lines,
        doubts=tuple(unlikely.doubts(root)),
    )
    _check_headroom(file)
    return file


def _holder(key: str, top: Table, hardware: Table) -> Table:
    """The table where this key stands, which may not be both; if it is in neither, the top."""
    if key in top.entries and key in hardware.entries:
        problem = f"{key} is both at the top and under hardware"
        raise hardware.entries[key].error(problem, "keep one of the two")
    return hardware if key in hardware.entries else top


def _gpus(hardware: Table, holder: Table) -> tuple[tuple[DeclaredGpu, ...], dict[str, int]]:
    """The declared GPUs, and the lines of what is said about them."""
    vram, flag = hardware.entries.get("vram_gb"), hardware.entries.get("simulated")
    if "gpus" in holder.entries:
        return _listed_gpus(hardware, holder)
    if vram is None and flag is not None:
        fix = "add vram_gb, the size of the simulated card"
        raise flag.error("simulated has no effect without vram_gb", fix)
    vram_gb, simulated = hardware.gb("vram_gb"), hardware.flag("simulated")
    if vram is not None and vram_gb == 0 and simulated:
        raise vram.error("a simulated card of 0 GB is no card", "write its size, such as 4")
    if vram is None or not vram_gb:
        return (), {}
    return (DeclaredGpu(None, vram_gb, simulated),), {"gpus[0].vram_gb": vram.line}


def _listed_gpus(hardware: Table, holder: Table) -> tuple[tuple[DeclaredGpu, ...], dict[str, int]]:
    for other, fix in (
        ("vram_gb", "keep the gpus list, and write vram_gb in its entries"),
        ("simulated", "write `simulated: true` in the entries of gpus"),
    ):
        if other in hardware.entries:
            raise hardware.entries[other].error(f"{other} and gpus exclude each other", fix)
    gpus: list[DeclaredGpu] = []
    lines: dict[str, int] = {}
    for position, at in enumerate(holder.items("gpus")):
        entry = table(at, f"gpus[{position}]", _GPU, needed=("vram_gb",))
        gpus.append(_gpu(entry, {gpu.name for gpu in gpus}))
        lines |= {f"gpus[{position}].{name}": at.line for name, at in entry.entries.items()}
    if not gpus:
        fix = "leave gpus out, or write `vram_gb: 0` under hardware for a bench without a GPU"
        raise holder.entries["gpus"].error("gpus is an empty list", fix)
    return tuple(gpus), lines


def _gpu(entry: Table, names: set[str | None]) -> DeclaredGpu:
    name, vram_gb = entry.text("name"), entry.gb("vram_gb")
    if name is not None and name in names:
        raise entry.entries["name"].error(f"two GPUs are called {name!r}", "rename one of them")
    if not vram_gb:
        raise entry.entries["vram_gb"].error("a card of 0 GB is no card", "leave the entry out")
    return DeclaredGpu(name, vram_gb, entry.flag("simulated"), entry.gb("headroom_gb"))


def _bandwidth(hardware: Table) -> Bandwidth:
    said = {}
    for tier in ("bus", "disk"):
        key = f"{tier}_gb_per_s"
        speed = hardware.number(key, "write GB per second, such as 6.25")
        if speed == 0:
            fix = "measure it (nvinx bench --measure), or leave the line out"
            raise hardware.entries[key].error(f"{key} is 0", fix)
        if speed is not None:
            said[tier] = speed * 1e9
    return Bandwidth(**said)


def _models(top: Table) -> dict[str, ModelSpec]:
    if "models" not in top.entries:
        return {}
    from nvinx.catalog import ModelSpec

    models: dict[str, ModelSpec] = {}
    for position, at in enumerate(top.items("models")):
        entry = table(at, f"models[{position}]", _MODEL, needed=("name", "vram_gb", "residency"))
        name = entry.text("name") or ""
        if name in models:
            raise entry.entries["name"].error(f"two models are called {name!r}", "rename one")
        models[name] = ModelSpec(
            name=name,
            vram_gb=entry.gb("vram_gb") or 0.0,
            residency=_residency(entry.entries["residency"]),
            cpu_fallback_supported=entry.flag("cpu_fallback_supported"),
            ram_overflow_supported=entry.flag("ram_overflow_supported"),
            ram_gb_needed=entry.gb("ram_gb_needed"),
        )
    return models


def _cluster(top: Table) -> tuple[ClusterNodes, ...]:
    """What the cards of a cluster's nodes are."""
    found = []
    for position, at in enumerate(top.items("cluster")):
        entry = table(at, f"cluster[{position}]", _NODES, needed=("nodes", "vram_gb"))
        vram_gb = entry.gb("vram_gb")
        if not vram_gb:
            fix = "write the VRAM of one card, or leave the entry out"
            raise entry.entries["vram_gb"].error("a card of 0 GB is no card", fix)
        found.append(ClusterNodes(entry.text("nodes") or "", vram_gb, entry.text("card")))
    return tuple(found)


def _residency(at: At) -> Residency:
    known = [residency.value for residency in Residency]
    word = at.value.lower() if isinstance(at.value, str) else ""
    if word not in known:
        raise at.error(f"residency is {shown(at)}, which is unknown", suggestion(word, known))
    return Residency(word)


def _interference(top: Table) -> Interference | None:
    at = top.entries.get("interference")
    if at is None or at.value is None:
        return None
    if isinstance(at.value, str):
        return Interference(file=at.value)
    if not isinstance(at.value, dict):
        fix = "write the path of a file by `nvinx calibrate`, or a list under `pairs:`"
        raise at.error(f"interference is {shown(at)}, neither a path nor a mapping", fix)
    entries = table(at, "interference", _INTERFERENCE)
    file, pairs = entries.text("file"), entries.items("pairs")
    utilisation = _utilisation(entries)
    if file is not None and pairs:
        raise at.error("interference has a file and pairs", "write either `file:` or `pairs:`")
    if file is None and not pairs and not utilisation:
        fix = "write `file:`, `pairs:` or `utilisation:` in it"
        raise at.error("interference is empty", fix)
    return Interference(file, entries.flag("any_card"), _coruns(pairs), utilisation)


def _coruns(pairs: list[At]) -> tuple[CoRun, ...]:
    if not pairs:
        return ()
    from nvinx.bench.coruns import corun

    return tuple(corun(pair, f"pairs[{n}]") for n, pair in enumerate(pairs))


def _utilisation(entries: Table) -> dict[str, float]:
    at = entries.entries.get("utilisation")
    if at is None or at.value is None:
        return {}
    names = tuple(at.value) if isinstance(at.value, dict) else ()
    shares_at = table(at, "utilisation", names)
    shares = {}
    for name in names:
        share = shares_at.number(name) or 0.0
        if not 0 <= share <= 1:
            raise shares_at.entries[name].error(f"{name} is {share:g}", "write a share from 0 to 1")
        shares[str(name)] = share
    return shares


def _check_headroom(file: BenchFile) -> None:
    for position, gpu in enumerate(file.gpus):
        key = "headroom_gb" if gpu.headroom_gb is None else f"gpus[{position}].headroom_gb"
        headroom_gb = file.headroom_gb if gpu.headroom_gb is None else gpu.headroom_gb
        if headroom_gb is not None and headroom_gb > gpu.vram_gb:
            raise headroom_error(file.path, file.lines[key], headroom_gb, gpu.vram_gb)
