"""Vectors of texts, and exact search among them: what means the same lies close together.

    encoder = TextEncoder.open()
    matrix = quantize_vectors(encoder.encode(passages))  # int8 (n, d)
    question = encoder.encode(["Who may keep a dog?"])[0]
    ids, cosines = nearest(matrix, question, 20)  # best first

The bundled encoder is all-MiniLM-L6-v2 (Reimers and Gurevych, "Sentence-BERT", 2019). Knows texts
and arrays, neither passages nor indexes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pullquote.checkpoints.text_encoder import (
    BUNDLED,
    TextEncoderWeights,
    open_text_encoder,
    read_text_encoder,
)
from pullquote.errors import InputError
from pullquote.reading.backends import cores, native_library
from pullquote.reading.backends.numpy import NumpyBackend, unit_length
from pullquote.reading.encode import Encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LONGEST = 256
"""Tokens of a text that are read, special tokens among them."""

_CHUNK = 256  # texts that are tokenised together
_LARGEST = 0.25  # the component that becomes the largest code; of 384, few are half as large
_CODES = 127
_QUERY_CODES = 63  # 7 bits: without VNNI, CPUs add pairs of products in 16 bits
_SLICE = 1 << 19  # rows of a call of the engine; signals such as Ctrl-C are handled in between
_BLOCK = 1 << 14  # rows that numpy multiplies at once, as floats


class _Backend(Protocol):
    def embed(self, ids: NDArray[np.int32], lengths: NDArray[np.int32]) -> Floats: ...


class TextEncoder:
    """Turns texts into vectors of unit length, whose dot products are cosines.

    `dimensions` is the length of a vector. `name` identifies the weights: vectors with different
    names cannot be compared. Threads may share an encoder. A text's vector does not depend on the
    texts beside it.
    """

    def __init__(self, tokens: Encoder, backend: _Backend, weights: TextEncoderWeights) -> None:
        self._tokens, self._backend, self._projection = tokens, backend, weights.projection
        wide = weights.encoder.width
        self.dimensions = wide if self._projection is None else len(self._projection)
        self.name = weights.name
        self._longest = min(LONGEST, len(weights.encoder.positions))

    @classmethod
    def open(cls, name: str = BUNDLED, *, threads: int | None = None) -> TextEncoder:
        """Open the bundled encoder, or the directory of a BERT-like one that takes means of tokens.

        `threads` limits the threads of the engine; None uses every core. Without the engine numpy
        reads, many times slower. Raises `ModelError` for weights that are missing or damaged.

        >>> from pullquote.reading.vectors import TextEncoder
        >>> encoder = TextEncoder.open()
        >>> rent, due, cat = encoder.encode(
        ...     ["When is the rent due?", "Tenants pay on the first.", "The cat sat on the mat."]
        ... )
        >>> bool(rent @ due > rent @ cat)
        True
        """
        directory = open_text_encoder(name)
        weights = read_text_encoder(directory)
        backend: _Backend
        if native_library.available():
            from pullquote.reading.backends.native import NativeBackend  # loads the library

            backend = NativeBackend(weights.encoder, threads=threads)
        else:
            native_library.warn_if_missing()
            backend = NumpyBackend(weights.encoder)
        return cls(Encoder.of(directory), backend, weights)

    def encode(self, texts: Sequence[str]) -> Floats:
        """The vectors of texts, (n, dimensions), at unit length.

        Of a text, the first `LONGEST` tokens are read. Raises `InputError` for what is not text.
        """
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _CHUNK):
            chunk = texts[start : start + _CHUNK]
            ids = [self._tokens.alone(text, self._longest) for text in chunk]
            lengths = np.array([len(tokens) for tokens in ids], np.int32)
            means = self._backend.embed(np.concatenate(ids), lengths)  # (chunk, H)
            for row, mean in enumerate(means, start):
                # row by row: products of matrices may round by the number of rows
                vectors[row] = mean if self._projection is None else self._projection @ mean
        return unit_length(vectors)


def quantize_vectors(vectors: Floats) -> NDArray[np.int8]:
    """Unit vectors (n, d) as codes -127 .. 127, all with one fixed scale: components / .25 * 127.

    Vectors that are added later fit those that are stored. Larger components are clipped.
    """
    codes = np.rint(vectors * np.float32(_CODES / _LARGEST))
    quantized: NDArray[np.int8] = codes.clip(-_CODES, _CODES).astype(np.int8)
    return quantized


def nearest(
    matrix: NDArray[np.int8],
    query: Floats,
    count: int,
    allowed: NDArray[np.bool_] | None = None,
    *,
    threads: int | None = None,
) -> tuple[NDArray[np.int64], Floats]:
    """The rows of a matrix (n, d) of `quantize_vectors` that are nearest to a unit vector (d,).

    Returns numbers of rows, and cosines, best first: `count` of them, or fewer where there are
    fewer. Of equal rows the earlier is first. `allowed`, (n,), is false for rows to leave out.
    Every row is compared, by products of integers: the engine and numpy find the same. Raises
    `InputError` for arrays that do not fit each other.

    >>> import numpy as np
    >>> from pullquote.reading.vectors import nearest, quantize_vectors
    >>> matrix = quantize_vectors(np.array([[0.2, 0.1], [0.1, 0.2]], np.float32))
    >>> ids, cosines = nearest(matrix, np.array([0.0, 1.0], np.float32), 1)
    >>> ids.tolist(), round(float(cosines[0]), 2)
    ([1], 0.2)
    """
    if matrix.ndim != 2 or matrix.dtype != np.int8 or query.shape != matrix.shape[1:]:
        raise InputError(
            f"a matrix {matrix.dtype} {matrix.shape} and a query {query.shape}; expected int8 "
            "(n, d) and (d,)"
        )
    if allowed is not None and (allowed.shape != matrix.shape[:1] or allowed.dtype != np.bool_):
        raise InputError(
            f"allowed is {allowed.dtype} {allowed.shape}; expected bool ({len(matrix)},)"
        )
    largest = float(np.abs(query).max(initial=1e-12))
    if count < 0 or not np.isfinite(largest):
        raise InputError(f"{count} rows near a vector with a component of {largest}")
    scale = largest / _QUERY_CODES
    codes = np.rint(query / np.float32(scale)).astype(np.int8)
    search = _engine_nearest if native_library.available() else _numpy_nearest
    parts = [
        search(
            np.ascontiguousarray(matrix[start : start + _SLICE]),
            codes,
            count,
            None if allowed is None else np.ascontiguousarray(allowed[start : start + _SLICE]),
            threads or cores(),
        )
        for start in range(0, len(matrix), _SLICE)
    ]
    ids = np.concatenate(
        [np.empty(0, np.int64), *(part[0] + i * _SLICE for i, part in enumerate(parts))]
    )
    products = np.concatenate([np.empty(0, np.int64), *(part[1] for part in parts)])
    best = np.argsort(-products, kind="stable")[:count]
    cosines = products[best] * (scale * _LARGEST / _CODES)
    return ids[best], cosines.astype(np.float32)


_Near = tuple["NDArray[np.int64]", "NDArray[np.int64]"]  # rows and products, best first


def _engine_nearest(
    matrix: NDArray[np.int8],
    codes: NDArray[np.int8],
    count: int,
    allowed: NDArray[np.bool_] | None,
    threads: int,
) -> _Near:
    c = native_library
    near = np.empty(min(count, len(matrix)), np.dtype(c.CNear))
    found, message = ctypes.c_int64(), ctypes.create_string_buffer(500)
    kernels = os.environ.get("PULLQUOTE_KERNELS")
    status = c.load_library().pq_nearest(
        ctypes.byref(
            c.CNearestRequest(
                rows=matrix.ctypes.data,
                query=codes.ctypes.data,
                allowed=None if allowed is None else allowed.ctypes.data,
                row_elements=matrix.size,
                count=len(matrix),
                width=matrix.shape[1],
                threads=threads,
                most=len(near),
            )
        ),
        kernels.encode() if kernels else None,
        near.ctypes.data,
        ctypes.byref(found),
        message,
        len(message),
    )
    if status != c.OK:
        error = MemoryError if status == c.MEMORY else InputError
        raise error(message.value.decode())
    near = near[: found.value]
    return near["row"], near["product"].astype(np.int64)


def _numpy_nearest(
    matrix: NDArray[np.int8],
    codes: NDArray[np.int8],
    count: int,
    allowed: NDArray[np.bool_] | None,
    threads: int,
) -> _Near:
    # float64 holds every sum exactly; integers have no fast products in numpy
    weights = codes.astype(np.float64)
    products = np.concatenate(
        [
            matrix[start : start + _BLOCK].astype(np.float64) @ weights
            for start in range(0, len(matrix), _BLOCK)
        ]
    ).astype(np.int64)
    rows = np.arange(len(matrix)) if allowed is None else np.flatnonzero(allowed)
    if count < len(rows):  # all that are as good as the last one that counts
        if not count:
            return rows[:0], products[:0]
        least = np.partition(products[rows], len(rows) - count)[len(rows) - count]
        rows = rows[products[rows] >= least]
    best = rows[np.argsort(-products[rows], kind="stable")[:count]]
    return best, products[best]
