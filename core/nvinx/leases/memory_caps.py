"""The VRAM that a job declared, imposed on it where its framework allows. Pure.

Frameworks that know none of these variables ignore them. Fractions are of the card's whole memory,
and leave out the CUDA context, which no framework counts. Each is for all cards of a job alike, so
on several it is the one that is safe on all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nvinx.residency import Residency
from nvinx.sizes import CONTEXT_MIB, MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.admission.job import Placement
    from nvinx.bench.capacity import Capacity, Card
    from nvinx.jobs.claim import Claim

_LEAST_SHARE = 0.5  # of what was declared, where the context would leave less


# A framework that takes most of a card in advance shows nothing of what a job needs.
AS_NEEDED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def variables(
    placement: Placement, capacity: Capacity, site: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """What to export for a job that shares a card; nothing for others, nor what is set already.

    site: the folder that holds our `sitecustomize`, which caps PyTorch, as that has to know the
    version. environ: of the program that starts the job.
    """
    if placement.residency is not Residency.GPU_SHARED or placement.card is None:
        return {}
    caps_mib = {card_id: _cap_mib(placement.mib_on(card_id)) for card_id in placement.cards}
    shares = (mib / _size_mib(capacity.card(card_id)) for card_id, mib in caps_mib.items())
    fraction = f"{min(1.0, *shares):.4f}"
    wanted = {
        "NVINX_VRAM_FRACTION": fraction,
        "XLA_CLIENT_MEM_FRACTION": fraction,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": fraction,
        **AS_NEEDED,
        "CUPY_GPU_MEMORY_LIMIT": str(min(caps_mib.values()) * MIB),
    }
    before = environ.get("PYTHONPATH", "")
    path = {"PYTHONPATH": f"{site}:{before}" if before else site}
    return {name: value for name, value in wanted.items() if name not in environ} | path


def most(placement: Placement, claim: Claim) -> Placement:
    """With all that the job may ever use of its card: a framework's cap is set once."""
    if placement.budget is None:
        return placement
    return replace(placement, vram_mib=max(claim.most_mib, placement.vram_mib))


def _cap_mib(held_mib: int) -> int:
    return max(held_mib - CONTEXT_MIB, round(held_mib * _LEAST_SHARE))


def _size_mib(card: Card) -> int:
    return card.total_mib + card.undeclared_mib
