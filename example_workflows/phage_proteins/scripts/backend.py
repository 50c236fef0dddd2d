"""Where the arithmetic runs: torch on a CUDA card when this machine has both, else numpy."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from nvinx.placement import CurrentPlacement


@dataclass(frozen=True, slots=True)
class Backend:
    """An array module with numpy's names for what the encoders use, and a device of it."""

    xp: ModuleType
    device: str

    @property
    def name(self) -> str:
        return self.xp.__name__

    def put(self, array: np.ndarray) -> Any:
        """A copy of `array` on the device."""
        if self.xp is np:
            return np.array(array)
        return self.xp.tensor(array, device=self.device)

    def fetch(self, array: Any) -> np.ndarray:
        return array if self.xp is np else array.cpu().numpy()


def choose_backend(placement: CurrentPlacement) -> Backend:
    """torch when the job was placed on a card and torch finds one, else numpy on the CPU."""
    if placement.device != "cpu" and importlib.util.find_spec("torch"):
        import torch  # late: takes seconds, and only jobs on a real card need it

        if torch.cuda.is_available():
            return Backend(torch, placement.device)
    return Backend(np, "cpu")
