"""Runs the weights of a BERT-like encoder in pullquote's own compiled engine.

    backend = NativeBackend(read_weights(directory))
    backend(batch)

Knows numpy and the engine's C interface (`native_library`), not files of weights and not text.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.checkpoints.encoder_weights import Linear, Nibbles, Norm, Quantized, Sevens
from pullquote.errors import InputError, ModelError
from pullquote.reading.backends import cores
from pullquote.reading.backends import native_library as c
from pullquote.types import Logits, WindowSpans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.checkpoints.encoder_weights import EncoderWeights, Matrix, Table
    from pullquote.types import Batch, Window

# The engine begins no further window after so many seconds, and is called again for the rest: in
# between, Python handles signals such as Ctrl-C, which it cannot do during a call.
_PAUSE = 0.1

_SPAN, _FOUND = np.dtype(c.CSpan), np.dtype(c.CFound)
_INT32 = np.iinfo(np.int32)

_ATTRIBUTES = (
    *("query", "key", "value", "attention_output"),
    *("attention_norm", "intermediate", "output", "output_norm"),
)


class NativeBackend:
    """A model in the compiled engine.

    `precision` "int8" multiplies int8 by int8: weights that are floats are rounded to 7 bits as
    they load. "fp32" keeps floats. `threads` limits the threads that run at the same time; None
    uses every core. `kernels` names one of `native_library.kernels()`; None takes the one that the
    environment variable PULLQUOTE_KERNELS names, or the best. Raises `ModelError` for weights whose
    shapes do not fit each other, and where there is no engine.

    The weights are copied, except the words, which the backend keeps alive. A backend may be called
    from several threads and after a fork. It is steady: a window's logits depend neither on the
    batch nor on the number of threads. Threads read a window each; a single long one they share,
    unless the cores are busy.
    """

    # Windows are read one by one; larger batches only save calls.
    batch_tokens = 4096

    def __init__(
        self,
        weights: EncoderWeights,
        *,
        threads: int | None = None,
        precision: str = "int8",
        kernels: str | None = None,
    ) -> None:
        self._begin()
        _alive.add(self)
        self._closed = False
        self._model = ctypes.c_void_p()
        self._library = c.load_library()
        self.precision = precision
        self.workers = threads or cores()
        if precision not in c.PRECISIONS:
            raise InputError(f"precision {precision!r}: expected {' or '.join(c.PRECISIONS)}")
        if weights.activation not in c.ACTIVATIONS:
            raise ModelError(
                f"activation {weights.activation!r}: expected {', '.join(c.ACTIVATIONS)}"
            )
        kernels = kernels or os.environ.get("PULLQUOTE_KERNELS")
        arrays = _Arrays()
        given = arrays.weights(weights)
        message = ctypes.create_string_buffer(500)
        status = self._library.pq_model_create(
            ctypes.byref(given),
            c.PRECISIONS[precision],
            kernels.encode() if kernels else None,
            ctypes.byref(self._model),
            message,
            len(message),
        )
        if status != c.OK:
            raise ModelError(f"the engine cannot take these weights: {message.value.decode()}")
        self._words = arrays.words  # the engine borrows their memory
        self._width = weights.width

    def _begin(self) -> None:
        """Nobody reads: at first, and after a fork, which leaves threads and their locks behind."""
        self._lock = threading.Lock()
        self._reading = 0  # calls that use the model now

    @property
    def kernels(self) -> str:
        """The name of the kernels that run the model."""
        with self._open() as model:
            name: bytes = self._library.pq_model_kernels(model)
        return name.decode()

    def __call__(self, batch: Batch, *, alone: bool = True, deadline: float = math.inf) -> Logits:
        """Run the model. `alone` means that no other batch runs now, so it may use all cores.

        Raises what `read` raises, and `InputError` for padding before a token.
        """
        shape = batch.input_ids.shape
        used = batch.attention_mask.astype(bool)  # (B, T)
        lengths = used.sum(axis=1)
        if not np.array_equal(used, np.arange(shape[1]) < lengths[:, None]):
            raise InputError("a batch with padding before a token; expected padding at the end")
        start, end = self.read(
            batch.input_ids[used],
            batch.token_type_ids[used],
            lengths,
            threads=self.workers if alone else 1,
            deadline=deadline,
        )
        logits = Logits(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
        logits.start[used], logits.end[used] = start, end
        return logits

    def read(
        self,
        ids: NDArray[np.int64],
        types: NDArray[np.int64],
        lengths: NDArray[np.int64],
        *,
        threads: int = 1,
        deadline: float = math.inf,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Start and end logits, (N,) each, of windows that lie one after the other.

        `ids` and `types` are (N,), the sum of `lengths`, one for each window. Raises `InputError`
        for ids that the model does not have and windows that are too long, `TimeoutError` when
        `deadline` seconds have passed, `ModelError` when the backend is closed.
        """
        if not (ids.shape == types.shape == (lengths.sum(),)):
            raise InputError(
                f"{ids.shape} ids and {types.shape} types for windows of {lengths.sum()} tokens"
            )
        packed = _Packed(ids, types, lengths, threads, deadline)
        start, end = np.empty(len(ids), np.float32), np.empty(len(ids), np.float32)
        for request in packed.requests():
            self._run(
                packed,
                self._library.pq_read,
                request,
                _address(start, packed.token),
                _address(end, packed.token),
            )
        return start, end

    def embed(self, ids: NDArray[np.int32], lengths: NDArray[np.int32]) -> NDArray[np.float32]:
        """The mean of each text's last hidden states, at unit length, (texts, H).

        `ids` are the tokens of the texts one after the other, `lengths` how many each has. A text's
        vector depends neither on the other texts nor on the number of threads. Raises what `read`
        raises, and `ModelError` for hidden states that are not finite.
        """
        packed = _Packed(ids, np.zeros_like(ids), lengths, self.workers)
        vectors = np.empty((len(lengths), self._width), np.float32)
        for request in packed.requests():
            self._run(packed, self._library.pq_embed, request, _address(vectors, packed.window))
        return vectors

    def spans(
        self,
        windows: Sequence[Window],
        *,
        max_answer_length: int,
        most: int,
        alone: bool = True,
        deadline: float = math.inf,
    ) -> list[WindowSpans]:
        """At most `most` best spans of each window that do not overlap: `decode.find_spans`.

        Logits, spans and null logits are those of `decode.find_spans` to the last bit; `log_mass`
        may differ by rounding. Raises what `read` raises, and `ModelError` for logits that are not
        finite.
        """
        packed = _Packed(
            # ids of tokenizers have 32 bits
            np.concatenate([window.input_ids for window in windows], dtype=np.int32),
            np.concatenate([window.token_type_ids for window in windows], dtype=np.int32),
            np.array([len(window) for window in windows], dtype=np.int32),
            self.workers if alone else 1,
            deadline,
        )
        places = np.array(
            [(window.context_start, len(window.offsets), window.null_index) for window in windows],
            dtype=np.int32,
        )  # (W, 3), each a `pq_place`
        offsets = np.concatenate([window.offsets for window in windows], dtype=np.int32)
        first = [0, *itertools.accumulate(places[:, 1].tolist())]  # of each window in `offsets`
        spans = np.empty((len(windows), most), dtype=_SPAN)
        found = np.empty(len(windows), dtype=_FOUND)
        for windows_request in packed.requests():
            at = packed.window
            request = c.CFindRequest(
                windows=windows_request,
                places=_address(places, at),
                offsets=_address(offsets, first[at]),
                offset_count=len(offsets) - first[at],
                longest=max_answer_length,
                most=most,
            )
            self._run(
                packed, self._library.pq_find, request, _address(spans, at), _address(found, at)
            )
        return [
            WindowSpans(best[:count], null_start, null_end, log_mass, complete=count < most)
            for best, (log_mass, null_start, null_end, count, _) in zip(
                spans.tolist(), found.tolist(), strict=True
            )
        ]

    def _run(self, packed: _Packed, call: Callable[..., int], request: Any, *results: int) -> None:
        """One call of the engine, which may read only some of the windows."""
        message, done = ctypes.create_string_buffer(500), ctypes.c_int32()
        with self._open() as model:
            status = call(
                model,
                ctypes.byref(request),
                *results,
                ctypes.byref(done),
                message,
                len(message),
            )
        if status != c.OK:
            raise _error(status, message.value.decode())
        packed.advance(done.value)

    def close(self) -> None:
        """Free the model. Reads in other threads end with a `ModelError` after at most a layer."""
        with self._lock:
            if self._closed or not self._model:
                return
            self._closed = True
            self._library.pq_stop(self._model)
            self._free_when_closed()

    def __del__(self) -> None:
        if hasattr(self, "_library"):
            self.close()

    @contextlib.contextmanager
    def _open(self) -> Iterator[ctypes.c_void_p]:
        """The model, which is not freed meanwhile: the last of those who use it does so."""
        with self._lock:
            if self._closed:
                raise ModelError("the backend is closed; make a new one")
            self._reading += 1
        try:
            yield self._model
        finally:
            with self._lock:
                self._reading -= 1
                self._free_when_closed()

    def _free_when_closed(self) -> None:
        if self._closed and not self._reading:
            self._library.pq_model_free(self._model)
            self._model = type(self._model)()  # when Python ends, the name ctypes may be gone


