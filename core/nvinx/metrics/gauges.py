"""What nvinx tells a monitoring system: the one list of metrics, and where each value is from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.sizes import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nvinx.bench.capacity import Card
    from nvinx.gpu.ports import GpuReading
    from nvinx.leases.snapshot import Snapshot

_PERCENT = "percentunit"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that values are taken from. readings: by card id. runs: in the history, by outcome."""

    snapshot: Snapshot
    readings: Mapping[str, GpuReading]
    ram_left_mib: int
    cpu: float
    runs: Mapping[str, int]
    version: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One gauge. unit: Grafana's. labels: their names; values: label values and value, in turn."""

    name: str
    help: str
    unit: str
    labels: tuple[str, ...]
    values: Callable[[Facts], Iterator[tuple[tuple[str, ...], float]]]


def _of_cards(
    value: Callable[[Facts, Card], float | None],
) -> Callable[[Facts], Iterator[tuple[tuple[str, ...], float]]]:
    """One value for each card, where there is one."""

    def values(facts: Facts) -> Iterator[tuple[tuple[str, ...], float]]:
        for card in facts.snapshot.cards:
            found = value(facts, card)
            if found is not None:
                yield (str(card.index), card.name), found

    return values


def _single(
    value: Callable[[Facts], float],
) -> Callable[[Facts], Iterator[tuple[tuple[str, ...], float]]]:
    def values(facts: Facts) -> Iterator[tuple[tuple[str, ...], float]]:
        yield (), value(facts)

    return values


def _used(facts: Facts, card: Card) -> float | None:
    reading = facts.readings.get(card.id)
    return None if reading is None or reading.used_mib is None else reading.used_mib * MIB


def _busy(facts: Facts, card: Card) -> float | None:
    reading = facts.readings.get(card.id)
    return None if reading is None else reading.utilisation


def _is_lost(facts: Facts, card: Card) -> float:
    return float(
        not card.simulated and card.id not in {gpu.id for gpu in facts.snapshot.inventory.gpus}
    )


def _is_held_alone(facts: Facts, card: Card) -> float:
    return float(any(lease.placement.alone for lease in facts.snapshot.on_card(card)))


def _oldest_wait_s(facts: Facts) -> float:
    return max((facts.snapshot.now - r.since for r in facts.snapshot.requests), default=0.0)


def _engines(facts: Facts) -> float:
    holding = {lease.job.engine for lease in facts.snapshot.leases}
    return len(holding | {request.job.engine for request in facts.snapshot.requests})


def _spilled(facts: Facts) -> float:
    return (
        sum(lease.placement.ram_mib for lease in facts.snapshot.leases if lease.placement.alone)
        * MIB
    )


def _runs(facts: Facts) -> Iterator[tuple[tuple[str, ...], float]]:
    for outcome, count in sorted(facts.runs.items()):
        yield (outcome,), float(count)


def _version(facts: Facts) -> Iterator[tuple[tuple[str, ...], float]]:
    yield (facts.version,), 1.0


_CARD = ("gpu", "card")

METRICS: tuple[Metric, ...] = (
    Metric(
        "nvinx_card_vram_bytes",
        "VRAM that nvinx may use of the card.",
        "bytes",
        _CARD,
        _of_cards(lambda _, card: card.total_mib * MIB),
    ),
    Metric(
        "nvinx_card_shareable_bytes",
        "VRAM that jobs may share, without the headroom.",
        "bytes",
        _CARD,
        _of_cards(lambda _, card: card.shareable_mib * MIB),
    ),
    Metric(
        "nvinx_card_leased_bytes",
        "VRAM held by leases; for an exclusive job, the whole card.",
        "bytes",
        _CARD,
        _of_cards(lambda facts, card: facts.snapshot.leased_mib(card) * MIB),
    ),
    Metric(
        "nvinx_card_foreign_bytes",
        "VRAM that programs outside nvinx use.",
        "bytes",
        _CARD,
        _of_cards(lambda _, card: card.foreign_mib * MIB),
    ),
    Metric(
        "nvinx_card_used_bytes", "VRAM in use, by any program.", "bytes", _CARD, _of_cards(_used)
    ),
    Metric(
        "nvinx_card_busy_ratio",
        "Fraction of the last moment in which a kernel ran, 0 to 1.",
        _PERCENT,
        _CARD,
        _of_cards(_busy),
    ),
    Metric(
        "nvinx_card_jobs",
        "Jobs that hold a lease of the card.",
        "short",
        _CARD,
        _of_cards(lambda facts, card: len(facts.snapshot.on_card(card))),
    ),
    Metric(
        "nvinx_card_held_alone",
        "1 while a job has the card to itself.",
        "short",
        _CARD,
        _of_cards(_is_held_alone),
    ),
    Metric(
        "nvinx_card_lost",
        "1 when the driver no longer shows it.",
        "short",
        _CARD,
        _of_cards(_is_lost),
    ),
    Metric(
        "nvinx_waiting_jobs",
        "Jobs that wait for a card.",
        "short",
        (),
        _single(lambda facts: facts.snapshot.waiting),
    ),
    Metric(
        "nvinx_oldest_wait_seconds",
        "How long the first waiting job has waited.",
        "s",
        (),
        _single(_oldest_wait_s),
    ),
    Metric(
        "nvinx_engines", "Programs that hold or ask for leases.", "short", (), _single(_engines)
    ),
    Metric(
        "nvinx_spilled_ram_bytes", "RAM that models spill into.", "bytes", (), _single(_spilled)
    ),
    Metric(
        "nvinx_ram_left_bytes",
        "RAM that is free.",
        "bytes",
        (),
        _single(lambda facts: facts.ram_left_mib * MIB),
    ),
    Metric(
        "nvinx_cpu_busy_ratio",
        "Share of all cores that are busy, 0 to 1.",
        _PERCENT,
        (),
        _single(lambda facts: facts.cpu),
    ),
    Metric(
        "nvinx_remembered_runs",
        "Runs of jobs in the history, by outcome.",
        "short",
        ("outcome",),
        _runs,
    ),
    Metric("nvinx_info", "1, with the version.", "short", ("version",), _version),
)
