"""Runs a `model.onnx` with ONNX Runtime; the default backend, and the only one that needs no torch.

Knows ONNX Runtime, nothing of text.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from pullquote.errors import InputError, ModelError
from pullquote.types import Logits

if TYPE_CHECKING:
    from pullquote.types import Batch

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUTS = ("start_logits", "end_logits")


class OnnxBackend:
    """An ONNX Runtime session over one file, on `device` "cpu" or "cuda[:N]".

    `threads` bounds the threads of one forward pass; None lets ONNX Runtime take every core.
    Raises `ModelError` for a file that is no question-answering model, or not whole.
    """

    def __init__(
        self, path: str | Path, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # errors reach us as exceptions; warnings help nobody here
        self.workers = threads or _cores()
        options.intra_op_num_threads = self.workers
        providers = _providers(device)
        if not Path(path).is_file():
            raise ModelError(f"{path}: no such file; expected a model in ONNX format")
        try:
            self.session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:
            raise ModelError(
                f"{path}: not an ONNX model that ONNX Runtime can load "
                f"({Path(path).stat().st_size:,} bytes; {_first_line(error)}). "
                "The file may be cut short: export or download it again."
            ) from error
        inputs = {value.name: value.type for value in self.session.get_inputs()}
        outputs = [value.name for value in self.session.get_outputs()]
        if "input_ids" not in inputs or set(inputs) - set(_INPUTS) or set(_OUTPUTS) - set(outputs):
            raise ModelError(
                f"{path}: not a question-answering model: it takes {', '.join(inputs)} and gives "
                f"{', '.join(outputs)}; expected {', '.join(_INPUTS)} (the last two may be "
                f"missing) and {', '.join(_OUTPUTS)}"
            )
        # Some exporters make int32 inputs.
        self._types = {
            name: np.int32 if kind == "tensor(int32)" else np.int64 for name, kind in inputs.items()
        }

    def __call__(self, batch: Batch) -> Logits:
        feed = {
            name: getattr(batch, name).astype(dtype, copy=False)
            for name, dtype in self._types.items()
        }
        try:
            start, end = self.session.run(_OUTPUTS, feed)  # (B, T) each
        except Exception as error:
            raise ModelError(
                f"the model failed on a batch of shape {batch.input_ids.shape}: "
                f"{_first_line(error)}. Do tokenizer.json and model.onnx belong together?"
            ) from error
        if not start.shape == end.shape == batch.input_ids.shape:
            raise ModelError(
                f"the model gave logits of shapes {start.shape} and {end.shape} for a batch of "
                f"shape {batch.input_ids.shape}; expected one start and one end for each token"
            )
        return Logits(start.astype(np.float32, copy=False), end.astype(np.float32, copy=False))


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    available = ort.get_available_providers()
    if kind == "cuda" and "CUDAExecutionProvider" in available:
        return [("CUDAExecutionProvider", {"device_id": index or "0"}), "CPUExecutionProvider"]
    raise InputError(
        f"device {device!r} is not available to this ONNX Runtime (it has {', '.join(available)}). "
        "Use 'cpu', or install onnxruntime-gpu for 'cuda'."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
