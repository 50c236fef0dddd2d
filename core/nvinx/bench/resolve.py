"""The bench: what its file says, and what is in force once the file meets the machine."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from nvinx.bench.capacity import Capacity, Card
from nvinx.errors import BenchError
from nvinx.overflow.bandwidth import Bandwidth
from nvinx.sizes import capacity_from_gb, capacity_from_mb, gb_from_mib, need_from_gb, need_from_mb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.catalog import ModelSpec
    from nvinx.gpu.ports import GpuInventory, GpuState
    from nvinx.host.resources import Machine
    from nvinx.interference.slowdown import CoRun, SlowdownModel

REAL_HEADROOM_GB = 0.5
HEADROOM_OPTION = "--nvinx-headroom-mb"
DRIVER = "this machine (NVML)"
MACHINE = "this machine"

_DEFAULTS = {
    "cpu_cores": MACHINE,
    "ram_gb": MACHINE,
    "models": "default",
    "interference": "nothing calibrated",
    "bus_gb_per_s": "default",
    "disk_gb_per_s": "default",
}

_NO_CARD = "write `simulated: true` to try things without a card, or check the driver (nvidia-smi)"


class DeclaredGpu(Struct, frozen=True):
    """A GPU as the bench file states it; `name` None means: as the driver calls it."""

    name: str | None
    vram_gb: float
    simulated: bool = False
    headroom_gb: float | None = None


class Interference(Struct, frozen=True):
    """What a bench file says of who slows whom: a file that `nvinx calibrate` wrote, or co-runs.

    any_card: use the file also where it was measured on another card. utilisation: by model, 0..1.
    """

    file: str | None = None
    any_card: bool = False
    coruns: tuple[CoRun, ...] = ()
    utilisation: Mapping[str, float] = field(default_factory=dict)


class ClusterNodes(Struct, frozen=True):
    """Nodes by Slurm's names, as `gpu[01-04]`, and what each of their cards is."""

    nodes: str
    vram_gb: float
    card: str | None = None


class BenchFile(Struct, frozen=True):
    """What a bench file says, and on which line; None where it says nothing.

    `vram_gb` is also the one entry of `gpus`, unless it is 0: then the bench has no GPU. `lines`
    has keys such as `cpu_cores` and `gpus[0].vram_gb`. `doubts`: sizes that can hardly be meant,
    in words.
    """

    path: str
    vram_gb: float | None = None
    ram_gb: float | None = None
    cpu_cores: int | None = None
    gpus: tuple[DeclaredGpu, ...] = ()
    headroom_gb: float | None = None
    bandwidth: Bandwidth = field(default_factory=Bandwidth)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    interference: Interference | None = None
    cluster: tuple[ClusterNodes, ...] = ()
    oom_patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def has_real_cards(self) -> bool:
        """Whether it leaves a card to be found on the machine."""
        return self.vram_gb != 0 and not (self.gpus and all(gpu.simulated for gpu in self.gpus))

    def origin(self, key: str) -> str:
        """Where the file says so, in words."""
        return f"{PurePath(self.path).name}, line {self.lines[key]}"


class Bench(Struct, frozen=True):
    """What is in force.

    `origins` says where each value came from; its keys are `cpu_cores`, `ram_gb`, `models`, `gpus`,
    `interference`, `bus_gb_per_s`, `disk_gb_per_s` and, by position in `cards`, such as
    `gpus[0].vram_gb` and `gpus[0].headroom_gb`. `problem` says why there is no GPU, or why one is
    missing. `slowdowns` predicts who slows whom; None when nobody calibrated. `utilisation`: by
    model, 0..1. `bandwidth`: between the tiers of a model that is split. `cluster`: cards of other
    machines that Slurm hands out; `cluster_headroom_mib`: VRAM of each that jobs never get.
    `searched`: where a bench file was looked for.
    `oom_patterns`: by rule, regular expressions for what its programs write when VRAM runs out.
    `doubts`: what can hardly be meant in the file, in words.
    """

    cards: tuple[Card, ...]
    cores: int
    ram_mib: int
    models: Mapping[str, ModelSpec]
    origins: Mapping[str, str]
    path: str | None = None
    problem: str | None = None
    slowdowns: SlowdownModel | None = None
    utilisation: Mapping[str, float] = field(default_factory=dict)
    bandwidth: Bandwidth = field(default_factory=Bandwidth)
    cluster: tuple[ClusterNodes, ...] = ()
    cluster_headroom_mib: int = 0
    searched: tuple[str, ...] = ()
    oom_patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        return any(card.simulated for card in self.cards)

    @property
    def card_names(self) -> tuple[str, ...]:
        return tuple(card.name for card in self.cards)

    @property
    def capacity(self) -> Capacity:
        """All that there is to hand out."""
        return Capacity(self.cards, self.cores, self.ram_mib)


