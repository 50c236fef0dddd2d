"""Whether a failed job ran out of GPU memory, told from its exit status and what it wrote. Pure.

The texts are those that PyTorch, JAX, TensorFlow, CuPy, OpenMM, ggml and plain CUDA programs write
when an allocation on the card fails. Configuration errors and a full host memory look similar and
are none.
"""

from __future__ import annotations

import re
from enum import Enum

TAIL_BYTES = 65_536  # an error stands at the end

_TEXTS = (
    r"torch\.(?:cuda\.)?OutOfMemoryError",
    r"c10::(?:CUDA)?OutOfMemoryError",
    r"CUDA out of memory",
    r"exceed per_process_memory_fraction limit",
    r"CUDA (?:driver |runtime )?error: out of memory",
    r"\bcudaErrorMemoryAllocation\b",
    r"\bCUDA_ERROR_OUT_OF_MEMORY\b",
    r"\bCU(?:BLAS|DNN|SOLVER|SPARSE|FFT)_(?:STATUS_)?ALLOC_FAILED\b",
    r"RESOURCE_EXHAUSTED: (?:Out of memory|Failed to allocate)",
    r"OOM when allocating tensor",
    r"Allocator \(GPU_\d+_bfc\) ran out of memory",
    r"cupy\.cuda\.memory\.OutOfMemoryError",
    r"CuPy OutOfMemoryError",
    r"cudaMalloc failed: out of memory",
    r"unable to allocate CUDA\d+ buffer",
    r"std::bad_alloc: (?:out_of_memory: )?CUDA error",
)
_OUT_OF_MEMORY = "|".join(_TEXTS)


def outcome_of(status: int, text: str) -> Outcome:
    """How a job ended. status: its exit status, negative or above 128 for a signal.

    A job that recovered from a failed allocation and ended with 0 is a success.
    """
    if status == 0:
        return Outcome.OK
    return Outcome.OUT_OF_MEMORY if re.search(_OUT_OF_MEMORY, text) else Outcome.FAILED


class Outcome(Enum):
    """How a job ended."""

    OK = "ok"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
