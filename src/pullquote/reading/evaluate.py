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
from pullquote.reading.calibrate import calibrate, choose_answerable, described, recalibrated
from pullquote.reading.decode import NEAREST
from pullquote.scoring.analysis import Analysis, analyse
from pullquote.scoring.calibration_metrics import CalibrationMetrics, reader_calibration
from pullquote.scoring.compare import Answers
from pullquote.scoring.curves import precision_recall_curves
from pullquote.scoring.squad import QuestionScore, Scores, decided, score, score_questions
from pullquote.scoring.thresholds import BestThreshold, fit_threshold
from pullquote.settings import Calibration, Decision

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader
    from pullquote.types import Example, Prediction


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one way to decide, with the predictions that they were computed from."""

    scores: Scores
    decision: Decision
    """What decided: a threshold, or the expected share of questions with an answer."""
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
        """Calibration metrics of the decisions, by kind of confidence: see
        `scoring/calibration_metrics.py`.
        """
        return reader_calibration(self.predictions, self.quotes)

    @property
    def limit(self) -> float:
        """The reader abstained where a prediction's `decision_value` is above this."""
        return self.decision.threshold or 0.0

    @property
    def threshold(self) -> float:
        """Deprecated: the old name of `limit`."""
        warn_moved("Evaluation.threshold", "Evaluation.limit")
        return self.limit

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
        """The given answers, for `pullquote.scoring.compare.compare`."""
        scores = decided(self.quotes, [p.answer is not None for p in self.predictions])
        return Answers(tuple(p.text for p in self.predictions), tuple(scores))

    def analyse(self, examples: Sequence[Example]) -> Analysis:
        """Error analysis for a report."""
        return analyse(
            examples,
            self.predictions,
            decision=self.decision,
            uncalibrated=recalibrated(Calibration(), self.predictions),
        )


def evaluate(
    reader: Reader,
    examples: Sequence[Example],
    *,
    threshold: float | None = None,
    answerable: float | None = None,
    fit: bool = False,
    top_k: int = 1,
    progress: Progress = no_progress,
) -> Evaluation:
    """Answer all examples and score them; `threshold` or `answerable` as for `Reader.answer_all`.

    >>> from pullquote import Example, Reader, Span
    >>> from pullquote.reading.evaluate import evaluate
    >>> context = "The Norse, led by Rollo, came by sea."
    >>> examples = [
    ...     Example("1", "Who led the Norse?", context, (Span("Rollo", 18, 23),)),
    ...     Example("2", "Who led the Saxons?", context),
    ... ]
    >>> evaluation = evaluate(Reader("tiny"), examples, answerable=0.5)
    >>> evaluation.scores.total, evaluation.scores.f1
    (2, 100.0)

    `fit` scores at the threshold that is fitted on these very examples, where there is one: for
    data that was held out to fit it.
    `top_k` bounds the quotes of each of `Evaluation.predictions`.
    `progress` counts answered questions. Raises `DataError` without examples.
    """
    if not examples:
        raise DataError("there are no questions to evaluate")
    start = time.perf_counter()
    decision = Decision(threshold=0.0) if fit else reader.config.decision(threshold, answerable)
    limit = decision.threshold
    answers = reader.answer_all(
        examples,
        top_k=top_k,
        threshold=limit,
        answerable=decision.answerable if limit is None else None,
    )
    predictions = list(tracked(answers, len(examples), "answering", progress))
    seconds = time.perf_counter() - start
    # Best quotes and decision values instead of decisions: predictions that abstain already could
    # not be turned into answers by any threshold, and the best threshold would be wrong.
    quotes = {p.id: p.best_text for p in predictions}
    fitted, question_scores = None, score_questions(examples, quotes)
    if len({example.is_impossible for example in examples}) == 2:
        fitted = fit_threshold(
            [question.f1 for question in question_scores],
            [question.has_answer for question in question_scores],
            [p.null_score_diff for p in predictions],
        )
    if fit and fitted:
        decision = Decision(threshold=fitted.threshold)
        predictions = [_decided(p, fitted.threshold) for p in predictions]
    with warnings.catch_warnings():
        # `score` warns that odds are not probabilities, which is intended here, and that "" was
        # predicted, which happens for blank contexts only
        warnings.simplefilter("ignore", PullquoteWarning)
        scores = score(
            examples,
            quotes,
            no_answer_probabilities={p.id: p.decision_value for p in predictions},
            threshold=predictions[0].decision_limit,
        )
    return Evaluation(scores, decision, fitted, seconds, tuple(predictions), tuple(question_scores))


def _decided(prediction: Prediction, threshold: float) -> Prediction:
    """The prediction with the decision of another threshold."""
    answered = prediction.answers and prediction.null_score_diff <= threshold
    answer = prediction.answers[0] if answered else None
    return replace(prediction, answer=answer, threshold=threshold)


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
    return evaluate(checkpoint_reader(checkpoint), examples, fit=fit, progress=progress)


def checkpoint_reader(checkpoint: str | Path, *, device: str = "cpu") -> Reader:
    """A reader of the safetensors of a checkpoint. Raises `MissingExtraError` without torch."""
    from pullquote.reading.backends.torch import TorchBackend
    from pullquote.reading.reader import Reader

    return Reader(checkpoint, backend=TorchBackend(open_model(checkpoint).path, device=device))


def fit_and_store(
    reader: Reader,
    examples: Sequence[Example],
    *,
    source: str,
    use: Sequence[Example] = (),
    use_source: str = "",
    progress: Progress = no_progress,
) -> Evaluation:
    """Evaluate a reader, and fit and store its threshold and calibration on the same examples.

    `use` are examples that look like what the reader is for: `answerable` is chosen on them, and
    decides. Without, the threshold decides. `source` and `use_source` name the data, which must be
    held out: neither trained on, nor the test data on which results are reported. Raises
    `DataError` without answerable or without unanswerable examples; with fewer than 20 of either,
    warns that scores stay uncalibrated.
    """
    evaluation = evaluate(reader, examples, fit=True, top_k=NEAREST, progress=progress)
    if evaluation.fitted is None:
        raise DataError(f"{source}: a threshold needs answerable and unanswerable questions")
    config = reader.config
    try:
        config = calibrate(
            reader, examples, source=source, predictions=evaluation.predictions, progress=progress
        ).config
    except DataError as error:
        warnings.warn(f"{source}: scores stay uncalibrated: {error}", PullquoteWarning, 2)
    config = replace(
        config,
        no_answer_threshold=evaluation.fitted.threshold,
        threshold_fitted_on=described(source, "best F1", examples),
        answerable=None,
        answerable_chosen_on="",
    )
    if use:
        config = choose_answerable(
            reader, use, config=config, source=use_source, progress=progress
        ).config
    store_settings(reader.directory.path, config)
    return evaluation
