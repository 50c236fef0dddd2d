"""The VRAM that a job declared, imposed on it where its framework allows. Pure.

Frameworks that know none of these variables ignore them. Fractions are of the card's whole memory,
and leave out the CUDA context, which no framework counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.residency import Residency
from nvinx.sizes import CONTEXT_MIB, MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.admission.job import Placement
    from nvinx.bench.capacity import Capacity

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
    card = capacity.card(placement.card)
    cap_mib = max(placement.vram_mib - CONTEXT_MIB, round(placement.vram_mib * _LEAST_SHARE))
    fraction = f"{cap_mib / (card.total_mib + card.undeclared_mib):.4f}"
    wanted = {
        "NVINX_VRAM_FRACTION": fraction,
        "XLA_CLIENT_MEM_FRACTION": fraction,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": fraction,
        **AS_NEEDED,
        "CUPY_GPU_MEMORY_LIMIT": str(cap_mib * MIB),
    }
    before = environ.get("PYTHONPATH", "")
    path = {"PYTHONPATH": f"{site}:{before}" if before else site}
    return {name: value for name, value in wanted.items() if name not in environ} | path
