"""Error analysis: confidence intervals, precision-recall curves, scores by question type, errors.

Knows examples and predictions, never a model. What it finds is drawn and written by
`scoring/report.py`.

    analysis = analyse(examples, predictions, threshold=-0.9)
    analysis.scores["f1"].low, analysis.mistakes[0].example.question
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pullquote.scoring.arrays import Floats
from pullquote.scoring.bootstrap import Estimate, estimates
from pullquote.scoring.calibration_metrics import Outcomes, outcomes_of
from pullquote.scoring.curves import PrecisionRecall, histogram, precision_recall_curves
from pullquote.scoring.slices import Slice, slices
from pullquote.scoring.squad import QuestionScore, at_threshold, score_questions
from pullquote.types import Answer, Example, Prediction

MISTAKES = 50
OF_EACH_KIND = 10
"""As many are shown of each kind even where the fifty surest are all of another: a reader may be
surer of abstaining than it ever is of a quote."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong decision: another quote, a quote where there is no answer, or none where there is."""

    example: Example
    quote: Answer | None
    """The best quote, given or not; `None` for a blank text."""
    answered: bool
    confidence: float
    """The probability that the reader gave to its decision."""
    f1: float
    """Of the decision, in [0, 1]."""

    @property
    def kind(self) -> str:
        """`quote`, another than the gold ones; `invented`, one where there is none; `abstained`."""
        if not self.answered:
            return "abstained"
        return "invented" if self.example.is_impossible else "quote"


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that the report shows; scores in percent."""

    threshold: float
    paragraphs: int
    """How many different contexts there are: what intervals resample."""
    scores: dict[str, Estimate]
    """`exact` and `f1`, with the prefixes `HasAns_` and `NoAns_` where there are such questions,
    and `avna`."""
    precision_recall: dict[str, PrecisionRecall]
    """`exact`, `f1` and `oracle`; empty where no question is answerable."""
    no_answer: dict[str, Floats]
    """Histograms of the no-answer score, `hasAns` and `noAns` where there are such questions."""
    outcomes: dict[str, Outcomes]
    """The reader's scores: see `outcomes_of`."""
    raw: dict[str, Outcomes] | None
    """The same before calibration; `None` where that is the same."""
    slices: dict[str, tuple[Slice, ...]]
    mistakes: tuple[Mistake, ...]
    """The fifty surest, and the ten surest of each kind; the surest first."""


def analyse(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    threshold: float,
    uncalibrated: Sequence[Prediction] = (),
) -> Analysis:
    """Look into predictions, one for each example and in their order, at a threshold.

    `uncalibrated` are the same predictions with their raw scores. Raises `DataError` without
    examples, and for two with one id.
    """
    quotes = score_questions(examples, {p.id: p.best_text for p in predictions})
    said = at_threshold(quotes, {p.id: p.null_score_diff for p in predictions}, threshold)
    outcomes = outcomes_of(predictions, quotes, threshold)
    raw = outcomes_of(uncalibrated, quotes, threshold) if uncalibrated else None
    if raw and all(np.allclose(raw[k].confidence, outcomes[k].confidence) for k in outcomes):
        raw = None
    null = np.array([p.no_answer_score for p in predictions])
    impossible = np.array([example.is_impossible for example in examples])
    return Analysis(
        threshold=threshold,
        paragraphs=len({example.context for example in examples}),
        scores=estimates(score_columns(said), [example.context for example in examples]),
        precision_recall=precision_recall_curves(
            quotes, {p.id: p.no_answer_score for p in predictions}
        ),
        no_answer={
            name: histogram(null[rows])
            for name, rows in (("hasAns", ~impossible), ("noAns", impossible))
            if rows.any()
        },
        outcomes=outcomes,
        raw=raw,
        slices=slices(examples, said),
        mistakes=_mistakes(examples, predictions, said, outcomes["decisions"]),
    )


def score_columns(marks: Sequence[QuestionScore]) -> dict[str, Floats]:
    """Marks as columns of percents for `estimates`, by the official keys and `avna`."""
    has_answer = np.array([mark.has_answer for mark in marks])
    columns = {}
    for prefix, rows in (
        ("", np.ones_like(has_answer)),
        ("HasAns_", has_answer),
        ("NoAns_", ~has_answer),
    ):
        for name in ("exact", "f1"):
            values = np.array([100.0 * getattr(mark, name) for mark in marks])
            if rows.any():
                columns[f"{prefix}{name}"] = np.where(rows, values, np.nan)
    columns["avna"] = np.array([100.0 * (mark.answered == mark.has_answer) for mark in marks])
    return columns


def _mistakes(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    said: Sequence[QuestionScore],
    decisions: Outcomes,
) -> tuple[Mistake, ...]:
    """The surest of the wrong decisions, and of each kind; among equals in the data's order."""
    order = np.argsort(-decisions.confidence, kind="stable")
    wrong = [
        Mistake(
            examples[row],
            predictions[row].answers[0] if predictions[row].answers else None,
            said[row].answered,
            float(decisions.confidence[row]),
            said[row].f1,
        )
        for row in order[~decisions.right[order]].tolist()
    ]
    kept, seen = [], Counter[str]()
    for rank, mistake in enumerate(wrong):
        if rank < MISTAKES or seen[mistake.kind] < OF_EACH_KIND:
            kept.append(mistake)
            seen[mistake.kind] += 1
    return tuple(kept)
