"""Small protein encoders with seeded random weights, the same lines for numpy and torch.

A sequence of length L becomes an array of shape (L, width): one-hot residues and their positions,
then residual layers of self-attention or of convolution. float32 throughout. The weights are not
trained; an embedding says what the architecture makes of composition, length and order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from backend import Backend
    from weights import Weights

RESIDUES = "ACDEFGHIKLMNPQRSTVWYX"
CONV_SPAN = 9  # residues one convolution sees


@dataclass(frozen=True, slots=True)
class Encoder:
    """The shape of an encoder; `heads` of 0 makes it convolutional."""

    name: str
    layers: int
    width: int
    heads: int
    seed: int


ENCODERS = {
    encoder.name: encoder
    for encoder in (
        Encoder("residue_conv", layers=40, width=128, heads=0, seed=11),
        Encoder("motif_conv", layers=14, width=224, heads=0, seed=12),
        Encoder("attention_narrow", layers=16, width=96, heads=4, seed=13),
        Encoder("attention_wide", layers=6, width=192, heads=6, seed=14),
        Encoder("attention_large", layers=16, width=192, heads=4, seed=15),
        Encoder("attention_deep", layers=24, width=128, heads=4, seed=16),
    )
}


def random_weights(encoder: Encoder) -> list[dict[str, np.ndarray]]:
    """The input projection, then the weights of each layer, scaled to keep the variance."""
    width = encoder.width
    if encoder.heads:
        shapes = dict.fromkeys(("query", "key", "value", "mix"), (width, width))
        shapes |= {"grow": (width, 4 * width), "shrink": (4 * width, width)}
    else:
        shapes = {"kernel": (CONV_SPAN * width, width)}
    rng = np.random.default_rng(encoder.seed)
    return [
        {name: _normal(rng, shape) for name, shape in group.items()}
        for group in ({"residue": (len(RESIDUES), width)}, *[shapes] * encoder.layers)
    ]


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(shape[0]))


def encode(
    encoder: Encoder, weights: Weights, sequences: Iterable[str], batch: int = 16
) -> Iterator[Any]:
    """One array (length, width) a sequence, on the device; a layer is fetched once a batch."""
    todo = list(sequences)
    for start in range(0, len(todo), batch):
        yield from _encode_batch(encoder, weights, todo[start : start + batch])


def embed(encoder: Encoder, weights: Weights, sequences: Sequence[str]) -> np.ndarray:
    """The mean over the positions of each sequence: (sequences, width), on the host."""
    states = encode(encoder, weights, sequences)
    return np.stack([weights.backend.fetch(state.mean(0)) for state in states])


def _encode_batch(encoder: Encoder, weights: Weights, sequences: list[str]) -> list[Any]:
    backend = weights.backend
    step = attend if encoder.heads else convolve
    states = [
        backend.put(one_hot(s)) @ weights.group(0)["residue"]
        + backend.put(position_waves(len(s), encoder.width))
        for s in sequences
    ]
    for layer in range(1, encoder.layers + 1):
        states = _through(step, encoder, weights.group(layer), states, backend)
    return [normalise(state) for state in states]


def _through(step: Any, encoder: Encoder, group: Any, states: list[Any], backend: Backend) -> Any:
    """One layer for the whole batch, in a frame of its own: its weights are free after it."""
    return [step(encoder, group, state, backend) for state in states]


def attend(encoder: Encoder, group: Any, state: Any, backend: Backend) -> Any:
    """Self-attention, then a two-layer perceptron, each added to what came in."""
    xp, calm = backend.xp, normalise(state)
    query, key, value = (_heads(calm @ group[name], encoder) for name in ("query", "key", "value"))
    scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[2])
    mixed = (softmax(xp, scores, 2) @ value).swapaxes(0, 1).reshape(state.shape)
    state = state + mixed @ group["mix"]
    hidden = normalise(state) @ group["grow"]
    return state + (hidden * (hidden > 0)) @ group["shrink"]


def _heads(array: Any, encoder: Encoder) -> Any:
    """(length, width) as (heads, length, width of a head)."""
    return array.reshape(len(array), encoder.heads, -1).swapaxes(0, 1)


def convolve(encoder: Encoder, group: Any, state: Any, backend: Backend) -> Any:
    """A convolution over CONV_SPAN residues, zero beyond the ends, added to what came in."""
    edge = backend.put(np.zeros((CONV_SPAN // 2, encoder.width), dtype=np.float32))
    padded = backend.xp.vstack((edge, normalise(state), edge))
    seen = backend.xp.hstack([padded[i : i + len(state)] for i in range(CONV_SPAN)])
    hidden = seen @ group["kernel"]
    return state + hidden * (hidden > 0)


def normalise(state: Any) -> Any:
    """Each position with mean 0 and variance 1."""
    centred = state - state.mean(1)[:, None]
    return centred / ((centred * centred).mean(1)[:, None] + 1e-5) ** 0.5


def softmax(xp: Any, scores: Any, axis: int) -> Any:
    powers = xp.exp(scores - xp.amax(scores, axis=axis, keepdims=True))
    return powers / xp.sum(powers, axis=axis, keepdims=True)


def one_hot(sequence: str) -> np.ndarray:
    """(length, 21); letters that are no standard residue count as X."""
    codes = [max(RESIDUES.find(letter), -1) for letter in sequence]
    return np.eye(len(RESIDUES), dtype=np.float32)[codes]


def position_waves(length: int, width: int) -> np.ndarray:
    """Sinusoidal positions (A. Vaswani et al., NeurIPS 2017), a tenth as large as a residue."""
    rates = 10000.0 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(length)[:, None] * rates
    waves = np.hstack([np.sin(angles), np.cos(angles)])
    return (0.1 * waves).astype(np.float32)
