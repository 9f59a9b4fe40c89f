"""Exports a question answering checkpoint to ONNX, which answers without torch.

Compares the logits of both, and writes nothing when they differ.

    export("path/to/checkpoint", "out")                # fp32
    export("path/to/checkpoint", "out", scheme=INT8)   # a quarter of the bytes
    export("path/to/checkpoint", "out", weights=True)  # with the safetensors beside it
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import ModelDirectory, open_model, store_settings
from pullquote.errors import MissingExtraError, ModelError, OutputError, PullquoteError, first_line
from pullquote.files import cannot_write
from pullquote.reading.backends.onnx import OnnxBackend
from pullquote.settings import ReaderConfig
from pullquote.training.recipe import read_recipe
from pullquote.types import Batch

try:
    import onnxscript  # noqa: F401 - torch's exporter needs it
    import torch

    from pullquote.publishing.quantize import Scheme, quantize
    from pullquote.reading.backends.torch import TorchBackend, forward_inputs, load_checkpoint
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "transformers", "export") from error

TOLERANCE = 1e-4
"""The largest accepted difference between a logit of torch and of the fp32 ONNX file."""

# The files that an export replaces, weights last. torch writes weights of more than 1.5 GB to a
# separate file.
_WRITTEN = (
    *(*layout.DESCRIPTION, layout.RECIPE, layout.SETTINGS),
    *(layout.PACKED, layout.ONNX_DATA, layout.ONNX),  # packed weights of before are removed
)


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What `export` wrote, and how much its logits differ from the checkpoint's."""

    path: Path
    bytes: int
    fp32_difference: float
    int8_difference: float | None


def export(
    model: str | Path,
    out: str | Path,
    *,
    scheme: Scheme | None = None,
    weights: bool = False,
    config: ReaderConfig | None = None,
) -> ExportReport:
    """Write `out` with model.onnx, the tokenizer and reader.json of a safetensors checkpoint.

    `scheme` quantises it. `weights` also copies the checkpoint's safetensors, for transformers and
    for training. `out` is a new directory, an older export (whose files are replaced), or the
    checkpoint's own directory (which gains the ONNX form). `config` replaces the settings of the
    source. Raises `ModelError`, and writes nothing, when the fp32 ONNX file's logits differ from
    torch's by more than `TOLERANCE`.

    >>> from pullquote.publishing.export import export  # doctest: +SKIP
    >>> from pullquote.publishing.quantize import INT8  # doctest: +SKIP
    >>> report = export("./checkpoint", "reader", scheme=INT8)  # doctest: +SKIP
    >>> print(report.bytes, report.int8_difference)  # doctest: +SKIP
    """
    source = open_model(model)
    if source.safetensors is None:
        raise ModelError(
            f"{source.path}: no {layout.SAFETENSORS} to export "
            f"(found {source.packed or source.onnx}); "
            f"pullquote export {model} --onnx -o OUT takes packed weights, and pullquote unpack "
            f"{model} -o OUT gives a model of ours its checkpoint back"
        )
    if config:
        source = replace(source, config=config)
    out = Path(out)
    with _staged_files(out, source) as new, tempfile.TemporaryDirectory() as work:
        _copy_other_files(source.path, new, weights=weights, in_place=_is_same(out, source.path))
        store_settings(new, _before_int8(source.config) if scheme else source.config)
        fp32 = Path(work if scheme else new) / layout.ONNX
        _to_onnx(source, fp32)
        reference = TorchBackend(source.path)
        batches = list(_probe_batches(source))
        fp32_difference = _difference(reference, OnnxBackend(fp32), batches)
        if not fp32_difference <= TOLERANCE:
            raise ModelError(
                f"{source.path}: the ONNX form differs from torch by {fp32_difference:.2g} in a "
                f"logit, more than {TOLERANCE:g}; nothing was written"
            )
        int8_difference = None
        if scheme:
            quantize(fp32, new / layout.ONNX, scheme)
            int8_difference = _difference(reference, OnnxBackend(new / layout.ONNX), batches)
            if int8_difference == float("inf"):
                raise ModelError(
                    f"{source.path}: its int8 form gives logits that are not finite; nothing was "
                    "written. Export without int8."
                )
        size = sum(file.stat().st_size for file in new.iterdir())
    return ExportReport(out, size, fp32_difference, int8_difference)


def _copy_other_files(source: Path, new: Path, *, weights: bool, in_place: bool) -> None:
    """Copy what is neither settings nor ONNX. `in_place`: `source` is what is exported to."""
    copied = [source / name for name in layout.DESCRIPTION]
    if weights and not in_place:
        copied += layout.found(source, layout.SAFETENSORS_PATTERNS)
    for file in copied:
        if file.is_file():
            shutil.copyfile(file, new / file.name)
    if recipe := read_recipe(source):
        kept = recipe if in_place else recipe.named_only()
        (new / layout.RECIPE).write_text(kept.to_toml(), encoding="utf-8")


