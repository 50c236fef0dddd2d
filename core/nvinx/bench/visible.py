"""Which cards `CUDA_VISIBLE_DEVICES` leaves to whoever starts nvinx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nvinx.bench.capacity import Card
    from nvinx.bench.resolve import Bench

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
BY_BUS = "PCI_BUS_ID"
AMBIGUOUS = (
    "by nvidia-smi's numbers; CUDA itself may count otherwise, so name UUIDs, or set "
    f"{ORDER}={BY_BUS}"
)


def restrict(bench: Bench, environ: Mapping[str, str]) -> Bench:
    """The bench with those cards only that the variable names; where nvinx set it, all."""
    value = environ.get(VARIABLE)
    if value is None or environ.get("NVINX_JOB") or not bench.cards:
        return bench
    kept = [n for n, card in enumerate(bench.cards) if card.id in named(value, bench.cards)]
    if len(kept) == len(bench.cards):
        return bench
    hidden = [c for n, c in enumerate(bench.cards) if n not in kept]
    said = f"{VARIABLE}={value!r} hides {_listed(hidden)}"
    if is_ambiguous(value, bench.cards, environ):
        said += f", {AMBIGUOUS}"
    return replace(
        bench,
        cards=tuple(bench.cards[n] for n in kept),
        origins=_renumbered(bench.origins, kept),
        problem=said if bench.problem is None else f"{said}; {bench.problem}",
    )


def named(value: str, cards: Sequence[Card]) -> tuple[str, ...]:
    """Ids of the cards that a value of the variable names, by the rules of CUDA.

    Names are indices, ids, or beginnings of ids that fit one card. The first that fits none ends
    the list; one that stands twice makes it empty. Indices count as nvidia-smi does, see
    `is_ambiguous`. Source: CUDA C++ Programming Guide, environment variables.
    """
    found: list[str] = []
    for word in (part.strip() for part in value.split(",")):
        fits = [card.id for card in cards if _fits(word, card)]
        if len(fits) != 1:
            break
        found += fits
    return () if len(set(found)) < len(found) else tuple(found)


def is_ambiguous(value: str, cards: Sequence[Card], environ: Mapping[str, str]) -> bool:
    """Whether CUDA may count these cards in another order: its own begins with the fastest."""
    by_number = any(part.strip().isdigit() for part in value.split(","))
    several = len({card.name for card in cards if not card.simulated}) > 1
    return by_number and several and environ.get(ORDER) != BY_BUS


def _fits(word: str, card: Card) -> bool:
    if word.isdigit():
        return int(word) == card.index
    return bool(word) and card.id.lower().startswith(word.lower())


def _listed(cards: Iterable[Card]) -> str:
    return ", ".join(f"GPU {card.index}" for card in cards)


def _renumbered(origins: Mapping[str, str], kept: Sequence[int]) -> dict[str, str]:
    """Origins by the cards' new positions."""
    whole = {key: origin for key, origin in origins.items() if not key.startswith("gpus[")}
    for new, old in enumerate(kept):
        for key in ("vram_gb", "headroom_gb"):
            whole[f"gpus[{new}].{key}"] = origins[f"gpus[{old}].{key}"]
    return whole
