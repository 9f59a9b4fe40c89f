"""Which weights of a model are read, by which backend, and in which precision.

A directory may have several forms of the same weights. On a CPU, the first that can be read wins:

    packed.safetensors    the engine, in int8, which they were made for
    model.onnx            ONNX Runtime, if it is installed, in the precision of the file
    model.safetensors     the engine, for BERT-like models: rounded to int8 while it loads;
                          torch, for all others, in fp32

The precision "fp32" reads what is rounded least: model.safetensors, then a model.onnx that is not
quantised, then packed weights, multiplied as floats. "int8" takes the first that is read in int8.

The engine is pullquote's own compiled library. Where it was not built, and where the environment
has PULLQUOTE_ENGINE=off, BERT-like models are read in fp32: checkpoints by torch, if it is
installed, in about two thirds of numpy's time; all else by numpy. Beside the engine torch reads no
BERT-like model: its fp32 is no faster (`small` on one core, 183 tokens: 162 ms, the engine 131 ms),
gives the same logits to 1e-5, and takes seconds to import.

Other devices than the CPU take torch for a checkpoint, else ONNX Runtime. Knows what is installed;
imports a backend when it is loaded.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pullquote.checkpoints import layout
from pullquote.checkpoints.read_weights import read_weights, unsupported
from pullquote.errors import InputError, MissingExtraError, PullquoteWarning
from pullquote.reading.backends import native_library

if TYPE_CHECKING:
    from collections.abc import Callable

    from pullquote.checkpoints.directory import ModelDirectory
    from pullquote.reading.backends import Backend
    from pullquote.types import Batch

PRECISIONS = ("auto", "fp32", "int8")


class Choice(NamedTuple):
    """A file of weights, and how it is read."""

    file: Path
    package: str
    """What reads it: "engine", "numpy", "onnxruntime" or "torch"."""
    precision: str
    """What its matrices are multiplied in: "fp32" or "int8"."""

    def __str__(self) -> str:
        reader = "the engine" if self.package == "engine" else self.package
        return f"{self.file.name}, read by {reader} in {self.precision}"


def choose(directory: ModelDirectory, device: str = "cpu", precision: str = "auto") -> Choice:
    """The weights that win, and how they are read; the module docstring has the order.

    Where nothing that is installed can read any, the choice names what should be installed. Raises
    `InputError` for packed weights alone on another device than the CPU, and where nothing can be
    read in `precision`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}, expected {', '.join(PRECISIONS)}")
    choices = list(_choices(directory, device))
    found = [choice for choice in choices if precision in ("auto", choice.precision)]
    if not found:
        raise InputError(
            f"precision is {precision!r}, but {directory.path} has {choices[0]}; use 'auto'. "
            f"{_NEEDS[precision]}"
        )
    if precision == "fp32":
        exact = [directory.safetensors, directory.onnx, directory.packed]
        return min(found, key=lambda choice: exact.index(choice.file))
    return found[0]


_NEEDS = {
    "int8": "BERT-like models are read in int8 by the compiled engine, on the CPU; others from a "
    "quantised model.onnx (pullquote export --int8).",
    "fp32": "A quantised model.onnx is read in int8; fp32 needs the checkpoint, model.safetensors.",
}


def as_made(directory: ModelDirectory, device: str = "cpu") -> str:
    """The precision in which nothing is rounded further: fp32 for checkpoints, "auto" for others.

    For code that promises the logits of transformers.
    """
    return "fp32" if choose(directory, device).file == directory.safetensors else "auto"


def load_backend(
    directory: ModelDirectory,
    device: str,
    threads: int | None,
    *,
    precision: str = "auto",
    samples: Callable[[], Batch] | None = None,
) -> Backend:
    """The backend that reads a model directory on a device.

    Where "auto" rounds a checkpoint to int8, a `PullquoteWarning` says how much that changes the
    logits of `samples`. Raises `MissingExtraError` where ONNX Runtime or torch is needed and not
    installed.
    """
    choice = choose(directory, device, precision)
    if choice.file != directory.packed:
        directory = replace(directory, packed=None)
    if choice.package == "engine":
        return _load_native(directory, choice, threads, samples if precision == "auto" else None)
    if choice.package == "numpy":
        from pullquote.reading.backends.numpy import NumpyBackend

        native_library.warn_if_missing()
        return NumpyBackend(read_weights(directory), threads=threads)
    if choice.package == "onnxruntime":
        if not _installed("onnxruntime"):
            raise MissingExtraError(f"onnxruntime, which reads {choice.file},", "onnx")
        from pullquote.reading.backends.onnx import OnnxBackend

        return OnnxBackend(choice.file, device=device, threads=threads)
    if not _installed("torch") and (reason := unsupported(directory)):
        what = f"torch, which reads {choice.file} (pullquote does not: {reason}),"
        raise MissingExtraError(what, "torch")
    from pullquote.reading.backends.torch import TorchBackend

    return TorchBackend(directory.path, device=device, threads=threads)


def _load_native(
    directory: ModelDirectory,
    choice: Choice,
    threads: int | None,
    samples: Callable[[], Batch] | None,
) -> Backend:
    from pullquote.reading.backends.native import NativeBackend

    weights = read_weights(directory)
    backend = NativeBackend(weights, threads=threads, precision=choice.precision)
    if samples and choice.precision == "int8" and choice.file == directory.safetensors:
        from pullquote.reading.backends.rounding import difference

        exact = NativeBackend(weights, threads=threads, precision="fp32")
        change = difference(backend, exact, samples())
        exact.close()
        warnings.warn(
            f"{directory.path}: read in int8; on sample texts a logit differs from fp32 by "
            f"{change.median:.2g} (median), at most by {change.largest:.2g}. The precision "
            '"fp32" reads it unrounded, "int8" without this note.',
            PullquoteWarning,
            stacklevel=4,  # where the Reader is made
        )
    return backend


def _choices(directory: ModelDirectory, device: str) -> Iterator[Choice]:
    """All that can be read and how, preferred first; at least one."""
    packed, onnx, checkpoint = directory.packed, directory.onnx, directory.safetensors
    onnx_precision = "int8" if directory.quantized else "fp32"
    if not device.startswith("cpu"):
        if checkpoint:
            yield Choice(checkpoint, "torch", "fp32")
        if onnx:
            yield Choice(onnx, "onnxruntime", onnx_precision)
        if not checkpoint and not onnx:
            raise InputError(
                f"device {device!r} is not available for {directory.path}: packed weights are read "
                f"on the CPU. Use 'cpu', or a model with {layout.SAFETENSORS} or {layout.ONNX}."
            )
        return
    engine = native_library.available()
    if packed and engine:
        yield Choice(packed, "engine", "int8")
        yield Choice(packed, "engine", "fp32")
    elif packed:
        yield Choice(packed, "numpy", "fp32")
    if onnx and (_installed("onnxruntime") or not (packed or checkpoint)):
        yield Choice(onnx, "onnxruntime", onnx_precision)
    if checkpoint and not unsupported(directory) and engine:
        yield Choice(checkpoint, "engine", "int8")
        yield Choice(checkpoint, "engine", "fp32")
    elif checkpoint:
        own = not unsupported(directory) and not _installed("torch")
        yield Choice(checkpoint, "numpy" if own else "torch", "fp32")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
