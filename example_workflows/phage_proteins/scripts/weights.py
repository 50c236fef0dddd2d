"""An encoder's weights within a budget: some stay on the device, the others pass through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.catalog import Residency

if TYPE_CHECKING:
    import numpy as np
    from backend import Backend

    from nvinx.placement import CurrentPlacement

    Group = dict[str, np.ndarray]


class Weights:
    """Groups of arrays in host memory, of which the first `resident` are on the device as well.

    budget: bytes of weights that the device may hold at any time, None for no limit. A group that
    is not resident is copied for each use, so room for the largest one is kept free.
    """

    def __init__(self, backend: Backend, groups: list[Group], budget: int | None = None) -> None:
        self.backend = backend
        self.groups = groups
        self.sizes = [group_bytes(group) for group in groups]
        self.resident = groups_that_stay(self.sizes, budget)
        self.streamed_bytes = 0
        self._kept = [self._copy(index) for index in range(self.resident)]

    @property
    def peak_bytes(self) -> int:
        """The most that the device ever holds of these weights."""
        return sum(self.sizes[: self.resident]) + max(self.sizes[self.resident :], default=0)

    def group(self, index: int) -> dict[str, Any]:
        """The arrays of one group, on the device; drop them before you ask for the next one."""
        if index < self.resident:
            return self._kept[index]
        self.streamed_bytes += self.sizes[index]
        return self._copy(index)

    def _copy(self, index: int) -> dict[str, Any]:
        return {name: self.backend.put(array) for name, array in self.groups[index].items()}


def group_bytes(group: Group) -> int:
    return sum(array.nbytes for array in group.values())


def groups_that_stay(sizes: list[int], budget: int | None) -> int:
    """How many groups, from the first, fit for good beside a buffer for the largest other one."""
    if budget is None or sum(sizes) <= budget:
        return len(sizes)
    for stay in range(len(sizes) - 1, -1, -1):
        if sum(sizes[:stay]) + max(sizes[stay:]) <= budget:
            return stay
    raise ValueError(f"the largest group has {max(sizes)} bytes, the budget {budget}: raise it")


def weight_budget(
    placement: CurrentPlacement, declared_mb: int | None, groups: list[Group]
) -> int | None:
    """Bytes of these small weights that may be on the device, in the proportion that was granted.

    The encoders of this example are much smaller than what their rules declare. A job declared at
    6000 MB that is granted 4000 MB keeps two thirds of its real weights on the device. None when
    the placement sets no limit.
    """
    if placement.residency is not Residency.GPU_RAM_OVERFLOW or not declared_mb:
        return None
    granted = placement.max_memory.get(0)
    if granted is None:
        return None
    return sum(map(group_bytes, groups)) * granted // (declared_mb * 10**6)
