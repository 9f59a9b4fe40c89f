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

    All products are of integers: weights, keys and values in 7 bits, activations, queries and
    softmax weights in 8. All else is as in `NumpyBackend`.
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
        q = q * np.float32(np.log2(np.e) / np.sqrt(q.shape[2]))
        attended = np.stack([_attend(*head) for head in zip(q, k, v, strict=True)])
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


def _attend(
    q: NDArray[np.float32], k: NDArray[np.float32], v: NDArray[np.float32]
) -> NDArray[np.float32]:
    """softmax(q k^T) v of one head, (T, d) each; q holds the factor for powers of two."""
    queries, keys = quantised(q, 127), quantised(k)
    means = v.mean(axis=0)
    values = quantised((v - means).T)
    sums = queries.codes.astype(np.int64) @ keys.codes.T.astype(np.int64)  # (T, T)
    scores = sums * queries.scales[:, None] * keys.scales
    weights = 255 * np.exp2(scores - scores.max(axis=1, keepdims=True))
    products = np.rint(weights).astype(np.int64) @ values.codes.T  # (T, d)
    attended = products * values.scales / weights.sum(axis=1, keepdims=True) + means
    return attended.astype(np.float32)
