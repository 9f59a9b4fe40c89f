"""What a teacher says of windows and of questions, kept on disk.

Teacher and student must read the same token ids.

    labels = soft_labels([Reader("small")], windows, encoder, cache)
    labels.start                                       # (tokens,) as the windows' own ids
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pullquote.checkpoints import layout
from pullquote.errors import ConfigError
from pullquote.files import atomic_write, write_json
from pullquote.progress import Progress, no_progress
from pullquote.reading.batching import Batched, Row
from pullquote.training.windows import LabelledWindows, SoftLabels
from pullquote.types import Example, Span, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.reading.encode import Encoder
    from pullquote.reading.reader import Reader

_BLOCK = 4096
"""Windows in a file of the cache. Data that is added at the end leaves the files before as they
are."""


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
    both = (teacher.encoder, student)
    if len({_joined(encoder) for encoder in both}) > 1:
        raise ConfigError(
            f"teacher {name}: joins question and context in another way than the student "
            f"({_joined(teacher.encoder)} against {_joined(student)})"
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
    progress: Progress = no_progress,
) -> SoftLabels:
    """The mean logits of the teachers, read from `cache` where they were made before.

    A file is named by what the teacher read (tokenizer, windowing and data in one) and by its
    weights. `progress` counts windows.
    """
    starts, ends = [], []
    for teacher in teachers:
        check_same_tokens(teacher, encoder)
    names = [fingerprint(teacher) for teacher in teachers]
    for first in range(0, len(windows), _BLOCK):
        block = windows.part(first, min(first + _BLOCK, len(windows)))
        total = np.zeros((2, len(block.ids)), dtype=np.float32)
        for teacher, name in zip(teachers, names, strict=True):
            total += _block(teacher, name, block, encoder, cache)
        starts.append((total[0] / len(teachers)).astype(np.float16))
        ends.append((total[1] / len(teachers)).astype(np.float16))
        progress(min(first + _BLOCK, len(windows)), len(windows), "asking the teacher")
    return SoftLabels(np.concatenate(starts), np.concatenate(ends))


def teacher_answers(teacher: Reader, examples: Sequence[Example], cache: Path) -> list[Span | None]:
    """A teacher's answer to each example, or None where it abstains; read from `cache` likewise."""
    digest = hashlib.sha256(fingerprint(teacher).encode())
    digest.update(json.dumps(asdict(teacher.config)).encode())
    for example in examples:
        digest.update(json.dumps([example.question, example.context]).encode())
    file = cache / "teachers" / f"{digest.hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept = json.loads(file.read_text(encoding="utf-8"))
        return [Span(*span) if span else None for span in kept]
    answers = [prediction.answer for prediction in teacher.answer_all(examples)]
    spans = [Span(a.text, a.start, a.end) if a else None for a in answers]
    write_json(file, [[s.text, s.start, s.end] if s else None for s in spans], indent=None)
    return spans


def _block(
    teacher: Reader, name: str, block: LabelledWindows, encoder: Encoder, cache: Path
) -> NDArray[np.float16]:
    """One teacher's logits for some windows, (2, tokens)."""
    key = hashlib.sha256(f"{name} {block.fingerprint()}".encode()).hexdigest()
    file = cache / "teachers" / f"{key[:32]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # absent, or damaged: made again
        kept: NDArray[np.float16] = np.load(file, allow_pickle=False)
        if kept.shape == (2, len(block.ids)):
            return kept
    read = Batched(encoder, teacher.backend, block.windows, _read, _join)
    logits: NDArray[np.float16] = np.concatenate(list(read.run(range(len(block)))), axis=1)
    with atomic_write(file, "wb") as out:
        np.save(out, logits, allow_pickle=False)
    return logits


def _read(_: int, window: Window, start: Row, end: Row) -> NDArray[np.float16]:
    return np.stack([start[: len(window)], end[: len(window)]]).astype(np.float16)


def _join(_: int, readings: list[NDArray[np.float16]]) -> NDArray[np.float16]:
    return readings[0]


def _joined(encoder: Encoder) -> str:
    """How question and context are joined, with the token types that the model is given."""
    template, most = encoder.template, encoder.types - 1
    parts = [
        (template.before, template.before_types),
        ("first", (template.first_type,)),
        (template.between, template.between_types),
        ("second", (template.second_type,)),
        (template.after, template.after_types),
    ]
    order = "context first" if encoder.context_first else "question first"
    return f"{order} {[(ids, [min(type, most) for type in types]) for ids, types in parts]}"


def fingerprint(teacher: Reader) -> str:
    """Names a teacher by what runs it and by the bytes of its config, tokenizer and weights."""
    directory, backend = teacher.directory, teacher.backend
    precision = getattr(backend, "precision", "")  # torch's
    if precision or not directory.onnx:
        forms = directory.path.glob(layout.SAFETENSORS_PATTERNS[0])
    else:
        forms = directory.onnx.parent.glob(layout.ONNX_PATTERNS[0])
    digest = hashlib.sha256(f"{type(backend).__name__} {precision}".strip().encode())
    for file in (directory.path / layout.CONFIG, directory.tokenizer, *sorted(forms)):
        with open(file, "rb") as weights:
            while piece := weights.read(2**20):
                digest.update(piece)
    return digest.hexdigest()
