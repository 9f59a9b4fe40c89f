"""Logits and answers of teachers, cached on disk.

Teacher and student must have the same token ids.

    labels = soft_labels([Reader("small")], windows, encoder, cache)
    labels.start                                       # (tokens,) as the windows' own ids
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pullquote.errors import ConfigError, DataError
from pullquote.files import atomic_write, open_file, write_json
from pullquote.json_text import parse_json
from pullquote.progress import Progress, no_progress
from pullquote.reading.identity import fingerprint
from pullquote.training.windows import LabelledWindows, SoftLabels, plan
from pullquote.types import Example, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.reading.backends import Backend
    from pullquote.reading.encode import Encoder
    from pullquote.reading.reader import Reader
    from pullquote.types import Logits

_WINDOWS_PER_FILE = 4096
"""Data that is added at the end leaves the earlier files of the cache valid."""


def check_same_tokens(teacher: Reader, student: Encoder) -> None:
    """Raise `ConfigError` unless both turn a question and its context into the same ids."""
    name = teacher.directory.name
    theirs, ours = teacher.encoder.tokenizer.get_vocab(), student.tokenizer.get_vocab()
    if theirs != ours:
        other = sum(ours.get(token) != id for token, id in theirs.items())
        raise ConfigError(
            f"teacher {name}: another vocabulary ({other:,} of its {len(theirs):,} tokens are not "
            f"the student's {len(ours):,}); expected the student's own, so that both read the "
            "same ids"
        )
    both = (teacher.encoder, student)
    if len({_pair_template(encoder) for encoder in both}) > 1:
        raise ConfigError(
            f"teacher {name}: joins question and context in another way than the student "
            f"({_pair_template(teacher.encoder)} against {_pair_template(student)})"
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
    """The mean logits of the teachers, from `cache` where they have been computed before.

    The name of a cache file is a hash of the windows (tokenizer, windowing and data) and of the
    teacher's weights. `progress` counts windows.
    """
    starts, ends = [], []
    for teacher in teachers:
        check_same_tokens(teacher, encoder)
    names = [fingerprint(teacher) for teacher in teachers]
    for first in range(0, len(windows), _WINDOWS_PER_FILE):
        block = windows.part(first, min(first + _WINDOWS_PER_FILE, len(windows)))
        total = np.zeros((2, len(block.ids)), dtype=np.float32)
        for teacher, name in zip(teachers, names, strict=True):
            total += _cached_logits(teacher, name, block, cache)
        starts.append((total[0] / len(teachers)).astype(np.float16))
        ends.append((total[1] / len(teachers)).astype(np.float16))
        progress(min(first + _WINDOWS_PER_FILE, len(windows)), len(windows), "asking the teacher")
    return SoftLabels(np.concatenate(starts), np.concatenate(ends))


def teacher_answers(teacher: Reader, examples: Sequence[Example], cache: Path) -> list[Span | None]:
    """A teacher's answer to each example, None where it abstains; cached like `soft_labels`."""
    digest = hashlib.sha256(fingerprint(teacher).encode())
    digest.update(json.dumps(asdict(teacher.config)).encode())
    for example in examples:
        digest.update(json.dumps([example.question, example.context]).encode())
    file = cache / "teachers" / f"{digest.hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, DataError):
        with open_file(file, "r") as there:
            spans = [Span(*span) if span else None for span in parse_json(there.read())]
        if len(spans) == len(examples) and all(map(_stands_in, spans, examples)):
            return spans
    answers = [prediction.answer for prediction in teacher.answer_all(examples)]
    spans = [Span(answer.text, answer.start, answer.end) if answer else None for answer in answers]
    write_json(
        file, [[s.text, s.start, s.end] if s else None for s in spans], indent=None, links=False
    )
    return spans


def _stands_in(span: Span | None, example: Example) -> bool:
    """Whether a span of a file is one of an example's context."""
    if span is None:
        return True
    numbers = type(span.start) is type(span.end) is int and 0 <= span.start < span.end
    return numbers and example.context[span.start : span.end] == span.text


def _cached_logits(
    teacher: Reader, name: str, block: LabelledWindows, cache: Path
) -> NDArray[np.float16]:
    """One teacher's logits for some windows, (2, tokens)."""
    key = hashlib.sha256(f"{name} {block.fingerprint()}".encode()).hexdigest()
    file = cache / "teachers" / f"{key[:32]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # absent or damaged: computed again
        with open_file(file) as there:
            kept: NDArray[np.float16] = np.load(there, allow_pickle=False)
        if kept.shape == (2, len(block.ids)) and kept.dtype == np.float16:
            return kept
    logits = _logits(teacher.backend, block)
    with atomic_write(file, "wb", links=False) as out:
        np.save(out, logits, allow_pickle=False)
    return logits


def _logits(backend: Backend, block: LabelledWindows) -> NDArray[np.float16]:
    """The logits of some windows, (2, tokens), in batches of similar length."""
    logits = np.zeros((2, len(block.ids)), dtype=np.float16)
    most = backend.batch_tokens
    batches = [
        rows
        for step in plan(block.lengths, tokens=most, micro_tokens=most, seed=0, epoch=0)
        for rows in step
    ]

    def read(rows: NDArray[np.int64]) -> Logits:
        return backend(block.batch(rows), alone=False)

    with ThreadPoolExecutor(backend.workers) as pool:
        for rows, padded in zip(batches, pool.map(read, batches), strict=True):
            for row, start, end in zip(rows, padded.start, padded.end, strict=True):
                tokens = slice(block.bounds[row], block.bounds[row + 1])
                size = tokens.stop - tokens.start
                logits[0, tokens], logits[1, tokens] = start[:size], end[:size]
    return logits


def _pair_template(encoder: Encoder) -> str:
    """How question and context are joined: special tokens and token types."""
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
