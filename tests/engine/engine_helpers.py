"""Random encoders, and a forward pass that rounds as the engine does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pullquote.checkpoints.encoder_weights import (
    EncoderWeights,
    Layer,
    Linear,
    Matrix,
    Nibbles,
    Norm,
    Quantized,
    dequantized,
)
from pullquote.reading.backends.numpy import ACTIVATIONS, _normalize


def quantised(values: NDArray[np.float32], levels: int = 63) -> Quantized:
    """A scale a row, as pullquote.publishing.quantize rounds matrices of 7 bits."""
    scales = np.maximum(np.abs(values).max(axis=1), 1e-12) / np.float32(levels)
    codes = np.clip(np.rint(values / scales[:, None]), -levels, levels).astype(np.int8)
    return Quantized(codes, scales.astype(np.float32))


def nibbles(values: NDArray[np.float32]) -> Nibbles:
    q = quantised(values, 7)
    halves = (q.codes + 8).astype(np.uint8)
    return Nibbles(halves[:, ::2] | halves[:, 1::2] << 4, q.scales)


def random_weights(
    *,
    hidden: int = 32,
    embedding: int | None = None,
    intermediate: int = 64,
    layers: int = 2,
    heads: int = 2,
    activation: str = "gelu",
    words: str = "float",
    types: int = 2,
    vocabulary: int = 50,
    positions: int = 40,
    integers: bool = False,
    seed: int = 0,
) -> EncoderWeights:
    """An encoder with random weights, of the spread that trained ones have."""
    rng = np.random.default_rng(seed)
    embedding = embedding or hidden

    def normal(*shape: int, spread: float) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * spread).astype(np.float32)

    def linear(out: int, into: int) -> Linear:
        weight: Matrix = normal(out, into, spread=1.5 / into**0.5)
        return Linear(quantised(weight) if integers else weight, normal(out, spread=0.1))

    def norm(width: int) -> Norm:
        return Norm(1 + normal(width, spread=0.1), normal(width, spread=0.1))

    def layer() -> Layer:
        return Layer(
            *(linear(hidden, hidden) for _ in range(4)),
            norm(hidden),
            linear(intermediate, hidden),
            linear(hidden, intermediate),
            norm(hidden),
        )

    make = {"float": lambda t: t, "int8": lambda t: quantised(t, 127), "nibbles": nibbles}
    return EncoderWeights(
        words=make[words](normal(vocabulary, embedding, spread=1)),
        positions=normal(positions, embedding, spread=0.3),
        types=normal(types, embedding, spread=0.3) if types else None,
        embedding_norm=norm(embedding),
        projection=linear(hidden, embedding) if embedding != hidden else None,
        layers=tuple(layer() for _ in range(layers)),
        head=Linear(normal(2, hidden, spread=1.5 / hidden**0.5), normal(2, spread=0.1)),
        heads=heads,
        activation=activation,
        epsilon=1e-12,
    )


def forward_int8(
    weights: EncoderWeights, ids: NDArray[np.int64], types: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Start and end logits (T, 2) of one window.

    The layers' products are of weights in 7 bits and activations in 8, and attention rounds to
    bf16; all else is as in `NumpyBackend`.
    """
    x = dequantized(weights.words)[ids] + weights.positions[: len(ids)]  # (T, E)
    if weights.types is not None:
        x = x + weights.types[types]
    x = _normalize(x, weights.embedding_norm, weights.epsilon)
    if weights.projection is not None:
        x = _linear(x, weights.projection)  # (T, H)
    for layer in weights.layers:
        q, k, v = (
            np.stack(np.split(_linear(x, part), weights.heads, axis=1))  # (heads, T, d)
            for part in (layer.query, layer.key, layer.value)
        )
        q = _bf16(q * np.float32(np.log2(np.e) / np.sqrt(q.shape[2])))
        scores = q @ _bf16(k).transpose(0, 2, 1)  # (heads, T, T)
        shares = np.exp2(scores - scores.max(axis=2, keepdims=True))
        attended = _bf16(shares) @ _bf16(v) / shares.sum(axis=2, keepdims=True)
        joined = np.concatenate(list(attended), axis=1)  # (T, H)
        x = x + _linear(joined, layer.attention_output)
        x = _normalize(x, layer.attention_norm, weights.epsilon)
        inner = ACTIVATIONS[weights.activation](_linear(x, layer.intermediate))
        x = _normalize(x + _linear(inner, layer.output), layer.output_norm, weights.epsilon)
    return x @ dequantized(weights.head.weight).T + weights.head.bias


def _linear(x: NDArray[np.float32], linear: Linear) -> NDArray[np.float32]:
    weight = linear.weight if isinstance(linear.weight, Quantized) else quantised(linear.weight)
    codes = quantised(x, 127)  # a scale a token
    sums = codes.codes.astype(np.int64) @ weight.codes.T.astype(np.int64)
    return (sums * codes.scales[:, None] * weight.scales + linear.bias).astype(np.float32)


def _bf16(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounded to the nearest number with 8 bits of fraction, to even where two are."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
