"""The vectors of an index's passages: a file beside the index, and the passages near a question.

    vectors = Vectors(Path("notes.db.vectors"), owner, TextEncoder.open())
    vectors.save(vectors.encoded([7, 8], ["The rent is due.", "Dogs are welcome."]), generation=3)
    vectors.rows.near(vectors.encode("May I keep a pet?"), 20)       # {8: 0.61, 7: 0.12}

Knows ids and texts of passages, neither tables nor words. The file, little-endian:

    64 bytes        magic, format, dimensions, rows, generation, owner, encoder, CRC-32
    rows x 8        ids of passages, ascending
    rows x 4        CRC-32 of their texts; the header has that of ids and these
    rows x d        vectors in int8

The file is only ever replaced as a whole, so that other processes may map it meanwhile. An id is
given to one passage only, so a file that is behind its index has passages that are gone, but never
another text for an id. What does not fit (the file of another index or encoder, a damaged or cut
one) counts as none, and is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pullquote.files import atomic_write, open_file
from pullquote.reading.vectors import nearest, quantize_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC, _FORMAT = b"pqvector", 1
_HEADER = struct.Struct("<8sIIQq16s12sI")
_BEFORE = 8 + 4  # bytes of a row that stand before the vectors: its id and its check


class VectorEncoder(Protocol):
    """Makes vectors of texts: `pullquote.reading.vectors.TextEncoder`, or another."""

    @property
    def dimensions(self) -> int: ...

    @property
    def name(self) -> str:
        """The identity of the weights: vectors of encoders with different names do not compare."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of unit length, (n, dimensions)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Vectors of passages, by ascending ids."""

    ids: NDArray[np.int64]  # (n,)
    checks: NDArray[np.uint32]  # (n,) `check` of the texts
    matrix: NDArray[np.int8]  # (n, d)
    generation: int = -1
    """That of the index whose passages these all are; -1 where some have no vector yet."""

    @classmethod
    def none(cls, dimensions: int) -> Rows:
        """No vectors at all."""
        matrix = np.empty((0, dimensions), np.int8)
        return cls(np.empty(0, np.int64), np.empty(0, np.uint32), matrix)

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, ids: NDArray[np.int64]) -> Rows:
        """The rows of some passages."""
        kept = np.isin(self.ids, ids)
        return self if kept.all() else Rows(self.ids[kept], self.checks[kept], self.matrix[kept])

    def joined(self, others: Sequence[Rows]) -> Rows:
        """These rows and others; of rows of the same passage, the last one counts."""
        every = [self, *others]
        ids = np.concatenate([rows.ids for rows in every])
        last_first, places = np.unique(ids[::-1], return_index=True)
        order = len(ids) - 1 - places
        checks = np.concatenate([rows.checks for rows in every])[order]
        matrix = np.concatenate([rows.matrix for rows in every])
        if not np.array_equal(order, np.arange(len(matrix))):  # else no second copy
            matrix = matrix[order]
        return Rows(last_first, checks, matrix)

    def near(
        self, query: NDArray[np.float32], count: int, among: Collection[int] | None = None
    ) -> dict[int, float]:
        """The passages nearest to a vector (d,): their ids and cosines, nearest first.

        `among` are the ids of the passages to choose from; None means all.
        """
        if not len(self):
            return {}
        allowed = None
        if among is not None:
            allowed = np.zeros(len(self), bool)
            allowed[self._places(among)] = True
        numbers, cosines = nearest(self.matrix, query, count, allowed)
        return dict(zip(self.ids[numbers].tolist(), cosines.tolist(), strict=True))

    def cosines(self, query: NDArray[np.float32], ids: Collection[int]) -> dict[int, float]:
        """The cosines of a vector (d,) and some passages, of those that have vectors."""
        places = self._places(ids)
        few = Rows(self.ids[places], self.checks[places], self.matrix[places])
        return few.near(query, len(few))

    def belong(self, texts: dict[int, str]) -> bool:
        """Whether the vectors of some passages, by their ids, are those of these texts."""
        return all(
            self.checks[place] == check(texts[int(self.ids[place])])
            for place in self._places(texts)
        )

    def _places(self, ids: Collection[int]) -> NDArray[np.int64]:
        """The numbers of the rows of some passages, of those that have vectors."""
        wanted = np.fromiter(ids, np.int64, len(ids))
        places = np.searchsorted(self.ids, wanted)
        inside = places < len(self)
        places, wanted = places[inside], wanted[inside]
        found: NDArray[np.int64] = places[self.ids[places] == wanted]
        return found