_alive: weakref.WeakSet[NativeBackend] = weakref.WeakSet()


def _begin_in_child() -> None:
    for backend in _alive:
        backend._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


def _error(status: int, message: str) -> Exception:
    if status == c.STOPPED:
        return ModelError("the backend was closed while it was reading")
    if status == c.DEADLINE:
        return TimeoutError(message)
    if status == c.INVALID:
        return InputError(message)
    return MemoryError(message) if status == c.MEMORY else ModelError(message)


class _Packed:
    """Windows one after the other, as the engine takes them, and how many were read."""

    def __init__(
        self,
        ids: NDArray[Any],
        types: NDArray[Any],
        lengths: NDArray[Any],
        threads: int,
        deadline: float = math.inf,
    ) -> None:
        self._ids, self._types, self._lengths = _int32(ids), _int32(types), _int32(lengths)
        self._threads = threads
        self._ends = time.monotonic() + deadline
        self.window, self.token = 0, 0  # the first that were not read

    def requests(self) -> Iterator[c.CRequest]:
        """A request for the windows that are left, until there are none."""
        while self.window < len(self._lengths):
            yield c.CRequest(
                ids=_address(self._ids, self.token),
                types=_address(self._types, self.token),
                lengths=_address(self._lengths, self.window),
                tokens=len(self._ids) - self.token,
                windows=len(self._lengths) - self.window,
                threads=self._threads,
                deadline=max(self._ends - time.monotonic(), 1e-9),  # 0 would be none
                pause=_PAUSE,
            )

    def advance(self, windows: int) -> None:
        self.token += int(self._lengths[self.window : self.window + windows].sum())
        self.window += windows


