"""Exports a checkpoint and evaluates the result, for a release.

The data must be held out: neither training data, nor the test data of reported results.

    release("run", "out", scheme=INT8, examples=examples, source="tune.json", fit_threshold=True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.checkpoints.directory import open_model
from pullquote.progress import Progress, named, no_progress
from pullquote.publishing.export import ExportReport, export
from pullquote.reading.evaluate import Evaluation, evaluate, evaluate_checkpoint, fit_and_store
from pullquote.reading.reader import Reader

if TYPE_CHECKING:
    from pullquote.publishing.quantize import Scheme
    from pullquote.settings import ReaderConfig
    from pullquote.types import Example


@dataclass(frozen=True, slots=True)
class Release:
    """What was written, and the evaluations where there was data."""

    report: ExportReport
    exported: Evaluation | None = None
    checkpoint: Evaluation | None = None
    """Of the source in fp32, where the export is quantised."""
    fitted: ReaderConfig | None = None
    """The settings with what was fitted and stored."""


def release(
    model: str | Path,
    out: str | Path,
    *,
    scheme: Scheme | None = None,
    weights: bool = False,
    examples: Sequence[Example] = (),
    source: str = "",
    fit_threshold: bool = False,
    use: Sequence[Example] = (),
    use_source: str = "",
    progress: Progress = no_progress,
) -> Release:
    """Export `model` to `out` and, given examples, measure it; with `fit_threshold`, fit it.

    `scheme` and `weights` are those of `export`; a quantised export is measured beside its
    checkpoint. `source`, `use` and `use_source` are those of `fit_and_store`. Raises what `export`,
    `evaluate` and `fit_and_store` do.
    """
    progress(0, 1, "exporting")
    report = export(model, out, scheme=scheme, weights=weights)
    progress(1, 1, "exporting")
    if not examples:
        return Release(report)
    reader, watch = Reader(Path(out)), named(progress, "export")
    fitted = None
    if fit_threshold:
        exported = fit_and_store(
            reader, examples, source=source, use=use, use_source=use_source, progress=watch
        )
        fitted = open_model(Path(out)).config
    else:
        exported = evaluate(reader, examples, progress=watch)
    checkpoint = None
    if scheme:
        watch = named(progress, "checkpoint")
        checkpoint = evaluate_checkpoint(model, examples, progress=watch)
    return Release(report, exported, checkpoint, fitted)
