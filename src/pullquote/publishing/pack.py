"""Writes `packed.safetensors`, quantised weights that need no ONNX Runtime to be read.

    pack("build/small")                          # beside a quantised model.onnx: the same integers
    pack_checkpoint("run", "small", examples)    # a new directory, of an fp32 checkpoint

Knows which weights are packed; `rounding` knows how numbers are rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.encoder_weights import Quantized
from pullquote.checkpoints.packed import Weight, write_packed
from pullquote.checkpoints.read_weights import FAMILIES, encoder_weights, unsupported
from pullquote.checkpoints.tensor_file import open_tensors
from pullquote.checkpoints.write import copy_model, new_directory
from pullquote.errors import DataError, ModelError
from pullquote.publishing.rounding import (
    INPUT_OF,
    PRODUCTS,
    quantize_array,
    round_matrix,
    second_moments,
)
from pullquote.reading.reader import Reader

if TYPE_CHECKING:
    from pullquote.types import Batch, Example


def pack(model: str | Path) -> Path:
    """Write the packed form of a model's ONNX file beside it; returns the new file.

    Raises `ModelError` for a model that cannot be read from packed weights.

    >>> from pullquote.publishing.pack import pack  # doctest: +SKIP
    >>> path = pack("build/small")  # doctest: +SKIP
    """
    from pullquote.publishing.unpack import read_onnx  # needs onnx, which a checkpoint does not

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


def pack_checkpoint(
    model: str | Path, out: str | Path, examples: Iterable[Example], *, words: int = 4
) -> Path:
    """Write a new directory with a checkpoint's words in `words` bits and its layers in 7.

    Layers are rounded by what goes into them (`rounding`) in the first window of each example. A
    few hundred, of texts like those that will be read, are enough; labels are not used. Settings
    are copied: fit them again (`pullquote calibrate`). Returns the new file. Raises `ModelError`
    for a model that cannot be read from packed weights, `DataError` for examples without text,
    `ConfigError` for an `out` that is not empty; nothing is written then.

    >>> from pullquote.data import load
    >>> from pullquote.data.sample import sample
    >>> from pullquote.publishing.pack import pack_checkpoint
    >>> examples = sample(load("train.json").examples, 240)  # doctest: +SKIP
    >>> path = pack_checkpoint("runs/small", "small", examples)  # doctest: +SKIP
    """
    directory, out = open_model(model), Path(out)
    if directory.safetensors is None:
        raise ModelError(f"{directory.path}: no {layout.SAFETENSORS} to pack")
    if reason := unsupported(directory):
        raise ModelError(f"{directory.path}: cannot be packed: {reason}")
    tensors = open_tensors(directory.safetensors)
    weights = encoder_weights(tensors, directory, directory.safetensors)
    names = FAMILIES[directory.read_config()["model_type"]]
    packed: dict[str, Weight] = {name: np.asarray(tensors[name]) for name in tensors}

    def stored(name: str) -> str:
        """The name in the file, which may leave out the prefix."""
        return names.prefix + name if names.prefix + name in packed else name

    with new_directory(out):
        moments = second_moments(weights, _batches(Reader(model, precision="fp32"), examples))
        if not moments:
            raise DataError("no example has a text; expected a few hundred, to round weights by")
        table = stored(names.words)
        packed[table] = Quantized(*quantize_array(tensors[table], axis=1, bits=words))
        for number in range(len(weights.layers)):
            for product in PRODUCTS:
                part = stored(f"{names.layer.format(number)}{getattr(names, product)}.weight")
                seen = moments[number, INPUT_OF.get(product, product)]
                packed[part] = round_matrix(tensors[part], seen)
        copy_model(directory.path, out, weights=False)
        write_packed(out / layout.PACKED, packed, tables={table})
    return out / layout.PACKED


def _batches(reader: Reader, examples: Iterable[Example]) -> Iterator[Batch]:
    """The first window of each example."""
    for example in examples:
        window = next(reader.encoder.windows(example.question, example.context), None)
        if window is not None:
            yield reader.encoder.batch([window])
