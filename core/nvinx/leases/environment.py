"""The environment variables that tell a job where it was placed. `nvinx.placement` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import encode

from nvinx.residency import Residency
from nvinx.sizes import MIB, whole_mb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nvinx.admission.job import Placement
    from nvinx.bench.capacity import Capacity, Card

_OF_A_CARD = (
    "CUDA_VISIBLE_DEVICES",
    "NVINX_GPU_INDEX",
    "NVINX_VRAM_MB",
    "NVINX_MAX_MEMORY",
    "NVINX_SIMULATED",
    "NVINX_CARD_MB",
)


def variables(
    job_id: str, placement: Placement, capacity: Capacity, *, by_index: bool = False
) -> dict[str, str]:
    """What to export before the job's first command.

    CUDA_VISIBLE_DEVICES has the UUID of each card (a simulated one's index), and nothing on the
    CPU, so that a program which was sent to the CPU cannot reach a card by accident. NVINX_VRAM_MB
    and NVINX_CARD_MB are of the card with least, where several differ. by_index: the index instead
    of the UUID, for programs that read a number; CUDA then has to count by bus, as the driver does.
    """
    common = {"NVINX_JOB": job_id, "NVINX_PLACEMENT": placement.residency.value}
    if placement.card is None:
        return {**common, **dict.fromkeys(_OF_A_CARD, "")}
    cards = [capacity.card(card_id) for card_id in placement.cards]
    indices = ",".join(str(card.index) for card in cards)
    uuids = ",".join(str(card.index) if card.simulated else card.id for card in cards)
    return {
        **common,
        **({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if by_index else {}),
        "CUDA_VISIBLE_DEVICES": indices if by_index else uuids,
        "NVINX_GPU_INDEX": indices,
        "NVINX_VRAM_MB": str(min(_vram_mb(placement))),
        "NVINX_MAX_MEMORY": encode(_max_memory(placement, cards)).decode(),
        "NVINX_SIMULATED": "1" if cards[0].simulated else "",
        "NVINX_CARD_MB": str(min(c.total_mib + c.undeclared_mib for c in cards) * MIB // 10**6),
    }


def _max_memory(placement: Placement, cards: Sequence[Card]) -> dict[str, int]:
    """Bytes by device, in accelerate's words; a job that spills leaves context and headroom."""
    if placement.residency is Residency.GPU_RAM_OVERFLOW:
        limits = {str(n): card.weights_mib * MIB for n, card in enumerate(cards)}
        limits["cpu"] = declared_mb(placement.ram_mib) * 10**6
        disk = {"disk": declared_mb(placement.disk_mib) * 10**6} if placement.disk_mib else {}
        return limits | disk
    return {str(n): mb * 10**6 for n, mb in enumerate(_vram_mb(placement))}


def _vram_mb(placement: Placement) -> list[int]:
    """MB on each card: declared, or of its part of the card, or of the card that it has alone."""
    held = [placement.mib_on(card_id) for card_id in placement.cards]
    if placement.residency.shares_card and placement.share is None:
        return [declared_mb(mib) for mib in held]
    return [mib * MIB // 10**6 for mib in held]


def declared_mb(mib: int) -> int:
    """The MB that were declared: of the one or two that are this many MiB, the round one.

    So a declared 900 or 3000 MB reads as just that; it is never more than was declared, but for a
    neighbour of a multiple of ten.
    """
    fewest, most = whole_mb(mib), whole_mb(mib + 1) - 1
    return most if most % 10 == 0 else fewest
