"""Reads from an ONNX file's metadata whether and how it is quantised, without loading the model.

Parses only the outermost level of the protobuf message, so it needs no package and skips the
weights. https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pullquote.errors import ModelError, first_line

QUANTIZATION = "pullquote.quantization"
"""The key of the metadata entry that `quantize` writes: a JSON object, see `Quantization`."""

FORMAT = 1
"""The format of the entry that is written, and the newest that is read."""

# field numbers of onnx.ModelProto, OperatorSetIdProto and StringStringEntryProto
_OPSET_IMPORT, _METADATA = 8, 14
_DOMAIN, _KEY, _VALUE = 1, 1, 2
_MICROSOFT = "com.microsoft"
_MAX_BYTES = 1 << 20  # larger entries are skipped


@dataclass(frozen=True, slots=True)
class Quantization:
    """How an ONNX file is quantised; bits are `None` for files of 0.1, which have no metadata."""

    words: int | None
    """Bits per weight of the word embeddings."""
    layers: int | None
    """Bits per weight of the layers' matrices."""
    weights: tuple[str, ...] = ()
    """The graph names of all quantised weights."""


def quantization(path: Path) -> Quantization | None:
    """How a file is quantised; `None` for fp32 weights and for files that are not ONNX."""
    microsoft = False
    with open(path, "rb") as file:
        for field, content in _messages(file, {_OPSET_IMPORT, _METADATA}):
            strings = _strings(content)
            if field == _METADATA and strings.get(_KEY) == QUANTIZATION:
                return parse(strings.get(_VALUE, ""))
            microsoft |= field == _OPSET_IMPORT and strings.get(_DOMAIN) == _MICROSOFT
    # 0.1 wrote no metadata, but all of its int8 files use Microsoft's operators
    return Quantization(None, None) if microsoft else None


def parse(text: str) -> Quantization:
    """Read the metadata entry. Raises `ModelError` for a damaged one and for a newer format."""
    try:
        values = json.loads(text)
        format, words, layers = (values[name] for name in ("format", "words", "layers"))
        weights = values["weights"]
        numbers = all(isinstance(value, int) for value in (format, words, layers))
        if not (numbers and isinstance(weights, list) and all(isinstance(w, str) for w in weights)):
            raise TypeError("expected whole numbers and a list of names")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(
            f"{QUANTIZATION} in the ONNX metadata is not what pullquote writes "
            f"({first_line(error)}); quantise the model again"
        ) from None
    if format > FORMAT:
        raise ModelError(
            f"{QUANTIZATION} in the ONNX metadata has format {format}, written by a newer "
            f"pullquote; this one reads formats up to {FORMAT}: pip install --upgrade pullquote"
        )
    return Quantization(words, layers, tuple(weights))


def _messages(file: IO[bytes], wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each wanted length-delimited field; skip all others."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    while (tag := _varint(file)) is not None:
        wire_type, field = tag & 7, tag >> 3
        size = {1: 8, 5: 4}.get(wire_type, 0)
        if wire_type == 2:
            size = _varint(file) or 0
        elif wire_type == 0:
            _varint(file)
        elif wire_type not in (1, 5):
            return  # not protobuf
        if size > end - file.tell():
            return  # not protobuf, or cut short
        if field in wanted and wire_type == 2 and size <= _MAX_BYTES:
            yield field, file.read(size)
        else:
            file.seek(size, 1)


def _varint(file: IO[bytes]) -> int | None:
    """A base-128 varint, lowest bits first; `None` at the end of the file."""
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def _strings(message: bytes) -> dict[int, str]:
    """The string fields of a small message: field number to text."""
    fields = _messages(io.BytesIO(message), {_KEY, _VALUE})
    return {field: content.decode("utf-8", "replace") for field, content in fields}
