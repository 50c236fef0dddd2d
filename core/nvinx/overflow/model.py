"""A model's tensors and what their sizes add up to. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvinx.overflow.split import Part

BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16}


_QUANTISED_BITS = {"int8": 8.0, "int4": 4.5}  # of 4 bits in blocks of 64 with a scale of 32 each


_OUTSIDE = re.compile(r"embed|wte|wpe|lm_head|classifier|norm", re.IGNORECASE)


_MATRIX = 2


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's name, shape, and bits per number."""

    name: str
    shape: tuple[int, ...]
    bits: int

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.bits // 8

    @property
    def is_quantised(self) -> bool:
        """Whether bitsandbytes would quantise it: matrices, but for embeddings and heads."""
        return len(self.shape) == _MATRIX and not _OUTSIDE.search(self.name)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a model and, as far as is known, its pieces in the order of use.

    source: where the sizes are from, in words.
    """

    name: str
    tensors: tuple[Tensor, ...]
    parts: tuple[Part, ...]
    source: str

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(part.size for part in self.parts)

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(tensor.count for tensor in self.tensors)

    @property
    def bits(self) -> int:
        """Bits per number of most of the tensors."""
        weight: Counter[int] = Counter()
        for tensor in self.tensors:
            weight[tensor.bits] += tensor.count
        return weight.most_common(1)[0][0]

    @property
    def largest(self) -> int:
        """Bytes of the largest layer."""
        return max(part.largest for part in self.parts)

    def quantised(self, how: str) -> int:
        """Bytes with the layers' matrices as `int8` or `int4`, as bitsandbytes has them."""
        per = _QUANTISED_BITS[how]
        each = (min(t.bits, per) if t.is_quantised else t.bits for t in self.tensors)
        return round(sum(t.count * b for t, b in zip(self.tensors, each, strict=True)) / 8)
