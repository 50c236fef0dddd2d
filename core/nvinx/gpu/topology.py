"""How near the GPUs of this machine are to each other, through NVML."""

from __future__ import annotations

import contextlib
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nvinx.gpu.ports import Distance


class NvmlTopology:
    """A GpuTopology over NVML: cards with an NVLink between them are nearest, then by the levels of
    `nvmlGpuTopologyLevel_t`: one board, one switch, several, one host bridge, one NUMA node, the
    machine.
    """

    def read(self, ids: Sequence[str]) -> tuple[Distance, ...]:
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return ()
        try:
            return tuple(_all(pynvml, ids))
        finally:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def _all(nvml: Any, ids: Sequence[str]) -> Iterator[Distance]:
    for one, other in combinations(ids, 2):
        with contextlib.suppress(nvml.NVMLError):  # a card has gone, or is a part of one (MIG)
            handles = [nvml.nvmlDeviceGetHandleByUUID(card_id) for card_id in (one, other)]
            linked = _are_linked(nvml, *handles)
            yield one, other, 0 if linked else _level(nvml, *handles)


def _level(nvml: Any, one: Any, other: Any) -> int:
    return 1 + int(nvml.nvmlDeviceGetTopologyCommonAncestor(one, other))


def _are_linked(nvml: Any, one: Any, other: Any) -> bool:
    try:
        status = nvml.nvmlDeviceGetP2PStatus(one, other, nvml.NVML_P2P_CAPS_INDEX_NVLINK)
    except nvml.NVMLError:
        return False
    return bool(status == nvml.NVML_P2P_STATUS_OK)
