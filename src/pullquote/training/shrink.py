"""Finds the quantisation of a checkpoint that answers best in so many bytes.

Knows schemes and how to measure them. A question of bytes is one of the whole directory: model,
tokenizer and settings, as it is copied to where it answers.

    for tried in tries("run", examples, work): print(tried)
    best_fit(list_of_tried, max_bytes=17_553_162, max_loss=0.5)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.errors import DataError, ModelError
from pullquote.reading.evaluate import Evaluation, evaluate
from pullquote.reading.reader import Reader
from pullquote.training.export import export
from pullquote.training.quantize import INT8, Scheme, quantize

if TYPE_CHECKING:
    from pullquote.types import Example, Prediction

Watch = Callable[[str, Iterable["Prediction"]], Iterable["Prediction"]]

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


def tries(
    model: str | Path,
    examples: Sequence[Example],
    work: Path,
    *,
    schemes: Sequence[Scheme] = SCHEMES,
    watch: Watch = lambda name, items: items,
) -> Iterator[Tried]:
    """Export a checkpoint into the folder `work` and measure fp32, then each scheme.

    `watch` wraps the predictions of each form by name. Raises `DataError` for data without
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
            shutil.copytree(fp32, path, ignore=shutil.ignore_patterns("model.onnx*"))
            quantize(fp32 / "model.onnx", path / "model.onnx", scheme)
        yield Tried(scheme, path, directory_bytes(path) + _NOTES, measure(path, examples, watch))


def measure(path: Path, examples: Sequence[Example], watch: Watch) -> Evaluation:
    """Measure one form at the threshold that is best for it."""
    return evaluate(
        Reader(path), examples, fit=True, progress=lambda items: watch(path.name, items)
    )


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
