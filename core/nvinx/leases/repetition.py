"""Work with a ledger that may be lost under it is repeated with the new one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from nvinx.errors import LedgerLostError

if TYPE_CHECKING:
    from collections.abc import Callable

_AGAIN = 4

Result = TypeVar("Result")


def again_if_lost(attempt: Callable[[], Result]) -> Result:
    """What the attempt gives, which is made again where the ledger was lost under it.

    Raises LedgerLostError where that does not end.
    """
    for _ in range(_AGAIN):
        with suppress(LedgerLostError):
            return attempt()
    return attempt()
