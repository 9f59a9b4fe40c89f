"""The packed form of a model's weights: `packed.safetensors`, quantised, in few bits.

    write_packed(path, {"qa_outputs.bias": bias, "bert...query.weight": Quantized(codes, scales)})
    read_packed(path)["bert...query.weight"]     # the same codes and scales, as `Sevens`

A safetensors file with the checkpoint's own names. A quantised weight `w` of shape (rows, columns)
has a float32 `w.scales` (rows,), and integer codes in one of three forms:

    w.int4   uint8 (rows, columns / 2)      codes -8 .. 7, laid out as in `Nibbles`; matrices of
                                            that kind only where they are given as `Nibbles`
    w.int7   uint8 (7/8 rows, columns)      matrices with codes -64 .. 63, as in `Sevens`
    w.int8   int8  (rows, columns)          all others

Knows the form, not the models that are stored in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pullquote.checkpoints.encoder_weights import SEVEN_PARTS, Nibbles, Quantized, Sevens
from pullquote.checkpoints.tensor_file import Tensors, open_tensors, write_tensors
from pullquote.errors import ModelError, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

Weight: TypeAlias = "NDArray[Any] | Quantized | Nibbles | Sevens"

VERSION = 1
"""The version of the form that is written, and the newest that is read."""

_FORMAT = "pullquote"
_INT4, _INT7, _INT8, _SCALES = ".int4", ".int7", ".int8", ".scales"


def write_packed(path: Path, weights: Mapping[str, Weight], *, tables: set[str]) -> None:
    """Write weights by their names in the checkpoint; those in `tables` are read row by row."""
    tensors: dict[str, NDArray[Any]] = {}
    for name, weight in weights.items():
        if isinstance(weight, Nibbles):
            tensors[name + _INT4] = weight.codes
        elif isinstance(weight, Quantized):
            kind, codes = _packed(weight.codes, name in tables)
            tensors[name + kind] = codes
        else:
            tensors[name] = np.asarray(weight, dtype=np.float32)
            continue
        tensors[name + _SCALES] = weight.scales
    write_tensors(path, tensors, {"format": _FORMAT, "version": str(VERSION)})


def read_packed(path: Path) -> Mapping[str, Weight]:
    """The weights of a packed file by name, as views of the file.

    Raises `ModelError` for a file that is damaged or newer.
    """
    tensors = open_tensors(path)
    version = tensors.metadata.get("version", "")
    if tensors.metadata.get("format") != _FORMAT or not re.fullmatch(r"\d{1,9}", version):
        raise ModelError(
            f"{path}: its metadata are {shown(dict(tensors.metadata))}, expected the format "
            f"{_FORMAT}; pack the model again"
        )
    if int(version) > VERSION:
        raise ModelError(
            f"{path}: has version {version}, written by a newer pullquote; this one reads versions "
            f"up to {VERSION}: pip install --upgrade pullquote"
        )
    return _Packed(path, tensors)


class _Packed(Mapping[str, Weight]):
    def __init__(self, path: Path, tensors: Tensors) -> None:
        self._path, self._tensors = path, tensors

    def __getitem__(self, name: str) -> Weight:
        kind = self._kind(name)
        codes, scales = self._tensors[name + kind], self._tensors.get(name + _SCALES)
        if not kind:
            return codes
        dtype = np.dtype(np.int8 if kind == _INT8 else np.uint8)
        fits = codes.ndim == 2 and codes.dtype == dtype
        # seven rows of `int7` hold eight
        rows, rest = divmod(8 * len(codes), 7 if kind == _INT7 else 8) if fits else (0, 0)
        fits = fits and rest == 0
        if not fits or scales is None or scales.dtype != np.float32 or scales.shape != (rows,):
            found = None if scales is None else f"{scales.dtype} {scales.shape}"
            raise ModelError(
                f"{self._path}: {name}{kind} is {codes.dtype} {codes.shape} with the scales "
                f"{found}; expected {dtype} of two dimensions, with a float32 scale a "
                "row. The file is damaged: copy it from the model again."
            )
        if kind == _INT4:
            return Nibbles(codes, scales)
        return Sevens(codes, scales) if kind == _INT7 else Quantized(codes, scales)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a weight; without this, asking would unpack it."""
        return isinstance(name, str) and name + self._kind(name) in self._tensors

    def _kind(self, name: str) -> str:
        """The ending of a weight's codes; "" where it is not quantised."""
        return next((kind for kind in (_INT4, _INT7, _INT8) if name + kind in self._tensors), "")

    def __iter__(self) -> Iterator[str]:
        for name in self._tensors:
            stem, dot, kind = name.rpartition(".")
            if dot + kind in (_INT4, _INT7, _INT8):
                yield stem
            elif dot + kind != _SCALES:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _packed(codes: NDArray[np.int8], table: bool) -> tuple[str, NDArray[np.uint8 | np.int8]]:
    """The smallest form that holds all codes, and the codes in it."""
    rows, columns = codes.shape
    if table and columns % 2 == 0 and codes.min() >= -8 and codes.max() <= 7:
        return _INT4, pack4(codes)
    if not table and rows % 8 == 0 and codes.min() >= -64 and codes.max() <= 63:
        return _INT7, pack7(codes)
    return _INT8, codes


def pack4(codes: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Pack codes -8 .. 7 of shape (rows, columns) into (rows, columns / 2) bytes."""
    raised = (codes + np.int8(8)).view(np.uint8)
    packed: NDArray[np.uint8] = raised[:, 0::2] | (raised[:, 1::2] << 4)
    return packed


def pack7(codes: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Pack codes -64 .. 63 of shape (rows, columns) into (7/8 rows, columns) bytes."""
    raised = (codes + np.int8(64)).view(np.uint8)
    parts = []
    for bits, low in SEVEN_PARTS:
        part = np.zeros((len(codes) * bits // 8, codes.shape[1]), dtype=np.uint8)
        for n, run in enumerate(np.split(raised, 8 // bits)):
            part |= ((run >> low) & (2**bits - 1)) << (n * bits)
        parts.append(part)
    return np.concatenate(parts)
