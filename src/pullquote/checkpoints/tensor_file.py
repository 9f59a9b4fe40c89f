"""Reads and writes safetensors files: arrays by name, mapped into memory.

    tensors = open_tensors(Path("model.safetensors"))
    tensors["qa_outputs.bias"]      # a read-only view of the mapped file

A file is the length of its header in 8 bytes, the header in JSON, and the bytes of the arrays:

    {"qa_outputs.bias": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
     "__metadata__": {"format": "pt"}}

Offsets count from the end of the header. Every number in a header is checked before it is used.
Knows the format (https://github.com/huggingface/safetensors#format), not what the arrays mean.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pullquote.checkpoints import layout
from pullquote.errors import DataError, ModelError, shown
from pullquote.files import atomic_write, open_file
from pullquote.json_text import decode_text, parse_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

# dtypes that can be read; bfloat16 is the upper half of a float32
_TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "|i1", "U8": "|u1", "I64": "<i8"}
_NAMES = {np.dtype(_TYPES[name]): name for name in ("F32", "I64", "I8", "U8")}  # that are written
_METADATA = "__metadata__"
# The format allows 100 MB. A header of 16 MiB has 100,000 arrays, and takes up to 1 GiB as objects.
_MAX_HEADER = 1 << 24
_MAX_DIMENSIONS = 8
_ALIGNMENT = 64


class _Entry(NamedTuple):
    """One array of a file; `start` and `end` are bytes from the beginning of the file."""

    path: Path
    data: mmap.mmap
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Tensors(Mapping[str, "NDArray[Any]"]):
    """The arrays of one file or of several: float32, int8, uint8 and int64 views, read-only.

    float16 and bfloat16 are converted to float32, each time that they are asked for.
    """

    def __init__(self, entries: Mapping[str, _Entry], metadata: Mapping[str, str]) -> None:
        self._entries = entries
        self.metadata = metadata

    def __getitem__(self, name: str) -> NDArray[Any]:
        entry = self._entries[name]
        if entry.dtype not in _TYPES:
            raise ModelError(
                f"{entry.path}: {name:.80} has the dtype {entry.dtype:.80}; known are "
                f"{', '.join(_TYPES)}"
            )
        dtype = np.dtype(_TYPES[entry.dtype])
        size = math.prod(entry.shape)
        if size * dtype.itemsize != entry.end - entry.start:
            raise ModelError(
                f"{entry.path}: {name:.80} has {entry.end - entry.start:,} bytes, expected "
                f"{size * dtype.itemsize:,} for {entry.dtype} of the shape {entry.shape}; "
                "the file is damaged"
            )
        if not size:  # for numpy, any other size of such a shape may be too large
            raise ModelError(f"{entry.path}: {name:.80} has no values, but {shown(entry.shape)}")
        flat = np.frombuffer(entry.data, dtype, size, entry.start)
        if entry.dtype == "BF16":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        elif entry.dtype == "F16":
            flat = flat.astype(np.float32)
        elif not flat.flags.aligned:  # the format does not align arrays
            flat = flat.copy()
        return flat.reshape(entry.shape)

    @property
    def total_size(self) -> int:
        """The number of values in all arrays."""
        return sum(math.prod(entry.shape) for entry in self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def open_tensors(path: Path) -> Tensors:
    """Open a safetensors file, or all files that an index (`.json`) names.

    Raises `ModelError` for a file that is damaged, cut short, or not in this format.
    """
    if path.suffix == ".json":
        return _open_shards(path)
    try:
        with open_file(path) as file:
            size = file.seek(0, 2)
            if size < 8:
                raise _damaged(path, f"has {size} bytes")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    length = int.from_bytes(data[:8], "little")
    if length > min(size - 8, _MAX_HEADER):
        raise _damaged(path, f"has {size:,} bytes, of which {length:,} should be its header")
    header = _read_object(path, data[8 : 8 + length])
    metadata = header.pop(_METADATA, {})
    if not (isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())):
        raise _damaged(path, f"has {_METADATA} that is not an object of strings")
    base = 8 + length
    entries = {}
    for name, value in header.items():
        match value:
            case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [start, end]} if len(
                shape
            ) <= _MAX_DIMENSIONS and all(
                type(number) is int and number >= 0 for number in (*shape, start, end)
            ):
                if not start <= end <= size - base:
                    raise _damaged(
                        path,
                        f"has bytes {start:,} to {end:,} of {name:.80} outside its {size:,} bytes",
                    )
                entries[name] = _Entry(path, data, dtype, tuple(shape), base + start, base + end)
            case _:
                raise _damaged(path, f"describes {name:.80} as {shown(value)}")
    return Tensors(entries, metadata)


def write_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> None:
    """Write float32, int64, int8 and uint8 arrays atomically, each aligned to its item size."""
    # the largest items first keeps all of them aligned
    ordered = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for name in ordered:
        start, end = end, end + tensors[name].nbytes
        header[name] = {
            "dtype": _NAMES[tensors[name].dtype],
            "shape": tensors[name].shape,
            "data_offsets": (start, end),
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    with atomic_write(path, "wb", links=False) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in ordered:
            file.write(np.ascontiguousarray(tensors[name]).data)


def _open_shards(index: Path) -> Tensors:
    try:
        with open_file(index) as file:
            content = file.read(_MAX_HEADER + 1)
    except OSError as error:
        raise ModelError(f"{index}: cannot be read ({error.strerror or error})") from error
    if len(content) > _MAX_HEADER:
        raise _damaged(index, f"has more than {_MAX_HEADER >> 20} MiB")
    shards = _read_object(index, content).get("weight_map")
    files = [*shards.values()] if isinstance(shards, dict) else []
    if not files or not all(isinstance(name, str) for name in files):
        raise _damaged(index, "has no weight_map from names to files")
    entries: dict[str, _Entry] = {}
    for name in sorted(set(files)):
        if not layout.may_be_shard(name):
            raise _damaged(index, f"names {shown(name)}, no .safetensors file beside it")
        entries.update(open_tensors(index.parent / name)._entries)
    return Tensors(entries, {})


def _read_object(path: Path, content: bytes) -> dict[str, Any]:
    try:
        value = parse_json(decode_text(content))
    except DataError as error:
        raise _damaged(path, f"has a header that is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _damaged(path, f"has a {type(value).__name__} as its header")
    return value


def _damaged(path: Path, found: str) -> ModelError:
    return ModelError(
        f"{path}: {found}; expected a whole safetensors file. Copy it from the model again."
    )