def resolve(
    file: BenchFile | None,
    machine: Machine,
    inventory: GpuInventory,
    *,
    headroom_mb: int | None = None,
    slowdowns: SlowdownModel | None = None,
) -> Bench:
    """What is in force: the file first, then what the machine and its driver show.

    headroom_mb: VRAM to leave free on every card, before anything the file says. slowdowns: the
    model that the file's `interference` stands for. Raises BenchError when a headroom is larger
    than its card, or the model was measured on none of the cards.
    """
    _refuse_negative(headroom_mb)
    said = file or BenchFile("")
    slots, problem = _slots(said, inventory)
    cards, origins = [], {"gpus": _origin_of_gpus(said)}
    for position, slot in enumerate(slots):
        headroom_mib, origin = _headroom(slot, said, headroom_mb)
        cards.append(replace(slot.card, headroom_mib=headroom_mib))
        origins[f"gpus[{position}].vram_gb"] = slot.origin
        origins[f"gpus[{position}].headroom_gb"] = origin
    for key, default in _DEFAULTS.items():
        origins[key] = said.origin(key) if key in said.lines else default
    _demand_same_card(said, cards, slowdowns)
    return Bench(
        cards=tuple(cards),
        cores=machine.cores if said.cpu_cores is None else said.cpu_cores,
        ram_mib=machine.ram_mib if said.ram_gb is None else capacity_from_gb(said.ram_gb),
        models=said.models,
        origins=origins,
        path=None if file is None else file.path,
        problem=problem,
        slowdowns=slowdowns,
        utilisation=said.interference.utilisation if said.interference else {},
        bandwidth=said.bandwidth,
        cluster=said.cluster,
        oom_patterns=said.oom_patterns,
        doubts=said.doubts,
        cluster_headroom_mib=_cluster_headroom(said, headroom_mb),
    )


def _cluster_headroom(said: BenchFile, headroom_mb: int | None) -> int:
    if headroom_mb is not None:
        return need_from_mb(headroom_mb)
    return need_from_gb(REAL_HEADROOM_GB if said.headroom_gb is None else said.headroom_gb)


def _demand_same_card(said: BenchFile, cards: list[Card], slowdowns: SlowdownModel | None) -> None:
    """Slowdowns of another card are refused; a simulated card takes any."""
    measured_on = None if slowdowns is None else slowdowns.provenance.card
    real = [card.name for card in cards if not card.simulated]
    free = said.interference is None or said.interference.any_card
    if free or measured_on is None or not real or measured_on in real:
        return
    problem = (
        f"these slowdowns were measured on {measured_on}, this machine has {' and '.join(real)}"
    )
    fix = "calibrate here (nvinx calibrate), or write `any_card: true` below `interference:`"
    raise BenchError(said.path, said.lines["interference"], problem, fix)


class _Slot(Struct, frozen=True):
    """A card before its headroom; `key` is the declaration's, None where there is none."""

    card: Card
    origin: str
    key: str | None = None
    declared: DeclaredGpu | None = None


