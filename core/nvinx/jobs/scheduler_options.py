"""How many cards the options of a scheduler ask for, as workflows hand them on in a text. Pure.

Sources: the manuals of sbatch, qsub (PBS, SGE), bsub (LSF), condor_submit and Kubernetes.
"""

from __future__ import annotations

import re

_GRES = re.compile(
    r"(?:gres[:/])?(?P<kind>gpu|shard|mps)(?:[:=](?P<model>[a-z][^:=,\s]*))?(?:[:=](?P<count>\d+))?",
    re.IGNORECASE,
)
_GRES_OPTION = re.compile(r"(?:\bgres|--tres-per-\w+)\s*[=:\s]\s*[\"']?(?P<value>[^\s\"']+)")
_COUNTED = (
    re.compile(r"--gpus(?:-per-(?:node|task|job|socket))?[=\s]+[\"']?(?:[a-zA-Z][^:\s]*:)?(\d+)"),
    re.compile(r"(?:^|\s)-G\s*=?(?:[a-zA-Z][^:\s]*:)?(\d+)"),
    re.compile(r"(?:^|\s)-gpu\s.*?\bnum=(\d+)"),
    re.compile(r"(?:\b|_)(?:ngpus|gpus?|request_gpus|nvidia\.com/gpu)\s*[=:]\s*[\"']?(\d+)"),
)

_EXCLUDED = re.compile(r"(?:--exclude[=\s]|(?<!\S)-x[=\s]?)\s*\S+|![\w-]+")


def without_excluded(text: str) -> str:
    """The options without the nodes and features that they exclude: `-x gpu01`, `-C '!gpu'`."""
    return _EXCLUDED.sub(" ", text)


def cards_asked(text: str) -> int | None:
    """The cards that these options ask for; None where they speak of none."""
    counts = [int(found[1]) for pattern in _COUNTED if (found := pattern.search(text))]
    counts += [n for found in _GRES_OPTION.finditer(text) if (n := of_gres(found["value"]))]
    return max(counts, default=None)


def of_gres(text: str) -> int | None:
    """The cards in the value of Slurm's `--gres`; shares of a card count as one card."""
    counts = []
    for part in text.split(","):
        found = _GRES.match(part.strip())
        if found is not None:
            count = int(found["count"] or 1)
            counts.append(count if found["kind"].lower() == "gpu" else min(count, 1))
    return max(counts, default=None)