def _address(values: NDArray[Any], row: int) -> int:
    """Where a row of an array lies in memory."""
    return int(values.ctypes.data) + row * values.strides[0]


def _int32(values: NDArray[Any]) -> NDArray[np.int32]:
    """As int32. What does not fit becomes the largest or smallest number, which is no id either."""
    if values.dtype != np.int32:
        values = values.clip(_INT32.min, _INT32.max)
    return np.ascontiguousarray(values, dtype=np.int32)


class _Arrays:
    """Converts weights to the structures of the C interface, and keeps what they point to alive."""

    def __init__(self) -> None:
        self.kept: list[NDArray[Any]] = []
        self.words: list[NDArray[Any]] = []  # those of the words table

    def weights(self, weights: EncoderWeights) -> c.CWeights:
        words = self.matrix(weights.words)
        self.words = list(self.kept)
        layers = (c.CLayer * max(len(weights.layers), 1))()
        for layer, given in zip(weights.layers, layers, strict=False):
            for name in _ATTRIBUTES:
                part = getattr(layer, name)
                setattr(
                    given, name, self.norm(part) if isinstance(part, Norm) else self.linear(part)
                )
        return c.CWeights(
            words=words,
            positions=self.matrix(weights.positions),
            types=c.CMatrix() if weights.types is None else self.matrix(weights.types),
            embedding_norm=self.norm(weights.embedding_norm),
            projection=c.CLinear()
            if weights.projection is None
            else self.linear(weights.projection),
            layers=layers,
            layer_count=len(weights.layers),
            heads=weights.heads,
            activation=c.ACTIVATIONS[weights.activation],
            epsilon=weights.epsilon,
            head=self.linear(weights.head) if weights.head else c.CLinear(),
        )

    def linear(self, linear: Linear) -> c.CLinear:
        return c.CLinear(weight=self.matrix(linear.weight), bias=self.vector(linear.bias))

    def norm(self, norm: Norm) -> c.CNorm:
        return c.CNorm(gain=self.vector(norm.gain), bias=self.vector(norm.bias))

    def vector(self, values: NDArray[np.float32]) -> c.CVector:
        return c.CVector(data=self.address(values, "float32"), count=values.size)

    def matrix(self, table: Table | Matrix) -> c.CMatrix:
        codes: NDArray[Any] = table if isinstance(table, np.ndarray) else table.codes
        kind, dtype = c.FLOAT, "float32"
        if isinstance(table, Quantized):
            kind, dtype = c.INT8, "int8"
        elif isinstance(table, Nibbles):
            kind, dtype = c.NIBBLES, "uint8"
        elif isinstance(table, Sevens):
            kind, dtype = c.SEVENS, "uint8"
        if codes.ndim != 2:
            raise ModelError(f"a weight of shape {codes.shape}; expected a matrix")
        given = c.CMatrix(
            kind=kind,
            rows=table.shape[0],
            columns=table.shape[1],
            data=self.address(codes, dtype),
            count=codes.size,
        )
        if not isinstance(table, np.ndarray):
            given.scales = self.address(table.scales, "float32")
            given.scale_count = table.scales.size
        return given

    def address(self, values: NDArray[Any], dtype: str) -> int:
        if values.dtype != dtype:
            raise ModelError(f"weights of type {values.dtype}; expected {dtype}")
        self.kept.append(np.ascontiguousarray(values))
        return self.kept[-1].ctypes.data
