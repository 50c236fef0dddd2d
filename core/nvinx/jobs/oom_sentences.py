"""How any program says that memory ran out: sentences by their parts, for those nobody knows. Pure.

A sentence names some room and says that it does not suffice, in either order. What follows a
condition (`if there is not enough GPU memory`) is a manual's, or a forecast, and says nothing.
"""

from __future__ import annotations

import re

from nvinx.jobs.oom_patterns import Memory, Pattern

_GH = "github.com"
_CARD = r"(?:gpus?|devices?|cuda|graphics|video|accelerators?|cards?)"
_MEMORY = r"(?:memory|mem|ram)"
_ON_CARD = (
    rf"(?:\b{_CARD}(?:'s)?[ _-](?:\w+ )?{_MEMORY}\b|\bvram\b|"
    rf"\b{_MEMORY} (?:\w+ )?(?:on|of|in) (?:the |your |this |any )?{_CARD}\b)"
)
_IN_HOST = rf"\b(?:host|cpu|system|main|physical|pinned|swap)[ _-](?:\w+ )?{_MEMORY}\b"
_TOO_LITTLE = (
    r"\b(?:not (?:have )?(?:enough|sufficient)|insufficient|too little|no (?:more|free|available)|"
    r"lack(?:s|ing)?(?: of)?|short of|(?:ran |run |running )?out of|exceed(?:s|ed|ing)?|"
    r"too (?:large|big|long|many|much) for|(?:not|n't) fit (?:in|into|on|onto|within))\b"
)
_USED_UP = r"\b(?:exhausted|exceeded|insufficient|(?:is|was|are) full|used up|not (?:enough|sufficient)|ran out)\b"
_REFUSED = r"\b(?:fail\w*|unable|could not|cannot|can't|couldn't)\b"
_NO_ALLOCATION = rf"{_REFUSED}.{{0,30}}\b(?:re)?alloc\w*\b"


def _between(first: str, letters: int, second: str) -> str:
    """One, then the other, with no more than so many letters of the same sentence between."""
    return rf"(?i){first}[^.!?;]{{0,{letters}}}{second}"


def _said(memory: Memory, text: str, source: str, *, needs_gpu: bool = False) -> Pattern:
    return Pattern("a program", memory, text, source, sure=False, needs_gpu=needs_gpu)


_DEVICE, _HOST = Memory.DEVICE, Memory.HOST

SENTENCES = (
    _said(_HOST, _between(_TOO_LITTLE, 25, _IN_HOST), f"{_GH}/pyscf/gpu4pyscf/issues/235"),
    _said(_DEVICE, _between(_NO_ALLOCATION, 60, rf"\b(?:{_CARD}|vram)\b"), f"{_GH}/QuEST-Kit/QuEST/issues/209"),
    _said(_DEVICE, _between(rf"\b(?:{_CARD}|vram)\b.{{0,10}}\bmemory alloc\w*\b", 40, r"\bfail"), f"{_GH}/ggml-org/llama.cpp/issues/12817"),
    _said(_DEVICE, _between(_TOO_LITTLE, 30, _ON_CARD), f"{_GH}/quantumlib/qsim"),
    _said(_DEVICE, _between(_ON_CARD, 12, _USED_UP), f"{_GH}/BLAST-WarpX/warpx/issues/712"),
    _said(_DEVICE, r"\b(?:cuda|hip)Malloc\w*(?:\(\))? failed\b(?!.*:(?!.*memory))", f"{_GH}/deepinsight/insightface/issues/1240"),
    Pattern("C", _HOST, r"[Cc](?:annot|ould not|an't) allocate memory|virtual memory exhausted", f"{_GH}/soedinglab/MMseqs2/issues/513"),
    _said(_HOST, rf"(?i){_NO_ALLOCATION}.{{0,20}}\bbytes\b", f"{_GH}/lammps/lammps/issues/1712"),
    Pattern("MATLAB", _HOST, r"array exceeds maximum array size preference|^Out of memory\. Type HELP MEMORY", f"{_GH}/cortex-lab/Suite2P/issues/172"),
    Pattern("CUDA", _DEVICE, r"(?i)(?:cuda|hip|gpu|\bdevice\b|\bcu[A-Z]?mem|\[TRT\]|accelerator|\bvram\b|\.cuh?\b|thrust::).*\bout of memory\b", f"{_GH}/soedinglab/MMseqs2/issues/905"),
    Pattern("CUDA", _DEVICE, r"(?i)\bout of memory\b.*(?:cuda|\bhip|gpu|\bdevice\b|\bvram\b)", f"{_GH}/ggml-org/llama.cpp/issues/1230"),
    Pattern("C++", _HOST, r"\bstd::bad_alloc\b", f"{_GH}/gnina/gnina/issues/30"),
    Pattern("Python", _HOST, r"^(?:\w+\.)*MemoryError\b", f"{_GH}/numpy/numpy/issues/13225"),
    _said(_DEVICE, r"(?i)\b(?:out of memory|ran out of memory)\b|\bGPU OOM\b", f"{_GH}/ComputationalRadiationPhysics/picongpu/issues/3064", needs_gpu=True),
    _said(_HOST, r"(?i)\bout of memory\b", f"{_GH}/usegalaxy-eu/infrastructure-playbook/pull/341"),
)  # fmt: skip

_CONDITION = re.compile(r"(?i)\b(?:(?:if|unless|in case)\b[^.:;!?]*|(?:may|might)\s+)$")


def is_condition(line: str, start: int, end: int) -> bool:
    """Whether the words from `start` to `end` are what would happen, and not what did."""
    return bool(_CONDITION.search(line[:start]) or _CONDITION.search(line[start:end]))
