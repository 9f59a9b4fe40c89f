"""Which weights of a model are read, and by which backend.

A directory may have several forms of the same weights. On a CPU, the first that can be read wins:

    packed.safetensors    the engine, in int8
    model.onnx            ONNX Runtime, if it is installed
    model.safetensors     torch, if it is installed; else the engine, in fp32, for BERT-like models

The engine is pullquote's own compiled library. Where it was not built, and where the environment
has PULLQUOTE_ENGINE=off, numpy reads what it would read. Other devices than the CPU take torch for
a checkpoint, else ONNX Runtime. Knows what is installed; imports a backend when it is loaded.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.checkpoints import layout
from pullquote.checkpoints.read_weights import read_weights, unsupported
from pullquote.errors import InputError, MissingExtraError
from pullquote.reading.backends import native_library

if TYPE_CHECKING:
    from pullquote.checkpoints.directory import ModelDirectory
    from pullquote.reading.backends import Backend


@dataclass(frozen=True, slots=True)
class Choice:
    """A file of weights, and what reads it: "engine", "numpy", "onnxruntime" or "torch"."""

    file: Path
    package: str


def choose(directory: ModelDirectory, device: str = "cpu") -> Choice:
    """The weights that win, and what reads them; the module docstring has the order.

    Where nothing that is installed can read any, the choice names what should be installed. Raises
    `InputError` for packed weights alone on another device than the CPU.
    """
    packed, onnx, checkpoint = directory.packed, directory.onnx, directory.safetensors
    if not device.startswith("cpu"):
        if checkpoint:
            return Choice(checkpoint, "torch")
        if onnx:
            return Choice(onnx, "onnxruntime")
        raise InputError(
            f"device {device!r} is not available for {directory.path}: packed weights are read on "
            f"the CPU. Use 'cpu', or a model with {layout.SAFETENSORS} or {layout.ONNX}."
        )
    if packed:
        return Choice(packed, _own_package())
    if onnx and (_installed("onnxruntime") or not checkpoint):
        return Choice(onnx, "onnxruntime")
    assert checkpoint is not None  # `open_model` guarantees one of the forms
    if _installed("torch") or unsupported(directory):
        return Choice(checkpoint, "torch")
    return Choice(checkpoint, _own_package())


def load_backend(directory: ModelDirectory, device: str, threads: int | None) -> Backend:
    """The backend that reads a model directory on a device.

    Raises `MissingExtraError` where torch is needed and not installed, with the reason.
    """
    choice = choose(directory, device)
    if choice.package == "engine":
        from pullquote.reading.backends.native import NativeBackend

        # A checkpoint keeps its precision; packed weights were made for int8.
        precision = "int8" if choice.file == directory.packed else "fp32"
        return NativeBackend(read_weights(directory), threads=threads, precision=precision)
    if choice.package == "numpy":
        from pullquote.reading.backends.numpy import NumpyBackend

        return NumpyBackend(read_weights(directory), threads=threads)
    if choice.package == "onnxruntime":
        from pullquote.reading.backends.onnx import OnnxBackend

        return OnnxBackend(choice.file, device=device, threads=threads)
    if not _installed("torch") and (reason := unsupported(directory)):
        what = f"torch, which reads {choice.file} (pullquote does not: {reason}),"
        raise MissingExtraError(what, "torch")
    from pullquote.reading.backends.torch import TorchBackend

    return TorchBackend(directory.path, device=device, threads=threads)


def _own_package() -> str:
    return "engine" if native_library.available() else "numpy"


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
