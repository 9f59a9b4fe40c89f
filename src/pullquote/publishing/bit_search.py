"""Chooses the bits of a quantised model: the best F1 within a given number of bytes.

The bytes are those of the whole model directory: weights, tokenizer and settings. Knows how forms
are compared; `pack` and `quantize` write them.

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
from pullquote.checkpoints.read_weights import unsupported
from pullquote.checkpoints.write import copy_model, new_directory
from pullquote.data.sample import sample
from pullquote.errors import DataError, ModelError
from pullquote.progress import Progress, named, no_progress
from pullquote.publishing.pack import pack_checkpoint
from pullquote.reading.evaluate import Evaluation, evaluate, fit_and_store
from pullquote.reading.reader import Reader

if TYPE_CHECKING:
    from pullquote.publishing.quantize import Scheme
    from pullquote.types import Example

FP32 = "fp32"
"""The name of the checkpoint itself among the forms."""

WORD_BITS = (8, 4)
"""Bits of word embeddings in packed weights that are tried; layers have 7."""
_SETTINGS_ROOM = 512  # bytes by which `reader.json` may grow when a threshold is stored
_ROUNDED_BY = 240  # examples whose texts layers are rounded by


@dataclass(frozen=True, slots=True)
class Candidate:
    """A form of a model, evaluated at its own best threshold.

    `f1` weights answerable and unanswerable questions equally.
    """

    name: str
    path: Path
    bytes: int
    """Of the directory, with room for the threshold that will be stored."""
    evaluation: Evaluation

    @property
    def f1(self) -> float:
        assert self.evaluation.fitted is not None  # `measure_forms` checked the data
        return self.evaluation.fitted.score


@dataclass(frozen=True, slots=True)
class Fit:
    """What `quantize_to_fit` wrote. F1 is on all examples, with both kinds weighted equally."""

    path: Path
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
    """Write a checkpoint in the quantised form with the best F1 within `max_bytes`.

    All forms are compared on a sample of `questions` examples (0: all); `on_candidate` is called
    with each result. The best and fp32 are measured again on all examples, and the threshold
    fitted there is stored. `source` names the data. Raises `ModelError` when nothing fits or the
    best loses more than `max_loss` points of F1, `ConfigError` before any work when `out` is not
    empty, `DataError` as `measure_forms` does.
    """
    out = Path(out)
    with new_directory(out), tempfile.TemporaryDirectory() as work:
        candidates = []
        forms = measure_forms(
            model, sample(examples, questions), Path(work), max_bytes=max_bytes, progress=progress
        )
        for candidate in forms:
            candidates.append(candidate)
            on_candidate(candidate)
        best = best_fit(candidates, max_bytes=max_bytes, max_loss=max_loss)
        before, after = (measure(c.path, examples, progress) for c in (candidates[0], best))
        assert before.fitted is not None  # `measure_forms` checked the data
        assert after.fitted is not None
        check_loss(before.fitted.score, after.fitted.score, best.name, max_loss)
        shutil.copytree(best.path, out, dirs_exist_ok=True)
        reader = Reader(out)
        share = reader.config.answerable, reader.config.answerable_chosen_on
        fit_and_store(reader, examples, source=source, progress=progress)
        if share[0] is not None:  # what decides in the checkpoint decides in its quantised form
            fitted = open_model(out).config
            store_settings(out, replace(fitted, answerable=share[0], answerable_chosen_on=share[1]))
    return Fit(out, best.name, directory_bytes(out), before.fitted.score, after.fitted.score)


def measure_forms(
    model: str | Path,
    examples: Sequence[Example],
    work: Path,
    *,
    max_bytes: int,
    schemes: Sequence[Scheme] | None = None,
    progress: Progress = no_progress,
) -> Iterator[Candidate]:
    """Write the forms of a checkpoint into the folder `work`; evaluate fp32 and then each form.

    BERT-like models have packed weights. Others, and those whose packed weights do not fit into
    `max_bytes`, have an ONNX file, by each of the schemes. `progress` counts the questions of each
    form, with its name. Raises `DataError` for data without answerable or without unanswerable
    questions.
    """
    kinds = {example.is_impossible for example in examples}
    if len(kinds) < 2:
        raise DataError(
            f"{len(examples):,} questions, all of one kind; expected answerable and unanswerable "
            "ones, to see what quantisation does to both"
        )

    def measured(path: Path) -> Candidate:
        size = directory_bytes(path) + _SETTINGS_ROOM
        return Candidate(path.name, path, size, measure(path, examples, progress))

    directory = open_model(model)
    packable = directory.safetensors is not None and not unsupported(directory)
    if packable:
        (work / FP32).mkdir()
        copy_model(directory.path, work / FP32)
        yield measured(work / FP32)
        fits = False
        for bits in WORD_BITS:
            path = work / f"words {bits} bits, layers 7 bits"
            pack_checkpoint(work / FP32, path, sample(examples, _ROUNDED_BY), words=bits)
            candidate = measured(path)
            fits |= candidate.bytes <= max_bytes
            yield candidate
        if fits:
            return
    # imported here: it needs the extra `export`, which packed weights do without
    from pullquote.publishing.export import export
    from pullquote.publishing.quantize import SCHEMES, quantize

    exported = export(model, work / f"{FP32}, ONNX").path
    if not packable:
        yield measured(exported.rename(work / FP32))
        exported = work / FP32
    for scheme in SCHEMES if schemes is None else schemes:
        path = work / f"{scheme}, ONNX"
        shutil.copytree(exported, path, ignore=shutil.ignore_patterns(layout.ONNX_PATTERNS[0]))
        quantize(exported / layout.ONNX, path / layout.ONNX, scheme)
        yield measured(path)


def measure(path: Path, examples: Sequence[Example], progress: Progress) -> Evaluation:
    """Evaluate a model directory at its own best threshold."""
    reader = Reader(path, precision="fp32" if path.name == FP32 else "auto")
    return evaluate(reader, examples, fit=True, progress=named(progress, path.name))


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