def _before_int8(config: ReaderConfig) -> ReaderConfig:
    """The settings, with a note that they were fitted before quantisation."""

    def noted(fitted_on: str) -> str:
        return f"{fitted_on} (before int8)" if fitted_on else ""

    calibration = replace(config.calibration, fitted_on=noted(config.calibration.fitted_on))
    return replace(
        config,
        threshold_fitted_on=noted(config.threshold_fitted_on),
        calibration=calibration,
    )


@contextlib.contextmanager
def _staged_files(out: Path, source: ModelDirectory) -> Iterator[Path]:
    """Yield an empty directory; on success its files move to `out`, otherwise it is removed."""
    try:
        fresh = not out.exists()
        if not fresh and not _is_same(out, source.path):
            check_output(out)
        # on the same file system as `out`, so that files can be renamed
        parent = out.parent if fresh else out
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pullquote-", dir=parent) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            yield new
            if fresh:
                os.replace(new, out)
                return
            made = {file.name for file in new.iterdir()}
            for name in sorted(made - set(_WRITTEN)) + list(_WRITTEN):
                if name in made:
                    os.replace(new / name, out / name)
                else:  # such as the licence of an older export; the card stays
                    (out / name).unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, PullquoteError):
            raise
        raise cannot_write(out, error) from error


def check_output(out: Path) -> None:
    """Raise `OutputError` when `out` exists and is not an older export."""
    if not out.exists():
        return
    found = {entry.name for entry in out.iterdir()} if out.is_dir() else {out.name}
    is_export = {layout.ONNX, layout.SETTINGS} <= found
    is_checkpoint = out.is_dir() and bool(layout.found(out, layout.SAFETENSORS_PATTERNS))
    if found and (is_checkpoint or not is_export):
        raise OutputError(
            f"{out}: exists and is not an older export; choose another place, or empty it"
        )


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)


class _Logits(torch.nn.Module):
    """The model with positional inputs, and its logits as only outputs."""

    def __init__(self, model: Any, inputs: list[str]) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.model(**dict(zip(self.inputs, tensors, strict=True)))
        return output.start_logits, output.end_logits


def _to_onnx(source: ModelDirectory, path: Path) -> None:
    # Eager attention: the fused kernels of torch have no exact counterpart in ONNX.
    model = load_checkpoint(source.path, attn_implementation="eager")
    inputs = forward_inputs(model)
    batch = next(_probe_batches(source))
    example = tuple(torch.from_numpy(getattr(batch, name)) for name in inputs)
    B = torch.export.Dim("batch", min=1, max=4096)
    T = torch.export.Dim("tokens", min=2, max=source.config.max_length)
    try:
        with torch.inference_mode(), _quiet():
            program = torch.onnx.export(
                _Logits(model, inputs),
                example,
                dynamo=True,
                verbose=False,
                input_names=inputs,
                output_names=["start_logits", "end_logits"],
                dynamic_shapes=(({0: B, 1: T},) * len(inputs),),
            )
    except Exception as error:
        raise ModelError(
            f"{source.path}: torch cannot turn this model into ONNX ({first_line(error)})"
        ) from error
    assert program is not None  # what dynamo=True promises
    # The exporter stores the source lines of every node: half a megabyte, with the paths of this
    # machine in it.
    for element in (program.model, program.model.graph, *program.model.graph):
        element.metadata_props.clear()
    program.save(path)


def _probe_batches(source: ModelDirectory) -> Iterator[Batch]:
    """Batches of random tokens: padded, a single window, and windows of full length."""
    random = np.random.default_rng(0)
    vocabulary = source.vocab_size or 1000
    for lengths in ([24, 17], [11], [source.config.max_length, 33, 60], [127]):
        T = min(max(lengths), source.config.max_length)
        mask = (np.arange(T) < np.array(lengths)[:, None]).astype(np.int64)  # (B, T)
        ids = random.integers(0, vocabulary, mask.shape)
        types = np.minimum(np.arange(T) >= 8, max(source.type_vocab_size or 1, 1) - 1) * mask
        yield Batch(ids, mask, types.astype(np.int64))


def _difference(a: Any, b: Any, batches: list[Batch]) -> float:
    """The largest difference of a logit, padding excluded; infinite where one is not finite."""
    worst = 0.0
    for batch in batches:
        x, y = a(batch), b(batch)
        real = batch.attention_mask.astype(bool)
        for left, right in ((x.start, y.start), (x.end, y.end)):
            gap = np.abs(left - right)[real]
            worst = max(worst, float(gap.max()) if np.isfinite(gap).all() else float("inf"))
    return worst


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's logs and deprecation warnings."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
