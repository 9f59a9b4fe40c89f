"""What a teacher says of windows: its logits, kept on disk, and its inner states, made as needed.

Teacher and student must read the same token ids.

    labels = soft_labels([Reader("small")], windows, encoder, cache)
    labels.start                                       # (tokens,) as the windows' own ids
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import ConfigError
from pullquote.files import atomic_write
from pullquote.reading.batching import Batched, Row
from pullquote.training.windows import LabelledWindows, SoftLabels
from pullquote.types import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.reading.encode import Encoder
    from pullquote.reading.reader import Reader

_BLOCK = 4096
"""Windows in a file of the cache. Data that is added at the end leaves the files before as they
are."""


def cache_directory() -> Path:
    """Where teachers' logits are kept: `PULLQUOTE_CACHE`, or the user's own cache."""
    root = os.environ.get("PULLQUOTE_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pullquote"


def check_same_tokens(teacher: Reader, student: Encoder) -> None:
    """Raise `ConfigError` unless both give a text the same ids and join a pair alike."""
    name = teacher.directory.name
    theirs, mine = teacher.encoder.tokenizer.get_vocab(), student.tokenizer.get_vocab()
    if theirs != mine:
        other = sum(mine.get(token) != id for token, id in theirs.items())
        raise ConfigError(
            f"teacher {name}: another vocabulary ({other:,} of its {len(theirs):,} tokens are not "
            f"the student's {len(mine):,}); expected the student's own, so that both read the "
            "same ids"
        )
    if replace(teacher.encoder.template, **_types(student)) != student.template:
        raise ConfigError(
            f"teacher {name}: joins question and context in another way than the student "
            f"({teacher.encoder.template} against {student.template})"
        )
    if teacher.directory.positions < student.config.max_length:
        raise ConfigError(
            f"teacher {name}: reads {teacher.directory.positions} tokens at once, the student's "
            f"windows have up to {student.config.max_length}; lower max_length"
        )


def soft_labels(
    teachers: Sequence[Reader],
    windows: LabelledWindows,
    encoder: Encoder,
    cache: Path,
    progress: Callable[[float], None] = lambda share: None,
) -> SoftLabels:
    """The mean logits of the teachers, read from `cache` where they were made before.

    A file is named by what the teacher read (tokenizer, windowing and data in one) and by its
    weights. `progress` is called with the part that is done.
    """
    starts, ends = [], []
    for teacher in teachers:
        check_same_tokens(teacher, encoder)
    names = [_fingerprint(teacher) for teacher in teachers]
    for first in range(0, len(windows), _BLOCK):
        block = windows.part(first, min(first + _BLOCK, len(windows)))
        total = np.zeros((2, len(block.ids)), dtype=np.float32)
        for teacher, name in zip(teachers, names, strict=True):
            total += _block(teacher, name, block, encoder, cache)
        starts.append((total[0] / len(teachers)).astype(np.float16))
        ends.append((total[1] / len(teachers)).astype(np.float16))
        progress(min(first + _BLOCK, len(windows)) / len(windows))
    return SoftLabels(np.concatenate(starts), np.concatenate(ends))


def _block(
    teacher: Reader, name: str, block: LabelledWindows, encoder: Encoder, cache: Path
) -> NDArray[np.float16]:
    """One teacher's logits for some windows, (2, tokens)."""
    key = hashlib.sha256(f"{name} {block.fingerprint()}".encode()).hexdigest()
    file = cache / "teachers" / f"{key[:32]}.npy"
    if file.exists():
        logits: NDArray[np.float16] = np.load(file, allow_pickle=False)
        return logits
    read = Batched(encoder, teacher.backend, block.windows, _read, _join)
    logits = np.concatenate(list(read.run(range(len(block)))), axis=1)
    with atomic_write(file, "wb") as out:
        np.save(out, logits, allow_pickle=False)
    return logits


def _read(_: int, window: Window, start: Row, end: Row) -> NDArray[np.float16]:
    return np.stack([start[: len(window)], end[: len(window)]]).astype(np.float16)


def _join(_: int, readings: list[NDArray[np.float16]]) -> NDArray[np.float16]:
    return readings[0]


def _types(encoder: Encoder) -> dict[str, Any]:
    """The token types of a template, which a model without them ignores."""
    names = ("before_types", "between_types", "after_types", "first_type", "second_type")
    return {name: getattr(encoder.template, name) for name in names}


def _fingerprint(teacher: Reader) -> str:
    """Names a teacher by the bytes of its weights."""
    directory = teacher.directory
    kind, folder = "*.safetensors", directory.path
    if directory.onnx:
        kind, folder = "*.onnx*", directory.onnx.parent
    digest = hashlib.sha256()
    for file in sorted(folder.glob(kind)):
        with open(file, "rb") as weights:
            while piece := weights.read(2**20):
                digest.update(piece)
    return digest.hexdigest()
