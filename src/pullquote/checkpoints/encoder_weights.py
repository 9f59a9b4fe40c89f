"""The weights of a BERT-like encoder, with or without a head, whatever file they come from.

    weights = read_weights(directory)          # `read_weights`: of a checkpoint, or packed
    weights.layers[0].query.weight             # float32 (out, in), or quantised
    dequantized(weights.layers[0].query.weight)  # float32

Post-norm encoders: BERT, MiniLM, DistilBERT, ELECTRA, RoBERTa. Knows numpy and files, neither torch
nor onnx.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """Integers with a scale a row: value = codes * scales[:, None]."""

    codes: NDArray[np.int8]  # (rows, columns), of a matrix -63 .. 63
    scales: NDArray[np.float32]  # (rows,)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return self.codes.shape


@dataclass(frozen=True, slots=True, eq=False)
class Nibbles:
    """Codes in 4 bits: column 2k of a row in the low half of byte k, 2k + 1 in the high half.

    value = (half byte - 8) * scales[:, None]
    """

    codes: NDArray[np.uint8]  # (rows, columns / 2)
    scales: NDArray[np.float32]  # (rows,)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return len(self.codes), 2 * self.codes.shape[1]

    def unpacked(self) -> Quantized:
        """The same codes, a byte each."""
        halves = np.stack([self.codes & 15, self.codes >> 4], axis=-1)  # (rows, columns / 2, 2)
        return Quantized(halves.reshape(self.shape).astype(np.int8) - np.int8(8), self.scales)


@dataclass(frozen=True, slots=True, eq=False)
class Sevens:
    """A matrix of codes -64 .. 63 in 7 bits, as `packed` stores it; its rows are a multiple of 8.

    Each value has four bits in the first part, two in the second and one in the third. A byte holds
    bits of rows that are far apart, so that whole rows are unpacked at once. Of eight rows a .. h:

        the lowest four bits:  (e a) (f b) (g c) (h d)
        the next two bits:     (g e c a) (h f d b)
        the highest bit:       (h g f e d c b a)
    """

    codes: NDArray[np.uint8]  # (7/8 rows, columns)
    scales: NDArray[np.float32]  # (rows,)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return len(self.codes) // 7 * 8, self.codes.shape[1]

    def unpacked(self) -> Quantized:
        """The same codes, a byte each."""
        rows = self.shape[0]
        codes = np.zeros(self.shape, dtype=np.uint8)
        begin = 0
        for bits, low in SEVEN_PARTS:
            part = self.codes[begin : begin + rows * bits // 8]
            for n, run in enumerate(np.split(codes, 8 // bits)):
                run |= ((part >> (n * bits)) & (2**bits - 1)) << low
            begin += len(part)
        codes -= 64  # wraps around: 0 is 192, which is -64 as int8
        return Quantized(codes.view(np.int8), self.scales)


SEVEN_PARTS = ((4, 0), (2, 4), (1, 6))
"""Of each part of `Sevens`: bits of a value, and where they stand in it."""

Matrix: TypeAlias = "NDArray[np.float32] | Quantized | Nibbles | Sevens"
Table: TypeAlias = "NDArray[np.float32] | Quantized | Nibbles"


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """y = x weight^T + bias, with a weight of shape (out, in) and a bias (out,)."""

    weight: Matrix
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Layer norm: gain and bias, (H,) each."""

    gain: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One transformer layer, norms after the residual sums."""

    query: Linear
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: Norm
    intermediate: Linear
    output: Linear
    output_norm: Norm


@dataclass(frozen=True, slots=True, eq=False)
class EncoderWeights:
    """Everything that the arithmetic of a reader or of a text encoder needs."""

    words: Table  # (V, E)
    positions: NDArray[np.float32]  # (P, E), row 0 is that of a window's first token
    types: NDArray[np.float32] | None  # (types, E); None for DistilBERT
    embedding_norm: Norm  # (E,)
    projection: Linear | None  # E -> H, of ELECTRA models where the two differ
    layers: tuple[Layer, ...]
    head: Linear | None  # H -> 2: start and end; None for text encoders
    heads: int
    activation: str  # "gelu" (erf), "gelu_new" (tanh) or "relu"
    epsilon: float  # of all norms

    @property
    def width(self) -> int:
        """H, the width of hidden states."""
        return len(self.layers[0].output.bias)


def rows(table: Table, ids: NDArray[np.integer]) -> NDArray[np.float32]:
    """The rows `ids` of a table, in float32."""
    if isinstance(table, np.ndarray):
        chosen: NDArray[np.float32] = table[ids]
        return chosen
    return dequantized(type(table)(table.codes[ids], table.scales[ids]))


def dequantized(weight: Table | Matrix) -> NDArray[np.float32]:
    """A whole matrix or table in float32."""
    if isinstance(weight, np.ndarray):
        return weight
    if isinstance(weight, (Nibbles, Sevens)):
        weight = weight.unpacked()
    values: NDArray[np.float32] = np.multiply(
        weight.codes, weight.scales[:, None], dtype=np.float32
    )
    return values
