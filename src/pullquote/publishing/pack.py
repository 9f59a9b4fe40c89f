"""Packs a quantised ONNX model into `packed.safetensors`, which needs no ONNX Runtime to be read.

    pack("build/small")     # writes build/small/packed.safetensors beside model.onnx

Codes and scales stay the same; only their layout changes.
"""

from __future__ import annotations

from pathlib import Path

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.packed import write_packed
from pullquote.checkpoints.read_weights import FAMILIES, encoder_weights, unsupported
from pullquote.errors import ModelError
from pullquote.publishing.unpack import read_onnx


def pack(model: str | Path) -> Path:
    """Write the packed form of a model's ONNX file beside it; returns the new file.

    Raises `ModelError` for a model that cannot be read from packed weights.

    >>> from pullquote.publishing.pack import pack  # doctest: +SKIP
    >>> path = pack("build/small")  # doctest: +SKIP
    """
    directory = open_model(model)
    if directory.onnx is None:
        raise ModelError(
            f"{directory.path}: no {layout.ONNX} to pack; make one with: "
            f"pullquote export {model} -o OUT --int8"
        )
    if reason := unsupported(directory):
        raise ModelError(f"{directory.path}: cannot be packed: {reason}")
    weights = read_onnx(directory.onnx)
    encoder_weights(weights, directory, directory.onnx)  # raises an error if something is missing
    names = FAMILIES[directory.read_config()["model_type"]]
    out = directory.path / layout.PACKED
    write_packed(out, weights, tables={names.prefix + names.words})
    return out
