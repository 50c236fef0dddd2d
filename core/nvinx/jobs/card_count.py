"""How many cards a job gets at once. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from nvinx.formatting import cards_text

_MOST = 1024
_RANGE = r"(?a)(\d{1,9})\s*-\s*(\d{1,9})"


class CardCount(Struct, frozen=True):
    """As many cards as are free, from `least` to `most`.

    Raises ValueError where that is none, or more than any machine has.
    """

    least: int = 1
    most: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= _MOST:
            raise ValueError(f"{self.least} to {self.most} is not a number of cards")

    @property
    def is_gang(self) -> bool:
        """Whether several cards are asked for, if only where they are free."""
        return self.most > 1

    @property
    def hint(self) -> str:
        """As it is written in a hint: `2`, or `1-2`."""
        return str(self.most) if self.least == self.most else f"{self.least}-{self.most}"

    @property
    def text(self) -> str:
        """As people say it: `2 cards`, `1 to 2 cards`."""
        least = "" if self.least == self.most else f"{self.least} to "
        return least + cards_text(self.most)


ONE = CardCount()


def is_written(value: object) -> bool:
    """Whether the value is written as a range of numbers of cards is."""
    return isinstance(value, str) and re.fullmatch(_RANGE, value.strip()) is not None


def read(value: str) -> CardCount:
    """The count in `"2"` or `"1-2"`. Raises ValueError."""
    word = value.strip()
    if found := re.fullmatch(_RANGE, word):
        return CardCount(int(found[1]), int(found[2]))
    if word.isascii() and word.isdigit():
        return CardCount(int(word[:9]), int(word[:9]))
    raise ValueError(f"{value!r} is not a number of cards")
