"""The hint `gpu_share`: which part of a card a job is to have; `gpu` may say it as well. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.errors import HintError
from nvinx.formatting import value_text
from nvinx.jobs import card_share

if TYPE_CHECKING:
    from nvinx.jobs.card_share import CardShare

HINT = "gpu_share"
_PROBLEM = "must be a part of one card, above 0 and at most 1"


def named(rule: str, value: object, hint: str = HINT) -> CardShare | None:
    """The part that a hint asks for; None where there is no hint. Raises HintError."""
    if value is None:
        return None
    try:
        return card_share.read(value)
    except ValueError:
        stated = f"{hint}={value_text(value)}"
        fix = f"write {hint}='1/3' for a third of a card, or gpu=1 for a whole one"
        raise HintError(rule, stated, _PROBLEM, fix) from None
