"""Rounds a checkpoint's matrices to 7 bits so that what they compute changes least (GPTQ).

    moments = second_moments(weights, windows)                     # what goes into each matrix
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

MOST_CODE = 63
_DAMPING = 0.01  # of the mean second moment, added to each, so that inverses exist

PRODUCTS = ("query", "key", "value", "attention_output", "intermediate", "output")
INPUT_OF = {"key": "query", "value": "query"}
"""Products that share their input with another."""


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
        backend(batch)
    return moments


def round_matrix(weight: NDArray[np.float32], moments: NDArray[np.float64]) -> Quantized:
    """A matrix (out, in) in 7 bits, with the scales that rounding to the nearest code has, too.

    `moments` is (in, in). Inputs that vary most are rounded first, while others can make up for it.
    """
    order = np.argsort(-moments.diagonal(), kind="stable")
    damping = max(_DAMPING * float(moments.diagonal().mean()), 1e-12)
    damped = moments[np.ix_(order, order)] + damping * np.eye(len(moments))
    # inverse = upper^T upper; row i has what column i's error asks of the columns from i on
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    rest = weight[:, order].astype(np.float64)  # (out, in)
    scales = np.maximum(np.abs(weight).max(axis=1), 1e-12).astype(np.float32) / MOST_CODE
    steps = scales.astype(np.float64)
    codes = np.empty(weight.shape, dtype=np.int8)
    for i, column in enumerate(order):
        rounded = np.clip(np.rint(rest[:, i] / steps), -MOST_CODE, MOST_CODE)
        codes[:, column] = rounded
        error = (rest[:, i] - rounded * steps) / upper[i, i]
        rest[:, i:] -= error[:, None] * upper[i, i:]
    return Quantized(codes, scales)
