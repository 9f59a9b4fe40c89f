"""Chooses the bits of a quantised model: the best F1 within a given number of bytes.

The bytes are those of the whole model directory: weights, tokenizer and settings.

    quantize_to_fit("run", "out", examples, max_bytes=17_553_162, source="tune.json")
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model, store_settings
from pullquote.data.sample import sample
from pullquote.errors import DataError, ModelError
from pullquote.progress import Progress, named, no_progress
from pullquote.publishing.export import check_output, export
from pullquote.publishing.quantize import INT8, Scheme, quantize
from pullquote.reading.evaluate import Evaluation, evaluate, fit_and_store
from pullquote.reading.reader import Reader

if TYPE_CHECKING:
    from pullquote.types import Example

# A bit less costs more F1 in layers than in word embeddings (EXPERIMENTS.md), so that embeddings
# are reduced first.
SCHEMES = (
    INT8,
    *(Scheme(words, layers) for words, layers in [(8, 7), (6, 7), (5, 7), (4, 7), (6, 6), (5, 6)]),
    *(Scheme(words, layers) for words, layers in [(4, 6), (4, 5), (4, 4), (3, 4)]),
)
_SETTINGS_ROOM = 512  # bytes by which `reader.json` may grow when a threshold is stored


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model quantised by one scheme, evaluated at its own best threshold.

    `f1` weights answerable and unanswerable questions equally.
    """

    scheme: Scheme | None
    """None for fp32."""
    path: Path
    bytes: int
    """Of the directory, with room for the threshold that will be stored."""
    evaluation: Evaluation

    @property
    def f1(self) -> float:
        assert self.evaluation.fitted is not None  # `measure_schemes` checked the data
        return self.evaluation.fitted.score

    @property
    def name(self) -> str:
        return str(self.scheme) if self.scheme else "fp32"


@dataclass(frozen=True, slots=True)
class Fit:
    """What `quantize_to_fit` wrote. F1 is on all examples, with both kinds weighted equally."""

    path: Path
    scheme: Scheme | None
    name: str
    bytes: int
    f1_before: float
    f1: float


def quantize_to_fit(
    model: str | Path,
    out: str | Path,
    examples: Sequence[Example],
    *,
    max_bytes: int,
    max_loss: float = 0.5,
    questions: int = 2000,
    source: str = "",
    on_candidate: Callable[[Candidate], None] = lambda candidate: None,
    progress: Progress = no_progress,
) -> Fit:
    """Write a checkpoint quantised by the scheme with the best F1 within `max_bytes`.

    All schemes are compared on a sample of `questions` examples (0: all); `on_candidate` is called
    with each result. The best and fp32 are measured again on all examples, and the threshold
    fitted there is stored. `source` names the data. Raises `ModelError` when nothing fits or the
    best loses more than `max_loss` points of F1, `OutputError` before any work when `out` exists,
    `DataError` as `measure_schemes` does.
    """
    out = Path(out)
    check_output(out)
    with tempfile.TemporaryDirectory() as work:
        candidates = []
        compared = sample(examples, questions)
        for candidate in measure_schemes(model, compared, Path(work), progress=progress):
            candidates.append(candidate)
            on_candidate(candidate)
        best = best_fit(candidates, max_bytes=max_bytes, max_loss=max_loss)
        before, after = (measure(c.path, examples, progress) for c in (candidates[0], best))
        assert before.fitted is not None  # `measure_schemes` checked the data
        assert after.fitted is not None
        check_loss(before.fitted.score, after.fitted.score, best.name, max_loss)
    path = export(model, out, scheme=best.scheme).path
    reader = Reader(path)
    share = reader.config.answerable, reader.config.answerable_chosen_on
    fit_and_store(reader, examples, source=source, progress=progress)
    if share[0] is not None:  # what decides in the checkpoint decides in its quantised form
        fitted = open_model(path).config
        store_settings(path, replace(fitted, answerable=share[0], answerable_chosen_on=share[1]))
    return Fit(
        path,
        best.scheme,
        best.name,
        directory_bytes(path),
        before.fitted.score,
        after.fitted.score,
    )


def measure_schemes(
    model: str | Path,
    examples: Sequence[Example],
    work: Path,
    *,
    schemes: Sequence[Scheme] = SCHEMES,
    progress: Progress = no_progress,
) -> Iterator[Candidate]:
    """Export a checkpoint into the folder `work`, and evaluate fp32 and then each scheme.

    `progress` counts the questions of each candidate, with its name. Raises `DataError` for data
    without answerable or without unanswerable questions.
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
        yield Candidate(
            scheme, path, directory_bytes(path) + _SETTINGS_ROOM, measure(path, examples, progress)
        )


def measure(path: Path, examples: Sequence[Example], progress: Progress) -> Evaluation:
    """Evaluate a model directory at its own best threshold."""
    return evaluate(Reader(path), examples, fit=True, progress=named(progress, path.name))


def best_fit(candidates: Sequence[Candidate], *, max_bytes: int, max_loss: float) -> Candidate:
    """The candidate with the best F1 in at most `max_bytes`. The first one is the fp32 baseline.

    Raises `ModelError` where none fits, or the best loses more than `max_loss` points of F1.
    """
    fitting = [candidate for candidate in candidates if candidate.bytes <= max_bytes]
    if not fitting:
        least = min(candidate.bytes for candidate in candidates)
        raise ModelError(
            f"no form takes {max_bytes:,} bytes or less; the smallest known has {least:,} "
            f"({least / 2**20:.2f} MiB)"
        )
    best = max(fitting, key=lambda candidate: (candidate.f1, -candidate.bytes))
    check_loss(candidates[0].f1, best.f1, best.name, max_loss)
    return best


def check_loss(before: float, after: float, name: str, max_loss: float) -> None:
    """Raise `ModelError` when quantisation has cost more than `max_loss` points of F1."""
    if before - after > max_loss:
        raise ModelError(
            f"{name} loses {before - after:.2f} points of F1 ({before:.2f} to {after:.2f}), more "
            f"than {max_loss:g}; allow more bytes or more loss"
        )


def directory_bytes(path: Path) -> int:
    """The bytes of all files in a model directory."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
