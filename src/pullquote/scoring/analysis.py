"""Error analysis: confidence intervals, precision-recall curves, scores by question type, errors.

Knows examples and predictions, not models. `scoring/report.py` draws and writes the results.

    analysis = analyse(examples, predictions, decision=Decision(0.5))
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
from pullquote.scoring.squad import QuestionScore, decided, score_questions
from pullquote.settings import Decision
from pullquote.types import Answer, Example, Prediction

MISTAKES = 50
OF_EACH_KIND = 10
"""At least this many errors of each kind are kept, even where the fifty most confident are all of
another kind: a reader may be more confident when it abstains than it ever is of a quote."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong decision: a wrong quote, a quote where there is no answer, or a missed answer."""

    example: Example
    quote: Answer | None
    """The best quote, whether or not the reader abstained; `None` for a blank text."""
    answered: bool
    confidence: float
    """The probability that the reader gave to its decision."""
    f1: float
    """F1 of the decision, in [0, 1]."""

    @property
    def kind(self) -> str:
        """`quote` (a wrong quote), `invented` (the question has no answer) or `abstained`."""
        if not self.answered:
            return "abstained"
        return "invented" if self.example.is_impossible else "quote"


@dataclass(frozen=True, slots=True)
class Analysis:
    """The numbers that the report shows; scores in percent."""

    decision: Decision
    paragraphs: int
    """Number of distinct contexts, which the bootstrap resamples."""
    scores: dict[str, Estimate]
    """`exact` and `f1`, with the prefixes `HasAns_` and `NoAns_` where there are such questions,
    and `avna`."""
    precision_recall: dict[str, PrecisionRecall]
    """`exact`, `f1` and `oracle`; empty where no question is answerable."""
    no_answer: dict[str, Floats]
    """Histograms of the no-answer score, `hasAns` and `noAns` where there are such questions."""
    outcomes: dict[str, Outcomes]
    """Confidence and correctness of decisions, quotes and abstentions: see `outcomes_of`."""
    raw: dict[str, Outcomes] | None
    """`outcomes` before calibration; `None` where calibration changes nothing."""
    slices: dict[str, tuple[Slice, ...]]
    """Scores by question type: see `scoring/slices.py`."""
    mistakes: tuple[Mistake, ...]
    """The fifty most confident errors, and the ten most confident of each kind; sorted by
    confidence, highest first."""


def analyse(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    decision: Decision,
    uncalibrated: Sequence[Prediction] = (),
) -> Analysis:
    """Analyse predictions; there is one for each example, in the same order.

    `decision` decided them. `uncalibrated` are the same predictions with their raw scores. Raises
    `DataError` without examples, and for two with the same id.
    """
    quotes = score_questions(examples, {p.id: p.best_text for p in predictions})
    answered = np.array([p.answer is not None for p in predictions])
    decisions = decided(quotes, answered)
    outcomes = outcomes_of(predictions, quotes)
    raw = outcomes_of(uncalibrated, quotes) if uncalibrated else None
    if raw and all(np.allclose(raw[k].confidence, outcomes[k].confidence) for k in outcomes):
        raw = None
    null = np.array([p.no_answer_score for p in predictions])
    impossible = np.array([example.is_impossible for example in examples])
    return Analysis(
        decision=decision,
        paragraphs=len({example.context for example in examples}),
        scores=estimates(score_columns(decisions), [example.context for example in examples]),
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
        slices=slices(examples, decisions),
        mistakes=_mistakes(examples, predictions, decisions, outcomes["decisions"]),
    )


def score_columns(question_scores: Sequence[QuestionScore]) -> dict[str, Floats]:
    """Columns (N,) in percent for `estimates`, named by the official keys and `avna`.

    NaN marks questions that are not part of a column, such as answerable ones in `NoAns_f1`.
    """
    has_answer = np.array([score.has_answer for score in question_scores])
    columns = {}
    for prefix, rows in (
        ("", np.ones_like(has_answer)),
        ("HasAns_", has_answer),
        ("NoAns_", ~has_answer),
    ):
        for name in ("exact", "f1"):
            values = np.array([100.0 * getattr(score, name) for score in question_scores])
            if rows.any():
                columns[f"{prefix}{name}"] = np.where(rows, values, np.nan)
    columns["avna"] = np.array(
        [100.0 * (score.answered == score.has_answer) for score in question_scores]
    )
    return columns


def _mistakes(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    decisions: Sequence[QuestionScore],
    outcomes: Outcomes,
) -> tuple[Mistake, ...]:
    """The most confident wrong decisions, overall and of each kind; ties in the data's order."""
    order = np.argsort(-outcomes.confidence, kind="stable")
    wrong = [
        Mistake(
            examples[row],
            predictions[row].answers[0] if predictions[row].answers else None,
            decisions[row].answered,
            float(outcomes.confidence[row]),
            decisions[row].f1,
        )
        for row in order[outcomes.right[order] < 0.5].tolist()
    ]
    kept, seen = [], Counter[str]()
    for rank, mistake in enumerate(wrong):
        if rank < MISTAKES or seen[mistake.kind] < OF_EACH_KIND:
            kept.append(mistake)
            seen[mistake.kind] += 1
    return tuple(kept)
