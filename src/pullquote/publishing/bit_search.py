"""Searches for the bits of a quantised model: the best F1 in a given number of bytes.

The bytes are those of the whole directory: model, tokenizer and settings.

    quantize_to_fit("run", "out", examples, max_bytes=17_553_162, source="tune.json")
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.checkpoints import layout
from pullquote.data.sample import sample
from pullquote.errors import DataError, ModelError
from pullquote.progress import Progress, named, no_progress
from pullquote.publishing.export import check_out, export
from pullquote.publishing.quantize import INT8, Scheme, quantize
from pullquote.reading.calibrate import store_threshold
from pullquote.reading.evaluate import Evaluation, evaluate
from pullquote.reading.reader import Reader

if TYPE_CHECKING:
    from pullquote.types import Example

# Layers feel a lost bit more than words do (EXPERIMENTS.md), so that words lose theirs first.
SCHEMES = (
    INT8,
    *(Scheme(words, layers) for words, layers in [(8, 7), (6, 7), (5, 7), (4, 7), (6, 6), (5, 6)]),
    *(Scheme(words, layers) for words, layers in [(4, 6), (4, 5), (4, 4), (3, 4)]),
)
_NOTES = 512  # bytes, for the words that `reader.json` gets when a threshold is stored


@dataclass(frozen=True, slots=True)
class Tried:
    """One form of a model, measured: scores at its own best thresholds, both kinds weighted."""

    scheme: Scheme | None
    """None for fp32."""
    path: Path
    bytes: int
    """Of the directory, with room for what is noted there when its threshold is stored."""
    evaluation: Evaluation

    @property
    def f1(self) -> float:
        assert self.evaluation.fitted is not None  # `tries` saw to it
        return self.evaluation.fitted.score

    @property
    def name(self) -> str:
        return str(self.scheme) if self.scheme else "fp32"


@dataclass(frozen=True, slots=True)
class Fit:
    """What `quantize_to_fit` wrote; F1 on all examples, both kinds weighted equally."""

    path: Path
    scheme: Scheme | None
    name: str
    bytes: int
    f1_before: float
    f1: float
    threshold: float


def quantize_to_fit(
    model: str | Path,
    out: str | Path,
    examples: Sequence[Example],
    *,
    max_bytes: int,
    max_loss: float = 0.5,
    questions: int = 2000,
    source: str = "",
    on_form: Callable[[Tried], None] = lambda tried: None,
    progress: Progress = no_progress,
) -> Fit:
    """Write the form of a checkpoint that answers best in `max_bytes`, with its threshold.

    All forms are compared on a sample of `questions` examples (0: all), and `on_form` is told of
    each; the best is measured again on all, beside fp32. `source` names the data. Raises
    `ModelError` when nothing fits or the best loses more than `max_loss` points of F1,
    `OutputError` before any work when `out` is taken, `DataError` as `tries` does.
    """
    out = Path(out)
    check_out(out)
    with tempfile.TemporaryDirectory() as work:
        tried = []
        for form in tries(model, sample(examples, questions), Path(work), progress=progress):
            tried.append(form)
            on_form(form)
        best = best_fit(tried, max_bytes=max_bytes, max_loss=max_loss)
        before, after = (measure(form.path, examples, progress) for form in (tried[0], best))
        assert before.fitted is not None  # `tries` saw to it
        assert after.fitted is not None
        check_loss(before.fitted.score, after.fitted.score, best.name, max_loss)
    path = export(model, out, scheme=best.scheme).path
    threshold = store_threshold(path, after, examples, source)
    return Fit(
        path,
        best.scheme,
        best.name,
        directory_bytes(path),
        before.fitted.score,
        after.fitted.score,
        threshold,
    )


def tries(
    model: str | Path,
    examples: Sequence[Example],
    work: Path,
    *,
    schemes: Sequence[Scheme] = SCHEMES,
    progress: Progress = no_progress,
) -> Iterator[Tried]:
    """Export a checkpoint into the folder `work` and measure fp32, then each scheme.

    `progress` counts the questions of each form, by its name. Raises `DataError` for data without
    answerable or without unanswerable questions.
    """
    kinds = {example.is_impossible for example in examples}
    if len(kinds) < 2:
        raise DataError(
            f"{len(examples):,} questions, all of one kind; expected answerable and unanswerable "
            "ones, to see what quantisation does to both"
        )
    fp32 = export(model, work / "fp32").path
    for scheme in (None, *schemes):
        path = fp32
        if scheme:
            path = work / str(scheme)
            shutil.copytree(fp32, path, ignore=shutil.ignore_patterns(layout.ONNX_PATTERNS[0]))
            quantize(fp32 / layout.ONNX, path / layout.ONNX, scheme)
        yield Tried(scheme, path, directory_bytes(path) + _NOTES, measure(path, examples, progress))


def measure(path: Path, examples: Sequence[Example], progress: Progress) -> Evaluation:
    """Measure one form at the threshold that is best for it."""
    return evaluate(Reader(path), examples, fit=True, progress=named(progress, path.name))


def best_fit(tried: Sequence[Tried], *, max_bytes: int, max_loss: float) -> Tried:
    """The form with the best F1 in at most `max_bytes`; fp32, the first, is what it is held to.

    Raises `ModelError` where none fits, or the best loses more than `max_loss` points of F1.
    """
    fitting = [form for form in tried if form.bytes <= max_bytes]
    if not fitting:
        least = min(form.bytes for form in tried)
        raise ModelError(
            f"no form takes {max_bytes:,} bytes or less; the smallest known has {least:,} "
            f"({least / 2**20:.2f} MiB)"
        )
    best = max(fitting, key=lambda form: (form.f1, -form.bytes))
    check_loss(tried[0].f1, best.f1, best.name, max_loss)
    return best


def check_loss(before: float, after: float, name: str, max_loss: float) -> None:
    """Raise `ModelError` when a form has lost more than `max_loss` points of F1."""
    if before - after > max_loss:
        raise ModelError(
            f"{name} loses {before - after:.2f} points of F1 ({before:.2f} to {after:.2f}), more "
            f"than {max_loss:g}; allow more bytes or more loss"
        )


def directory_bytes(path: Path) -> int:
    """The bytes of all files in a model directory."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
