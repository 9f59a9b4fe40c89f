"""What a released model needs beside its weights: a stored threshold, and the checkpoint's scores.

The data must be held out: neither trained on, nor the test data on which results are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.errors import DataError
from pullquote.reading.backends.torch import TorchBackend
from pullquote.reading.calibrate import described
from pullquote.reading.directory import open_model, store_settings
from pullquote.reading.evaluate import Evaluation, evaluate
from pullquote.reading.reader import Reader

if TYPE_CHECKING:
    from pullquote.types import Example, Prediction

Watch = Callable[[Iterable["Prediction"]], Iterable["Prediction"]]


def store_threshold(
    directory: str | Path, evaluation: Evaluation, examples: Sequence[Example], source: str
) -> float:
    """Store the threshold that `evaluation` of the model in `directory` fitted; returns it.

    `source` names the data. Raises `DataError` when it lacks answerable or unanswerable questions.
    """
    if evaluation.fitted is None:
        raise DataError(f"{source}: a threshold needs answerable and unanswerable questions")
    config = replace(
        open_model(Path(directory)).config,
        no_answer_threshold=evaluation.fitted.threshold,
        threshold_fitted_on=described(source, "best F1", examples),
    )
    store_settings(directory, config)
    return config.no_answer_threshold


def evaluate_checkpoint(
    checkpoint: str | Path,
    examples: Sequence[Example],
    *,
    fit: bool = False,
    progress: Watch = iter,
) -> Evaluation:
    """Measure a checkpoint's safetensors in torch, even where an ONNX file lies beside them.

    `fit` as in `evaluate`.
    """
    return evaluate(
        Reader(checkpoint, backend=TorchBackend(open_model(checkpoint).path)),
        examples,
        fit=fit,
        progress=progress,
    )