def _slots(said: BenchFile, inventory: GpuInventory) -> tuple[list[_Slot], str | None]:
    """The cards there are, and in words why one is missing."""
    if said.vram_gb == 0:
        return [], f"{said.origin('vram_gb')} says that this bench has no GPU"
    if not said.gpus:
        nothing = None if inventory.gpus else "the driver shows no GPU"
        return [_Slot(_card(gpu), DRIVER) for gpu in inventory.gpus], inventory.problem or nothing
    seen = {gpu.index: gpu for gpu in inventory.gpus}
    slots, missing, real = [], [], 0
    for position, declared in enumerate(said.gpus):
        key = f"gpus[{position}]"
        if declared.simulated:
            slots.append(_simulated(position, declared, said, key))
        elif real in seen:
            slots.append(_capped(seen[real], declared, said, key))
        else:
            missing.append(said.origin(f"{key}.vram_gb"))
        real += not declared.simulated
    if missing:
        return slots, _missing(missing, inventory)
    return slots, inventory.problem if real else None


def _card(gpu: GpuState) -> Card:
    return Card(id=gpu.id, index=gpu.index, name=gpu.name, total_mib=gpu.total_mib)


def _simulated(position: int, declared: DeclaredGpu, said: BenchFile, key: str) -> _Slot:
    card = Card(
        id=f"simulated-{position}",
        index=position,
        name=declared.name or f"simulated GPU {position}",
        total_mib=capacity_from_gb(declared.vram_gb),
        simulated=True,
    )
    return _Slot(card, said.origin(f"{key}.vram_gb"), key, declared)


def _capped(gpu: GpuState, declared: DeclaredGpu, said: BenchFile, key: str) -> _Slot:
    """The driver's card, no larger than declared; nobody gets VRAM that is not there."""
    cap_mib, origin = capacity_from_gb(declared.vram_gb), said.origin(f"{key}.vram_gb")
    if cap_mib > gpu.total_mib:
        return _Slot(_card(gpu), f"{DRIVER}; {origin} says more", key, declared)
    card = replace(_card(gpu), total_mib=cap_mib, device_mib=gpu.total_mib)
    return _Slot(card, origin, key, declared)


def _missing(origins: list[str], inventory: GpuInventory) -> str:
    because = f" ({inventory.problem})" if inventory.problem else ""
    return (
        f"{' and '.join(origins)}: a GPU is declared there that the driver does not show{because}. "
        f"Fix: {_NO_CARD}"
    )


def _origin_of_gpus(said: BenchFile) -> str:
    if said.vram_gb is not None:
        return said.origin("vram_gb")
    return said.origin("gpus") if said.gpus else DRIVER


def _headroom(slot: _Slot, said: BenchFile, headroom_mb: int | None) -> tuple[int, str]:
    """VRAM to leave free on the card, and who says so: the closest word wins."""
    card, declared = slot.card, slot.declared
    if headroom_mb is not None:
        return _headroom_by_option(card, headroom_mb), HEADROOM_OPTION
    if declared is not None and declared.headroom_gb is not None:
        gb, key = declared.headroom_gb, f"{slot.key}.headroom_gb"
    elif said.headroom_gb is not None:
        gb, key = said.headroom_gb, "headroom_gb"
    else:
        default = 0 if card.simulated else need_from_gb(REAL_HEADROOM_GB)
        return min(default, card.total_mib), "default"
    if capacity_from_gb(gb) > card.total_mib:
        raise headroom_error(said.path, said.lines[key], gb, gb_from_mib(card.total_mib))
    return min(need_from_gb(gb), card.total_mib), said.origin(key)


def _headroom_by_option(card: Card, headroom_mb: int) -> int:
    if capacity_from_mb(headroom_mb) > card.total_mib:
        most = math.floor(gb_from_mib(card.total_mib) * 1000)
        problem = f"{headroom_mb} MB is more than {card.name} has"
        raise BenchError(HEADROOM_OPTION, None, problem, f"give {most} at most")
    return min(need_from_mb(headroom_mb), card.total_mib)


def headroom_error(path: str, line: int, headroom_gb: float, vram_gb: float) -> BenchError:
    problem = f"headroom_gb {headroom_gb:g} is more than the card's {vram_gb:.4g} GB"
    return BenchError(path, line, problem, "write what to leave free on the card, such as 0.5")


def _refuse_negative(headroom_mb: int | None) -> None:
    if headroom_mb is not None and headroom_mb < 0:
        problem = f"{headroom_mb} MB is negative"
        raise BenchError(HEADROOM_OPTION, None, problem, "give the MB to leave free, 0 or more")
