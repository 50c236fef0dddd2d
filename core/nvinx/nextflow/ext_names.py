"""Names in a process's `ext` that look like nvinx's: which it knows, and what was meant. Pure."""

from __future__ import annotations

import difflib
import re

KNOWN = (
    "vram_gb",
    "nvinx_gpu_share",
    "nvinx_model",
    "nvinx_cpu_fallback",
    "nvinx_urgent",
    "nvinx_mode",
)
OF_CONFIGURATION = (  # what nvinx.config sets itself
    "nvinx_bench",
    "nvinx_guard",
    "nvinx_end",
    "nvinx_labels",
    "nvinx_unknown",
    "nvinx_cards",
    "nvinx_card_type",
    "nvinx_sized",
    "nvinx_of_nf_core",
    "nvinx_sign",
)
LIKE_OURS = r"(?i)(nvinx|vram).*"
_PREEMPTIBLE = (
    "a task cannot be preempted, as Nextflow would count that as a failed attempt",
    "leave it out; or, in a process that shows no sign of a GPU, have the script call its program "
    "with nvinx run --preemptible=requeue, which asks for the card itself and starts it again",
)
_MEANT = (  # by what is left of a name without nvinx, units and signs
    (r"vram[gm]?i?b?", "ext.vram_gb, in GB"),
    (r"n?gpus?|cards?|ncards|accelerators?|numgpus|gpucount", "accelerator 2 for two cards"),
    (r"gpumodel|gputype|cardtype|cardname|gpuname", "accelerator 1, type: 'a100'"),
    (r"residency|exclusive|shared|overflow|ramoverflow|cpuonly", "ext.nvinx_mode, or a label"),
    (r"maxmemory|memmb|mem|memory", "memory"),
)
_LIKE = 0.7


def is_unknown(name: str) -> bool:
    """Whether this looks like a setting of nvinx, and is none."""
    is_like = re.fullmatch(LIKE_OURS, name, re.DOTALL) is not None
    return is_like and name not in (*KNOWN, *OF_CONFIGURATION)


def complaint(name: str) -> tuple[str, str]:
    """The problem with an unknown name, and the fix."""
    bare = re.sub(r"[^a-z]", "", name.lower()).removeprefix("nvinx")
    if difflib.get_close_matches(bare, ["preemptible"], n=1, cutoff=_LIKE):
        return _PREEMPTIBLE
    known = f"nvinx knows no such name (it knows {', '.join(KNOWN)} and use_gpu)"
    return known, f"write {_meant(bare)}"


def _meant(bare: str) -> str:
    for pattern, words in _MEANT:
        if re.fullmatch(pattern, bare):
            return words
    by_letters = {re.sub(r"_|nvinx", "", name): name for name in KNOWN}
    close = difflib.get_close_matches(bare, by_letters, n=1, cutoff=_LIKE)
    return f"ext.{by_letters[close[0]]}" if close else "one of these, or leave it out"
