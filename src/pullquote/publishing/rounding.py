"""Rounds weights to few bits: to the nearest codes, or so that products change least (GPTQ).

    quantize_array(table, axis=1, bits=4)                              # codes, scales
    moments = second_moments(weights, batches)                         # what goes into each matrix
    round_matrix(weights.layers[0].query.weight, moments[0, "query"])  # `Quantized`

Frantar et al., "GPTQ: Accurate Post-Training Quantization" (2022): columns are rounded one after
another, and what a column loses is made up for by those that are not rounded yet. Rounding each
value to the nearest code costs more where fine-tuning has moved weights by less than a step
(EXPERIMENTS.md). Knows numpy, not files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from pullquote.checkpoints.encoder_weights import Quantized
from pullquote.reading.backends.numpy import NumpyBackend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.checkpoints.encoder_weights import EncoderWeights
    from pullquote.types import Batch

    Floats = NDArray[np.floating]

# CPUs without VNNI add pairs of uint8 x int8 products in 16 bits: 2 x 255 x 64 = 32,640 fits,
# 2 x 255 x 127 does not. Weights of 7 bits give the same answers on every machine.
LAYER_BITS = 7
# candidates for the range of a scale, as fractions of the largest value
_CLIP_RANGES = np.linspace(1, 0.4, 25, dtype=np.float32)
_COLUMNS = 64  # that are rounded before the columns after them change: one large product
_DAMPING = 0.01  # of the mean second moment, added to each, so that inverses exist

PRODUCTS = ("query", "key", "value", "attention_output", "intermediate", "output")
INPUT_OF = {"key": "query", "value": "query"}
"""Products that share their input with another."""


def quantize_array(
    values: NDArray[np.float32], *, axis: int, bits: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric quantisation with one scale for each slice across `axis`: values ≈ q * scale.

    With few bits, clipping outliers leaves finer steps for the other values: of several clipping
    ranges, each slice takes the one with the least squared error.
    """
    levels = _levels(bits)
    largest = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-12)
    scales, least = largest / levels, np.full(largest.shape, np.inf)
    for share in _CLIP_RANGES if bits < LAYER_BITS else _CLIP_RANGES[:1]:
        candidate = largest * share / levels
        error = values - candidate * _rounded(values, candidate, levels)
        squared = np.square(error).sum(axis=axis, keepdims=True)
        scales = np.where(squared < least, candidate, scales)
        least = np.minimum(squared, least)
    q = _rounded(values, scales, levels).astype(np.int8)
    return q, scales.squeeze(axis).astype(np.float32)


def second_moments(
    weights: EncoderWeights, batches: Iterable[Batch]
) -> dict[tuple[int, str], NDArray[np.float64]]:
    """The sum of x x^T over all tokens, (in, in), of what goes into each product of each layer."""
    moments: dict[tuple[int, str], NDArray[np.float64]] = {}

    def observe(layer: int, name: str, x: NDArray[np.float32]) -> None:
        sums = moments.setdefault((layer, name), np.zeros((x.shape[1], x.shape[1])))
        sums += x.T @ x

    backend = NumpyBackend(weights, observe=observe)
    for batch in batches:
        used = batch.attention_mask.astype(bool)
        for row, mask in enumerate(used):
            backend.hidden_states(batch.input_ids[row, mask], batch.token_type_ids[row, mask])
    return moments


def round_matrix(
    weight: NDArray[np.float32], moments: NDArray[np.float64], bits: int = LAYER_BITS
) -> Quantized:
    """A matrix (out, in) in a few bits, with the scales that rounding to the nearest code has, too.

    `moments` is (in, in). Inputs that vary most are rounded first, while others can make up for it.
    """
    order = np.argsort(-moments.diagonal(), kind="stable")
    damping = max(_DAMPING * float(moments.diagonal().mean()), 1e-12)
    damped = moments[np.ix_(order, order)] + damping * np.eye(len(moments))
    # inverse = upper^T upper; row i has what column i's error asks of the columns from i on
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    rest = weight[:, order].astype(np.float64)  # (out, in)
    _, scales = quantize_array(weight, axis=1, bits=bits)
    steps, levels = scales.astype(np.float64), _levels(bits)
    codes = np.empty(weight.shape, dtype=np.int8)
    for start in range(0, len(order), _COLUMNS):
        end = min(start + _COLUMNS, len(order))
        errors = np.empty((len(weight), end - start))
        for i in range(start, end):
            rounded = _rounded(rest[:, i], steps, levels)
            codes[:, order[i]] = rounded
            error = (rest[:, i] - rounded * steps) / upper[i, i]
            rest[:, i:end] -= error[:, None] * upper[i, i:end]
            errors[:, i - start] = error
        rest[:, end:] -= errors @ upper[start:end, end:]
    return Quantized(codes, scales)


def _levels(bits: int) -> int:
    """The largest code."""
    return int(2 ** (bits - 1) - 1)


def _rounded(values: Floats, scales: Floats, levels: int) -> Floats:
    rounded: Floats = np.clip(np.rint(values / scales), -levels, levels)
    return rounded
