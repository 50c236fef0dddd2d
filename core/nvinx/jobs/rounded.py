"""Numbers with a fraction, which Snakemake rounds before nvinx sees them. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from nvinx.errors import HintError
from nvinx.jobs import gpu_words, hints

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLERATED = 0.01  # of the number, as in vram_mb=900.5
_WHOLE = {"vram", "vram_mb"}


class Source(Enum):
    """Where a number stands: in a rule, or in the command line or a profile for one rule or all."""

    RULE = "rule"
    TYPED = "typed"
    DEFAULT = "default"


def demand_whole(
    rule: str, stated: Mapping[str, float], source: Source = Source.RULE, *, translate: bool
) -> None:
    """Refuse a hint whose number Snakemake rounds to another one: `gpu=0.5` is no card at all.

    stated: the numbers as they were written. translate: what others call a GPU is a hint, too.

    Raises HintError.
    """
    for name, number in stated.items():
        meant = round(number)
        if abs(meant - number) > _TOLERATED * abs(number) and _is_hint(name, number, translate):
            hint, problem = f"{name}={number:g}", f"Snakemake rounds this number to {meant}"
            fix = _fix(name, f"{name}='{number:g}'", source)
            if source is Source.DEFAULT:
                raise HintError("--default-resources", hint, problem, fix, kind="option")
            raise HintError(rule, hint, problem, fix)


def _fix(name: str, text: str, source: Source) -> str:
    if name in _WHOLE:
        return "state whole MB, such as vram_mb=900"
    if source is Source.RULE:
        return f"write it as text: {text}"
    return f'write it as text, in quotes of its own: "{text}"'


def _is_hint(name: str, number: float, translate: bool) -> bool:
    if name in hints.HINTS:
        return True
    return translate and any(word.means for word in gpu_words.readings({name: number}))
