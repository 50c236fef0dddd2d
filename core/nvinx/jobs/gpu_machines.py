"""Resources that name a card, or a machine that is rented for its card. Pure.

Sources: NVIDIA's and AMD's data sheets for cards of servers and workstations; the lists of
accelerated machines of Google Cloud, AWS and Azure.
"""

from __future__ import annotations

import re

from nvinx.formatting import word_of
from nvinx.jobs.scheduler_options import without_excluded

_CARD = re.compile(
    r"(?<![a-z0-9])(?:"
    r"a10g?|a[346]0|a[14568]00|l40?s?|[bhv][12]00s?|p100|k[48]0|t4g?|gh200|mi[123]\d\dx?|"
    r"rtx[ _-]?\w*|gtx[ _-]?\w*|tesla|quadro|volta|ampere|hopper|mig"
    r")(?![a-z0-9])"
)
_PLACE = re.compile(r"partition|constraint|feature|queue|qos|accelerator|node|machine|mig")
_PLACE_OF_CARDS = re.compile(r"(?<!no)(?<!no[-_])(?<!non)(?<!non[-_])gpu|dgx|hgx")
_MACHINE_NAME = re.compile(r"machine_type|instance_type|vm_size|flavou?r")
_MACHINE = re.compile(r"(?:a[234]|g[24])-|(?:g[4-7]\w*|p[2-6]\w*)\.|standard_n[cdgv]")


def is_asked_for(name: str, value: float | str) -> bool:
    """Whether the resource asks for a card by naming it, or a machine that has one."""
    name, text = name.lower(), without_excluded(word_of(value).lower())
    if _MACHINE_NAME.search(name):
        return bool(_MACHINE.match(text))
    if _CARD.fullmatch(name):
        return text not in _OFF
    is_named = _CARD.search(text) or _PLACE_OF_CARDS.search(text)
    return bool(_PLACE.search(name) and is_named)


_OFF = {"", "0", "false", "none"}
