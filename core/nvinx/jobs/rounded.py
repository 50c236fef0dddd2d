"""Numbers with a fraction, which Snakemake rounds before nvinx sees them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import HintError
from nvinx.jobs import gpu_words, hints

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLERATED = 0.01  # of the number, as in vram_mb=900.5
_WHOLE = {"vram", "vram_mb"}


def demand_whole(rule: str, stated: Mapping[str, float], *, translate: bool) -> None:
    """Refuse a hint whose number Snakemake rounds to another one: `gpu=0.5` is no card at all.

    stated: the numbers as the rule has them. translate: what others call a GPU is a hint, too.

    Raises HintError.
    """
    for name, number in stated.items():
        meant = round(number)
        if abs(meant - number) > _TOLERATED * abs(number) and _is_hint(name, number, translate):
            problem = f"Snakemake rounds this number to {meant}"
            fix = f"write it as text: {name}='{number:g}'"
            fix = "state whole MB, such as vram_mb=900" if name in _WHOLE else fix
            raise HintError(rule, f"{name}={number:g}", problem, fix)


def _is_hint(name: str, number: float, translate: bool) -> bool:
    if name in hints.HINTS:
        return True
    return translate and any(word.means for word in gpu_words.readings({name: number}))