class Vectors:
    """The vectors of one index, and what makes them. One thread at a time uses `rows` and `save`;
    other processes may read and write the same file meanwhile.
    """

    def __init__(self, path: Path | None, owner: str, encoder: VectorEncoder) -> None:
        """`path` is None for an index in memory; `owner` is the identity of the index."""
        self.path = path
        self.encoder = encoder
        self._owner = _digest(owner)[:16]
        self._encoder = _digest(encoder.name)[:12]
        self._rows = Rows.none(encoder.dimensions)
        self._seen: tuple[int, ...] | None = None  # which file `_rows` are of

    @property
    def rows(self) -> Rows:
        """The rows of the file as it is now; none where it is missing or does not fit."""
        if self.path is not None and (now := _identity(self.path)) != self._seen:
            self._rows, self._seen = self._read(self.path), now
        return self._rows

    def encode(self, question: str) -> NDArray[np.float32]:
        """The vector of a question, (d,)."""
        vector: NDArray[np.float32] = self.encoder.encode([question])[0]
        return vector

    def encoded(self, ids: Sequence[int], texts: Sequence[str]) -> Rows:
        """The rows of some passages, whose vectors are made now; the ids ascend."""
        checks = np.array([check(text) for text in texts], np.uint32)
        return Rows(np.array(ids, np.int64), checks, quantize_vectors(self.encoder.encode(texts)))

    def save(self, rows: Rows, generation: int = -1) -> None:
        """Replace the file. Raises `OutputError`.

        `generation` is that of the index if each of its passages has a row, else -1.
        """
        if self.path is None:
            self._rows = Rows(rows.ids, rows.checks, rows.matrix, generation)
            return
        places = rows.ids.astype("<i8").tobytes() + rows.checks.astype("<u4").tobytes()
        with atomic_write(self.path, "wb", links=False) as file:
            file.write(self._header(len(rows), generation, zlib.crc32(places)))
            file.write(places)
            file.write(np.ascontiguousarray(rows.matrix))

    def drop(self) -> None:
        """Remove all vectors, since they are of other texts."""
        self._rows = Rows.none(self.encoder.dimensions)
        if self.path is not None:
            with contextlib.suppress(OSError):  # where nothing may be written, they are ignored
                self.path.unlink()
            self._seen = _identity(self.path)

    def _header(self, rows: int, generation: int, places: int) -> bytes:
        of = self.encoder.dimensions, rows, generation, self._owner, self._encoder, places
        return _HEADER.pack(_MAGIC, _FORMAT, *of)

    def _read(self, path: Path) -> Rows:
        none = Rows.none(self.encoder.dimensions)
        try:
            with open_file(path) as file:
                head = file.read(_HEADER.size)
                if len(head) < _HEADER.size:
                    return none
                _, _, d, n, generation, _, _, places = _HEADER.unpack(head)
                if head != self._header(n, generation, places):
                    return none
                if os.fstat(file.fileno()).st_size != _HEADER.size + n * (_BEFORE + d):
                    return none
                before = file.read(n * _BEFORE)
                if zlib.crc32(before) != places:
                    return none
                matrix = none.matrix
                if n and os.name == "nt":  # a mapped file could not be replaced
                    matrix = np.fromfile(file, np.int8, n * d).reshape(n, d)
                elif n:
                    matrix = np.memmap(file, np.int8, "r", file.tell(), (n, d))
        except (OSError, OverflowError):
            return none
        ids = np.frombuffer(before, "<i8", n)
        return Rows(ids, np.frombuffer(before, "<u4", n, n * 8), matrix, generation)


def check(text: str) -> int:
    """A number by which a vector of another text is told."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _identity(path: Path) -> tuple[int, ...]:
    """What changes when a file is replaced; () where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
