"""A teacher's logits in a file, for training without the teacher.

    Labels.of(soft_labels, windows).save("labels.npz")
    rows, labelled, soft_labels = Labels.load("labels.npz").find(windows)

The file keeps of each window the null logits, the eight highest start and end logits, and the
logsumexp of the others, which `find` gives all the same logit. A window is found by a hash of its
token ids, so that data may be added, dropped, repeated and put in another order.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from pullquote.errors import DataError, first_line
from pullquote.files import atomic_write
from pullquote.training.windows import PADDING, SoftLabels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.training.windows import LabelledWindows

TOP = 8
"""How many start and how many end logits are kept of a window."""

_FORMAT = 1
# of an absent file, no zip file, a damaged one, one of another program
_NOT_LABELS = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, BadZipFile, zlib.error),
)
_DTYPES = {
    "keys": ("uint64", ()),
    "places": ("uint16", (2, TOP)),
    "logits": ("float16", (2, TOP)),
    "null": ("float16", (2,)),
    "rest": ("float16", (2,)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Logits of N windows, sorted by key; the second axis of length 2 is start and end."""

    keys: NDArray[np.uint64]  # (N,)
    places: NDArray[np.uint16]  # (N, 2, TOP) tokens of a window
    logits: NDArray[np.float16]  # (N, 2, TOP) PADDING where a window has fewer tokens
    null: NDArray[np.float16]  # (N, 2)
    rest: NDArray[np.float16]  # (N, 2) logsumexp of all other tokens

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, soft: SoftLabels, windows: LabelledWindows, null: int = 0) -> Labels:
        """Keep the labels of some windows; `null` is the index of their null token."""
        count = len(windows)
        places = np.zeros((count, 2, TOP), dtype=np.uint16)
        logits = np.full((count, 2, TOP), PADDING, dtype=np.float16)
        nulls = np.zeros((count, 2), dtype=np.float16)
        rest = np.full((count, 2), PADDING, dtype=np.float16)
        for rows, tokens in windows.by_length():
            top = min(TOP, tokens.shape[1] - 1)
            for side, flat in enumerate((soft.start, soft.end)):
                values = flat[tokens].astype(np.float32)  # (n, T)
                nulls[rows, side] = values[:, null]
                values[:, null] = -np.inf
                best = np.argpartition(values, -top, axis=1)[:, -top:]
                places[rows, side, :top] = best
                logits[rows, side, :top] = np.take_along_axis(values, best, axis=1)
                np.put_along_axis(values, best, -np.inf, axis=1)
                rest[rows, side] = np.maximum(np.logaddexp.reduce(values, axis=1), PADDING)
        keys, first = np.unique(window_keys(windows), return_index=True)
        return cls(keys, places[first], logits[first], nulls[first], rest[first])

    def find(
        self, windows: LabelledWindows, null: int = 0
    ) -> tuple[NDArray[np.int64], LabelledWindows, SoftLabels]:
        """The numbers of the windows that have labels, (n,), these windows, and their logits.

        `null` is the index of their null token.
        """
        keys = window_keys(windows)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        found = np.flatnonzero(self.keys[at] == keys)
        kept, at = windows.subset(found), at[found]
        start, end = (np.zeros(len(kept.ids), dtype=np.float16) for _ in range(2))
        for rows, tokens in kept.by_length():
            size = tokens.shape[1]
            top, mine = min(TOP, size - 1), at[rows]
            for side, flat in enumerate((start, end)):
                spread = self.rest[mine, side].astype(np.float32) - np.log(max(size - 1 - top, 1))
                values = np.repeat(np.maximum(spread, PADDING)[:, None], size, axis=1)
                places = self.places[mine, side, :top].astype(np.int64)
                np.put_along_axis(values, places, self.logits[mine, side, :top], axis=1)
                values[:, null] = self.null[mine, side]
                flat[tokens] = values
        return found, kept, SoftLabels(start, end)

    def fingerprint(self) -> str:
        """A hash of all labels."""
        digest = hashlib.sha256()
        for array in (self.keys, self.places, self.logits, self.null, self.rest):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write a file of about 75 bytes a window."""
        with atomic_write(Path(path), "wb") as file:
            np.savez_compressed(
                file,
                format=np.array(_FORMAT),
                keys=self.keys,
                places=self.places,
                logits=self.logits,
                null=self.null,
                rest=self.rest,
            )

    @classmethod
    def load(cls, path: str | Path) -> Labels:
        """Read what `save` wrote. Raises `DataError` for any other file."""
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                version = int(file["format"])
                arrays = {name: file[name] for name in _DTYPES} if version == _FORMAT else {}
        except _NOT_LABELS as error:
            raise DataError(
                f"{path}: no file of labels ({first_line(error)}); expected one that "
                "`pullquote label` wrote"
            ) from error
        if version != _FORMAT:
            raise DataError(
                f"{path}: labels in format {version}; this version reads format {_FORMAT}, make "
                "them again with `pullquote label`"
            )
        count = len(arrays["keys"])
        found = {name: (str(array.dtype), array.shape[1:]) for name, array in arrays.items()}
        if not count or found != _DTYPES or {len(array) for array in arrays.values()} != {count}:
            raise DataError(f"{path}: its arrays do not fit together; make the labels again")
        return cls(**arrays)


def window_keys(windows: LabelledWindows) -> NDArray[np.uint64]:
    """The first eight bytes of the BLAKE2b hash of each window's token ids, (N,)."""
    ids, bounds = windows.ids.astype("<i4"), windows.bounds
    digests = b"".join(
        hashlib.blake2b(ids[first:end].tobytes(), digest_size=8).digest()
        for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
