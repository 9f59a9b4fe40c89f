"""The weights of a text encoder: the bundled one, or any checkpoint of a BERT-like encoder.

    directory = open_text_encoder("bundled")
    weights = read_text_encoder(directory)
    weights.encoder, weights.projection     # `EncoderWeights` without a head, and (D, H) or None

The bundled encoder has layers of its own. Its tokenizer and its words table are those of the
bundled reader `small`, which was trained from the same encoder.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pullquote.checkpoints import bundled, layout
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.encoder_weights import dequantized
from pullquote.checkpoints.packed import read_packed
from pullquote.checkpoints.read_weights import FAMILIES, encoder_weights, unsupported
from pullquote.checkpoints.tensor_file import open_tensors
from pullquote.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pullquote.checkpoints.directory import ModelDirectory
    from pullquote.checkpoints.encoder_weights import EncoderWeights
    from pullquote.checkpoints.packed import Weight

BUNDLED = "bundled"
"""The name of the bundled encoder."""
FOLDER = "text-encoder"
"""Where it lies among the bundled models."""
SHARED = "small"
"""The bundled reader whose words table it shares."""
PROJECTION = "projection.weight"
"""The name of the projection in the file, after the family's prefix."""

_WORDS = FAMILIES["bert"].prefix + FAMILIES["bert"].words


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoderWeights:
    """An encoder, and what reduces its vectors to fewer dimensions."""

    encoder: EncoderWeights
    projection: NDArray[np.float32] | None  # (D, H); None where vectors keep all dimensions
    name: str  # a hash of the weights: others have another


def open_text_encoder(name: str = BUNDLED) -> ModelDirectory:
    """The directory of an encoder; the tokenizer may lie in another."""
    if name != BUNDLED:
        return open_model(name)
    path = bundled.BUNDLED / FOLDER
    return replace(open_model(SHARED), name=name, path=path, packed=path / layout.PACKED)


def read_text_encoder(directory: ModelDirectory) -> TextEncoderWeights:
    """The weights of an encoder. Raises what `read_weights` raises."""
    if reason := unsupported(directory):
        raise ModelError(f"{directory.path}: {reason}")
    file = directory.packed or directory.safetensors
    if file is None:
        raise ModelError(f"{directory.path}: no {layout.PACKED} or {layout.SAFETENSORS}")
    tensors: Mapping[str, Weight]
    tensors = open_tensors(file) if directory.packed is None else read_packed(file)
    if directory.name == BUNDLED:
        tensors = {**tensors, _WORDS: _shared_words()}
    encoder = encoder_weights(tensors, directory, file, head=False)
    projection = None
    if (name := FAMILIES["bert"].prefix + PROJECTION) in tensors:
        projection = dequantized(tensors[name])
        if projection.ndim != 2 or projection.shape[1] != encoder.width:
            raise ModelError(
                f"{file}: {name} has the shape {projection.shape}, expected (any, {encoder.width})"
            )
    return TextEncoderWeights(encoder, projection, _name(tensors))


def _shared_words() -> Weight:
    file = open_model(SHARED).packed
    assert file is not None  # of a bundled reader
    return read_packed(file)[_WORDS]


def _name(tensors: Mapping[str, Weight]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(tensors):
        weight = tensors[name]
        parts = (weight,) if isinstance(weight, np.ndarray) else (weight.codes, weight.scales)
        digest.update(name.encode())
        for part in parts:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
