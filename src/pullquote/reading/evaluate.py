"""Evaluates a `Reader` on examples with the official SQuAD 2.0 metrics.

Knows predictions and scores, not files.

    evaluation = evaluate(Reader(), load("dev-v2.0.json.gz").examples)
    evaluation.scores.f1          # at the threshold stored with the model
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.checkpoints.directory import open_model, store_settings
from pullquote.deprecated import warn_moved
from pullquote.errors import DataError, PullquoteWarning
from pullquote.progress import Progress, no_progress, tracked
from pullquote.reading.calibrate import described, recalibrated
from pullquote.scoring.analysis import Analysis, analyse
from pullquote.scoring.calibration_metrics import CalibrationMetrics, reader_calibration
from pullquote.scoring.compare import Answers
from pullquote.scoring.curves import precision_recall_curves
from pullquote.scoring.squad import QuestionScore, Scores, at_threshold, score, score_questions
from pullquote.scoring.thresholds import BestThreshold, fit_threshold
from pullquote.types import Calibration

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader
    from pullquote.types import Example, Prediction


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores at one threshold, with the predictions that they were computed from."""

    scores: Scores
    threshold: float
    fitted: BestThreshold | None
    """The threshold with the best F1 on this data, answerable and unanswerable questions weighted
    equally. Store it only if the data was held out for that, and never report its F1 as a result
    on the same data. `None` when the data has only one of the two kinds."""
    seconds: float
    predictions: tuple[Prediction, ...]
    quotes: tuple[QuestionScore, ...]
    """The score of each question's best quote, whether or not the reader abstained."""

    @property
    def questions_per_second(self) -> float:
        """Questions divided by `seconds`."""
        return self.scores.total / self.seconds

    @property
    def calibration_metrics(self) -> dict[str, CalibrationMetrics]:
        """Calibration metrics at `threshold`, by kind of confidence: see
        `scoring/calibration_metrics.py`.
        """
        return reader_calibration(self.predictions, self.quotes, self.threshold)

    @property
    def trust(self) -> dict[str, CalibrationMetrics]:
        """Deprecated: the old name of `calibration_metrics`."""
        warn_moved("Evaluation.trust", "Evaluation.calibration_metrics")
        return self.calibration_metrics

    @property
    def average_precisions(self) -> dict[str, float]:
        """`pr_exact_ap`, `pr_f1_ap` and `pr_oracle_ap`, as evaluate-v2.0.py has them.

        Empty for data without answers.
        """
        probabilities = {p.id: p.no_answer_score for p in self.predictions}
        curves = precision_recall_curves(self.quotes, probabilities)
        return {f"pr_{name}_ap": curve.average for name, curve in curves.items()}

    @property
    def answers(self) -> Answers:
        """The answers at `threshold`, for `pullquote.scoring.compare.compare`."""
        odds = {p.id: p.null_score_diff for p in self.predictions}
        scores = at_threshold(self.quotes, odds, self.threshold)
        texts = (
            p.best_text if score.answered else ""
            for p, score in zip(self.predictions, scores, strict=True)
        )
        return Answers(tuple(texts), tuple(scores))

    def analyse(self, examples: Sequence[Example]) -> Analysis:
        """Error analysis for a report; needs an evaluation with `top_k=n_best_size`."""
        return analyse(
            examples,
            self.predictions,
            threshold=self.threshold,
            uncalibrated=recalibrated(Calibration(), self.predictions),
        )


def evaluate(
    reader: Reader,
    examples: Sequence[Example],
    *,
    threshold: float | None = None,
    fit: bool = False,
    top_k: int = 1,
    progress: Progress = no_progress,
) -> Evaluation:
    """Answer all examples and score them; `threshold` replaces the one stored with the model.

    >>> from pullquote import Example, Reader, Span
    >>> from pullquote.reading.evaluate import evaluate
    >>> context = "The Norse, led by Rollo, came by sea."
    >>> examples = [
    ...     Example("1", "Who led the Norse?", context, (Span("Rollo", 18, 23),)),
    ...     Example("2", "Who led the Saxons?", context),
    ... ]
    >>> evaluation = evaluate(Reader("tiny"), examples)
    >>> evaluation.scores.total, evaluation.threshold == Reader("tiny").config.no_answer_threshold
    (2, True)

    `fit` scores at the threshold that is fitted on these very examples, where there is one: for
    data that was held out to fit it.
    `top_k` bounds the quotes of each of `Evaluation.predictions`.
    `progress` counts answered questions. Raises `DataError` without examples.
    """
    if not examples:
        raise DataError("there are no questions to evaluate")
    start = time.perf_counter()
    answers = reader.answer_all(examples, top_k=top_k, threshold=threshold)
    predictions = list(tracked(answers, len(examples), "answering", progress))
    seconds = time.perf_counter() - start
    threshold = predictions[0].threshold
    # Best quotes and null odds instead of decisions: predictions that abstain already could not be
    # turned into answers by any threshold, and the best threshold would be wrong.
    quotes = {p.id: p.best_text for p in predictions}
    odds = {p.id: p.null_score_diff for p in predictions}
    fitted, question_scores = None, score_questions(examples, quotes)
    if len({example.is_impossible for example in examples}) == 2:
        fitted = fit_threshold(
            [question.f1 for question in question_scores],
            [question.has_answer for question in question_scores],
            [odds[question.id] for question in question_scores],
        )
    if fit and fitted:
        threshold = fitted.threshold
    with warnings.catch_warnings():
        # `score` warns that odds are not probabilities, which is intended here, and that "" was
        # predicted, which happens for blank contexts only
        warnings.simplefilter("ignore", PullquoteWarning)
        scores = score(examples, quotes, no_answer_probabilities=odds, threshold=threshold)
    return Evaluation(
        scores, threshold, fitted, seconds, tuple(predictions), tuple(question_scores)
    )


def evaluate_checkpoint(
    checkpoint: str | Path,
    examples: Sequence[Example],
    *,
    fit: bool = False,
    progress: Progress = no_progress,
) -> Evaluation:
    """Evaluate the safetensors of a checkpoint in torch, even where it has an ONNX file, too.

    `fit` as in `evaluate`. Raises `MissingExtraError` without the extra `torch`.
    """
    from pullquote.reading.backends.torch import TorchBackend
    from pullquote.reading.reader import Reader

    reader = Reader(checkpoint, backend=TorchBackend(open_model(checkpoint).path))
    return evaluate(reader, examples, fit=fit, progress=progress)


def store_threshold(
    directory: str | Path, evaluation: Evaluation, examples: Sequence[Example], source: str
) -> float:
    """Store the fitted threshold of an `evaluation` with the model in `directory`; returns it.

    `source` names the data, which must be held out: neither trained on, nor the test data on which
    results are reported. Raises `DataError` without answerable or without unanswerable questions.
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
