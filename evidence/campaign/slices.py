"""A small slice of a card for one process: some of its multiprocessors, and a cap on its memory."""

from __future__ import annotations

import os
from typing import Any

SMS, MEMORY_MIB = "EVIDENCE_SMS", "EVIDENCE_MEMORY_MIB"


def variables(sms: int, memory_mib: int) -> dict[str, str]:
    """What to export so that `enter_wanted` enters such a slice."""
    return {SMS: str(sms), MEMORY_MIB: str(memory_mib)}


def enter_wanted() -> Any:
    """Enter the slice that the environment asks for; keep the value as long as it is used."""
    sms, memory_mib = os.environ.get(SMS), os.environ.get(MEMORY_MIB)
    if sms is None and memory_mib is None:
        return None
    return enter_slice(int(sms) if sms else None, int(memory_mib) if memory_mib else None)


def enter_slice(sms: int | None, memory_mib: int | None) -> Any:
    """Let this thread's torch use so many multiprocessors, and this process so much memory.

    A green context (torch 2.10 or later): torch's later kernels go to its stream, or where torch
    has no streams of green contexts yet, to its default stream.
    """
    import torch

    torch.cuda.init()
    torch.cuda.synchronize()
    if memory_mib is not None:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(memory_mib * 2**20 / total, 1.0))
    if sms is None:
        return None
    from torch.cuda.green_contexts import GreenContext

    context = GreenContext.create(num_sms=sms, device_id=0)
    if hasattr(context, "Stream"):
        torch.cuda.set_stream(context.Stream())
    else:
        context.set_context()
    return context
