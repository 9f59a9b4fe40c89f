"""Runs a `model.onnx` with ONNX Runtime, which does not need torch.

Needs the extra `onnx`. Knows ONNX Runtime, not text. ONNX Runtime's official builds send usage data
to Microsoft, and keep an id of the machine for that: importing this module switches it off, unless
`ORT_DISABLE_TELEMETRY` is set.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import InputError, MissingExtraError, ModelError, first_line
from pullquote.reading.backends import cores
from pullquote.types import INPUTS, Logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.types import Batch

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
try:
    import onnxruntime as ort
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError("onnxruntime", "onnx") from error

_OUTPUTS = ("start_logits", "end_logits")

# The oldest ONNX Runtime that runs what `publishing.quantize` writes, as pyproject.toml has it:
# 1.20 cannot subtract the int8 numbers that weights of few bits are made of.
OLDEST = "1.21"

# What ONNX Runtime reports for a model that is newer than itself: an operator, a file format, or a
# set of operators that it does not know.
_NEWER = re.compile(
    "Could not find an implementation|Unsupported model IR version|Opset .* is under"
)

# Fusions that are switched off: with ONNX Runtime's fused residual + LayerNorm a batch takes a
# quarter longer, and its fused bias + GELU is no faster.
_DISABLED_FUSIONS = "SkipLayerNormFusion;BiasGeluFusion"


class OnnxBackend:
    """One ONNX file in ONNX Runtime, on `device` "cpu" or "cuda[:N]".

    `threads` limits the threads that run at the same time; None uses every core. Raises
    `ModelError` for a file that is incomplete or not a question-answering model.
    """

    def __init__(
        self, path: str | Path, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        self._path = Path(path)
        self._providers = _providers(device)
        if not self._path.is_file():
            raise ModelError(f"{path}: no such file; expected a model in ONNX format")
        threads = threads or cores()
        self._version = self._path.stat().st_mtime_ns, self._path.stat().st_size
        self.session = self._load(threads)
        if self._providers[0] != "CPUExecutionProvider" and len(self.session.get_providers()) < 2:
            raise InputError(f"device {device!r} is not usable by ONNX Runtime here; use 'cpu'")
        on_cpu = device.partition(":")[0] == "cpu"
        # With one batch per core, two cores answer a third more questions (2 layers in fp32) than
        # when they share every matrix product of one batch.
        self.workers = threads if on_cpu else 1
        # On a CPU, larger batches do not fit the cache of a core: they are no faster for two layers
        # of width 128, and a seventh slower for six layers of width 384.
        self.batch_tokens = 512 if on_cpu else 16_384
        self._single_threaded = None if self.workers > 1 else self.session
        self._lock = threading.Lock()
        inputs = {value.name: value.type for value in self.session.get_inputs()}
        outputs = [value.name for value in self.session.get_outputs()]
        if "input_ids" not in inputs or set(inputs) - set(INPUTS) or set(_OUTPUTS) - set(outputs):
            raise ModelError(
                f"{path}: not a question-answering model: it takes {', '.join(inputs)} and gives "
                f"{', '.join(outputs)}; expected {', '.join(INPUTS)} (the last two may be "
                f"missing) and {', '.join(_OUTPUTS)}"
            )
        # Some exporters create int32 inputs.
        self._types = {
            name: np.int32 if kind == "tensor(int32)" else np.int64 for name, kind in inputs.items()
        }

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        """Run the model. `alone` means that no other batch runs now, so it may use all cores."""
        feed = {
            name: getattr(batch, name).astype(dtype, copy=False)
            for name, dtype in self._types.items()
        }
        session = self.session if alone else self._shared()
        try:
            start, end = session.run(_OUTPUTS, feed)  # (B, T) each
        except Exception as error:
            raise ModelError(
                f"the model failed on a batch of shape {batch.input_ids.shape}: "
                f"{first_line(error)}. Do tokenizer.json and model.onnx belong together?"
            ) from error
        if not start.shape == end.shape == batch.input_ids.shape:
            raise ModelError(
                f"the model gave logits of shapes {start.shape} and {end.shape} for a batch of "
                f"shape {batch.input_ids.shape}; expected one start and one end for each token"
            )
        return Logits(start.astype(np.float32, copy=False), end.astype(np.float32, copy=False))

    def _load(self, threads: int) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # errors are raised anyway; warnings would only be noise
        options.intra_op_num_threads = threads
        options.add_session_config_entry(
            "optimization.disable_specified_optimizers", _DISABLED_FUSIONS
        )
        try:
            return ort.InferenceSession(
                str(self._path),
                options,
                providers=self._providers,
                enable_fallback=0,  # would print, and run a GPU model on the CPU
            )
        except Exception as error:
            if advice := _outdated(error):
                raise ModelError(f"{self._path}: {advice} ({first_line(error)})") from error
            raise ModelError(
                f"{self._path}: not an ONNX model that ONNX Runtime can load "
                f"({self._path.stat().st_size:,} bytes; {first_line(error)}). "
                "The file may be cut short: export or download it again."
            ) from error

    def _shared(self) -> ort.InferenceSession:
        """The single-threaded session for concurrent calls; loaded on first use."""
        with self._lock:
            if self._single_threaded is None:
                if self._version != (self._path.stat().st_mtime_ns, self._path.stat().st_size):
                    raise ModelError(
                        f"{self._path}: has changed since it was opened; open it again"
                    )
                self._single_threaded = self._load(1)
            return self._single_threaded


def compute(model: bytes, outputs: Sequence[str]) -> list[NDArray[Any]]:
    """Some outputs of a model that needs no input."""
    found: list[NDArray[Any]] = ort.InferenceSession(model).run(outputs, {})
    return found


def _outdated(error: Exception) -> str:
    """What to do where a model does not load because ONNX Runtime is too old; "" where it is not.

    A damaged file read by an old ONNX Runtime counts as too old: the version is settled first.
    """
    installed = ort.__version__
    if _version(installed) < _version(OLDEST):
        needed = f"{OLDEST} or newer"
    elif _NEWER.search(str(error)):
        needed = "a newer one"
    else:
        return ""
    return (
        f"ONNX Runtime {installed} cannot load this model, which needs {needed}. "
        "Run: pip install -U onnxruntime"
    )


def _version(text: str) -> tuple[int, ...]:
    """Major and minor: "1.21.0" is (1, 21)."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


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
