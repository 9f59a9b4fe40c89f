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

from pullquote.errors import ModelError

QUANTIZATION = "pullquote.quantization"
"""The key of the metadata entry that `quantize` writes: a JSON object, see `Quantization`."""

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
                return _parsed(strings.get(_VALUE, ""))
            microsoft |= field == _OPSET_IMPORT and strings.get(_DOMAIN) == _MICROSOFT
    # 0.1 wrote no metadata, but all of its int8 files use Microsoft's operators
    return Quantization(None, None) if microsoft else None


def _parsed(text: str) -> Quantization:
    try:
        values = json.loads(text)
        return Quantization(int(values["words"]), int(values["layers"]), tuple(values["weights"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{QUANTIZATION} in the ONNX metadata is not what pullquote writes ({error!r}); "
            "quantise the model again"
        ) from None


def _messages(file: IO[bytes], wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each wanted length-delimited field; skip all others."""
    while (tag := _varint(file)) is not None:
        wire_type, field = tag & 7, tag >> 3
        size = {1: 8, 5: 4}.get(wire_type, 0)
        if wire_type == 2:
            size = _varint(file) or 0
        elif wire_type == 0:
            _varint(file)
        elif wire_type not in (1, 5):
            return  # not protobuf
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
