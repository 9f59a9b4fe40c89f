"""A BERT-like reader in plain numpy, float32: the reference that faster backends are held to.

It also reads where nothing faster is installed. Every window is read by itself, without padding, so
that its logits do not depend on the batch that it is in. Knows arrays, not text or files.

    backend = NumpyBackend(read_weights(open_model("small")))
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pullquote.checkpoints.encoder_weights import Nibbles, Quantized, dequantized, rows
from pullquote.errors import ModelError
from pullquote.types import Logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.checkpoints.encoder_weights import EncoderWeights, Layer, Linear, Norm
    from pullquote.types import Batch

    Floats = NDArray[np.float32]


class NumpyBackend:
    """Reads with `weights`; matrices are turned into float32 once, word embeddings row by row.

    `threads` is there as for other backends, and has no effect: numpy's own library of matrix
    products decides (OPENBLAS_NUM_THREADS for the packages on PyPI). `observe` is called with the
    number of a layer, the name of one of its products ("query", "attention_output", "intermediate",
    "output"; keys and values have the queries' input) and what goes into it, (T, in).
    """

    workers = 1  # matrix products use all cores
    batch_tokens = 512  # any: windows are read one by one

    def __init__(
        self,
        weights: EncoderWeights,
        *,
        threads: int | None = None,
        observe: Callable[[int, str, Floats], None] | None = None,
    ) -> None:
        self._words, self._positions, self._types = weights.words, weights.positions, weights.types
        self._norm, self._epsilon = weights.embedding_norm, weights.epsilon
        self._projection = _Product(weights.projection) if weights.projection else None
        self._layers = [
            _Layer(layer, weights, observe and functools.partial(observe, number))
            for number, layer in enumerate(weights.layers)
        ]
        self._head = _Product(weights.head) if weights.head else None

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        """Run the model. Raises `ModelError` for token ids, types and lengths it does not have."""
        if self._head is None:
            raise ModelError("a model without a question-answering head; it can only embed")
        self._check(batch.input_ids, batch.token_type_ids, batch.input_ids.shape[1])
        start = np.zeros(batch.input_ids.shape, dtype=np.float32)  # (B, T)
        end = np.zeros_like(start)
        for row, length in enumerate(batch.attention_mask.sum(axis=1).tolist()):
            ids, types = batch.input_ids[row, :length], batch.token_type_ids[row, :length]
            start[row, :length], end[row, :length] = self._head(self.hidden_states(ids, types)).T
        return Logits(start, end)

    def embed(self, ids: NDArray[np.int32], lengths: NDArray[np.int32]) -> Floats:
        """The mean of each text's last hidden states, at unit length, (texts, H).

        `ids` are the tokens of the texts one after the other, `lengths` how many each has. Raises
        `ModelError` for token ids and lengths that the model does not have.
        """
        types = np.zeros_like(ids)
        self._check(ids, types, int(lengths.max()))
        ends = np.cumsum(lengths)[:-1]
        return np.stack(
            [
                unit_length(self.hidden_states(*text).mean(axis=0))
                for text in zip(np.split(ids, ends), np.split(types, ends), strict=True)
            ]
        )

    def hidden_states(self, ids: NDArray[np.integer], types: NDArray[np.integer]) -> Floats:
        """The last hidden states of one window, (T, H), from its ids and types, (T,) each."""
        x = rows(self._words, ids) + self._positions[: len(ids)]  # (T, E)
        if self._types is not None:
            x += self._types[types]
        x = _normalize(x, self._norm, self._epsilon)
        if self._projection:
            x = self._projection(x)  # (T, H)
        for layer in self._layers:
            x = layer(x)
        return x

    def _check(self, ids: NDArray[np.integer], types: NDArray[np.integer], longest: int) -> None:
        table = self._words
        size = len(table.codes if isinstance(table, (Nibbles, Quantized)) else table)
        limits = [
            ("token ids", ids.min(), ids.max(), size),
            ("positions", 0, longest - 1, len(self._positions)),
        ]
        if self._types is not None:
            limits.append(("token types", types.min(), types.max(), len(self._types)))
        for what, least, most, size in limits:
            if least < 0 or most >= size:
                raise ModelError(
                    f"the model failed on tokens of shape {ids.shape}: {what} {least} to {most}, "
                    f"the model has 0 to {size - 1}. Do tokenizer.json and the weights belong "
                    "together?"
                )


class _Layer:
    """Attention and a feed-forward network, each with a residual sum and then a norm."""

    def __init__(
        self,
        layer: Layer,
        weights: EncoderWeights,
        observe: Callable[[str, Floats], None] | None,
    ) -> None:
        self.observe = observe or (lambda name, x: None)
        self.query, self.key, self.value = map(_Product, (layer.query, layer.key, layer.value))
        self.attention_output = _Product(layer.attention_output)
        self.intermediate, self.output = _Product(layer.intermediate), _Product(layer.output)
        self.attention_norm, self.output_norm = layer.attention_norm, layer.output_norm
        self.heads, self.epsilon = weights.heads, weights.epsilon
        self.activation = ACTIVATIONS[weights.activation]

    def __call__(self, x: Floats) -> Floats:
        T, H = x.shape
        self.observe("query", x)
        # (T, H) -> (heads, T, H / heads)
        query, key, value = (
            product(x).reshape(T, self.heads, -1).transpose(1, 0, 2)
            for product in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(0, 2, 1)  # (heads, T, T)
        scores /= np.float32(math.sqrt(H / self.heads))
        seen = (_softmax(scores) @ value).transpose(1, 0, 2).reshape(T, H)
        self.observe("attention_output", seen)
        x = _normalize(x + self.attention_output(seen), self.attention_norm, self.epsilon)
        self.observe("intermediate", x)
        inner = self.activation(self.intermediate(x))  # (T, I)
        self.observe("output", inner)
        return _normalize(x + self.output(inner), self.output_norm, self.epsilon)


class _Product:
    """A linear layer, its weight in float32."""

    def __init__(self, linear: Linear) -> None:
        self.weight, self.bias = dequantized(linear.weight), linear.bias

    def __call__(self, x: Floats) -> Floats:
        y: Floats = x @ self.weight.T
        y += self.bias
        return y


def unit_length(x: Floats) -> Floats:
    """Vectors (..., d) divided by their lengths."""
    scaled: Floats = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return scaled


# The functions below change their argument in place: new arrays of this size cost more than the
# arithmetic.


def _normalize(x: Floats, norm: Norm, epsilon: float) -> Floats:
    x -= x.mean(axis=-1, keepdims=True)
    variance = np.square(x).mean(axis=-1, keepdims=True)
    x /= np.sqrt(variance + np.float32(epsilon))
    x *= norm.gain
    x += norm.bias
    return x


def _softmax(x: Floats) -> Floats:
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def erf(x: Floats) -> Floats:
    """The error function: Abramowitz and Stegun, formula 7.1.26.

    Its error is at most 1.5e-7, and 4.8e-7 with the rounding of float32.
    """
    t = np.abs(x)
    t *= np.float32(0.3275911)
    t += 1
    np.reciprocal(t, out=t)
    result = np.full_like(x, 1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592, 0):
        result *= t
        result += np.float32(coefficient)
    np.exp(-np.square(x), out=t)
    result *= t
    np.subtract(1, result, out=result)
    return np.copysign(result, x, out=result)


def _gelu(x: Floats) -> Floats:
    factor = erf(x * np.float32(math.sqrt(0.5)))
    factor += 1
    factor *= np.float32(0.5)
    x *= factor
    return x


def _gelu_new(x: Floats) -> Floats:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    x *= np.float32(0.5) * (1 + np.tanh(inner))
    return x


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0, out=x)


ACTIVATIONS = {"gelu": _gelu, "gelu_new": _gelu_new, "relu": _relu}
