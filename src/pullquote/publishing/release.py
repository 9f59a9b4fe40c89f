"""Exports a checkpoint and evaluates the result, for a release.

The data must be held out: neither training data, nor the test data of reported results.

    release("run", "out", scheme=INT8, examples=examples, source="tune.json", fit_threshold=True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.progress import Progress, named, no_progress
from pullquote.publishing.export import ExportReport, export
from pullquote.reading.evaluate import Evaluation, evaluate, evaluate_checkpoint, store_threshold
from pullquote.reading.reader import Reader

if TYPE_CHECKING:
    from pullquote.publishing.quantize import Scheme
    from pullquote.types import Example


@dataclass(frozen=True, slots=True)
class Release:
    """What was written, and the evaluations where there was data."""

    report: ExportReport
    exported: Evaluation | None = None
    checkpoint: Evaluation | None = None
    """Of the source in fp32, where the export is quantised."""
    threshold: float | None = None
    """The no-answer threshold that was fitted and stored."""


def release(
    model: str | Path,
    out: str | Path,
    *,
    scheme: Scheme | None = None,
    weights: bool = False,
    examples: Sequence[Example] = (),
    source: str = "",
    fit_threshold: bool = False,
    progress: Progress = no_progress,
) -> Release:
    """Export `model` to `out` and, given examples, measure it and fit its threshold.

    `scheme` and `weights` are those of `export`; a quantised export is measured beside its
    checkpoint. `source` names the data. Raises what `export`, `evaluate` and `store_threshold` do.
    """
    progress(0, 1, "exporting")
    report = export(model, out, scheme=scheme, weights=weights)
    progress(1, 1, "exporting")
    if not examples:
        return Release(report)
    exported = evaluate(Reader(Path(out)), examples, progress=named(progress, "export"))
    threshold = store_threshold(out, exported, examples, source) if fit_threshold else None
    checkpoint = None
    if scheme:
        watch = named(progress, "checkpoint")
        checkpoint = evaluate_checkpoint(model, examples, progress=watch)
    return Release(report, exported, checkpoint, threshold)
