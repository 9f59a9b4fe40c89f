"""The weights of a BERT-like encoder with a question-answering head, whatever file they come from.

    weights = read_weights(directory)          # `read_weights`: of a checkpoint, or packed
    weights.layers[0].query.weight             # float32 (out, in), or `Quantized`
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


@dataclass(frozen=True, slots=True, eq=False)
class Nibbles:
    """A table in 4 bits: column 2k of a row in the low half of byte k, 2k + 1 in the high half.

    value = (half byte - 8) * scales[:, None]
    """

    codes: NDArray[np.uint8]  # (rows, columns / 2)
    scales: NDArray[np.float32]  # (rows,)


Matrix: TypeAlias = "NDArray[np.float32] | Quantized"
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
    """Everything that the arithmetic of a reader needs."""

    words: Table  # (V, E)
    positions: NDArray[np.float32]  # (P, E), row 0 is that of a window's first token
    types: NDArray[np.float32] | None  # (types, E); None for DistilBERT
    embedding_norm: Norm  # (E,)
    projection: Linear | None  # E -> H, of ELECTRA models where the two differ
    layers: tuple[Layer, ...]
    head: Linear  # H -> 2: start and end
    heads: int
    activation: str  # "gelu" (erf), "gelu_new" (tanh) or "relu"
    epsilon: float  # of all norms


def rows(table: Table, ids: NDArray[np.integer]) -> NDArray[np.float32]:
    """The rows `ids` of a table, in float32."""
    if isinstance(table, Nibbles):
        pairs = table.codes[ids]  # (T, E / 2)
        halves = np.stack([pairs & 15, pairs >> 4], axis=-1)  # (T, E / 2, 2)
        codes = halves.reshape(len(ids), -1).astype(np.float32) - 8
    elif isinstance(table, Quantized):
        codes = table.codes[ids].astype(np.float32)
    else:
        chosen: NDArray[np.float32] = table[ids]
        return chosen
    values: NDArray[np.float32] = codes * table.scales[ids, None]
    return values


def dequantized(weight: Table) -> NDArray[np.float32]:
    """A whole matrix or table in float32."""
    if isinstance(weight, Quantized):
        values: NDArray[np.float32] = np.multiply(
            weight.codes, weight.scales[:, None], dtype=np.float32
        )
        return values
    if isinstance(weight, Nibbles):
        return rows(weight, np.arange(len(weight.codes)))
    return weight
