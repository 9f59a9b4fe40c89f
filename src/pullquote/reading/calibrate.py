"""Fits a reader's calibration, and its threshold for a goal, on labelled data.

Knows a `Reader` and examples; `scoring/calibration.py` has the formulas.

    calibrated = calibrate(Reader("run"), load("tune.json.gz").examples, source="tune.json.gz")
    store_settings("run", calibrated.config)

Questions of a data set are about one paragraph, those of users about long documents. So some
questions are asked again about 4 and about 16 paragraphs of their article, in a random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pullquote.progress import Progress, no_progress, tracked
from pullquote.scoring.calibration import Readings, fit, scores
from pullquote.scoring.operating_points import Goal, OperatingPoint, operating_point
from pullquote.scoring.squad import score_questions
from pullquote.types import Calibration, Example, Prediction, ReaderConfig, Span

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader

PARAGRAPHS = (4, 16)
LONG_QUESTIONS = 400
"""The most questions that are asked again for each number of paragraphs."""
_MIN_F1_ONE_GOLD = 1 / 3
"""A quote with a higher F1 counts as right where there is a single gold answer.

Annotators choose different borders for the same answer, so a quote with a third of the words of one
gold answer is often exactly another annotator's answer. With several gold answers, F1 must be above
0.5 for one of them (`QuestionScore.right`).
"""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The result of `calibrate`: settings with the fitted values."""

    config: ReaderConfig
    point: OperatingPoint | None
    """The threshold that was chosen for the goal; None without a goal."""


def calibrate(
    reader: Reader,
    examples: Sequence[Example],
    *,
    source: str = "",
    goal: Goal | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Calibrated:
    """Fit the reader's calibration on data that it was not trained on.

    `goal` also chooses the threshold. `source` names the data in the settings. `progress` counts
    questions. Raises `DataError` for data with fewer than 20
    answerable or unanswerable questions, and for a goal that cannot be reached.

    >>> from pullquote import Reader  # doctest: +SKIP
    >>> from pullquote.data import load  # doctest: +SKIP
    >>> from pullquote.reading.calibrate import calibrate  # doctest: +SKIP
    >>> examples = load("held-out.json").examples  # doctest: +SKIP
    >>> config = calibrate(Reader(), examples).config  # doctest: +SKIP
    """
    asked = [*examples, *long_texts(examples, seed)]
    answers = reader.answer_all(asked, top_k=reader.config.n_best_size)
    predictions = list(tracked(answers, len(asked), "answering", progress))
    # blank texts have no quotes to fit anything on
    rows = [row for row, prediction in enumerate(predictions) if prediction.answers]
    outputs = readings([predictions[row] for row in rows])
    question_scores = score_questions(
        [asked[row] for row in rows],
        {predictions[row].id: predictions[row].best_text for row in rows},
    )
    right = [
        score.right
        if len(asked[row].answers) > 1
        else score.has_answer and score.f1 > _MIN_F1_ONE_GOLD
        for row, score in zip(rows, question_scores, strict=True)
    ]
    calibration = fit(outputs, right, [score.has_answer for score in question_scores])
    calibration = replace(calibration, fitted_on=described(source, "likelihood", examples))
    config = replace(reader.config, calibration=calibration)
    point = None
    if goal:
        given = sum(row < len(examples) for row in rows)  # without the long texts after them
        point = operating_point(goal, question_scores[:given], outputs.null_score_diff[:given])
        config = replace(
            config,
            no_answer_threshold=point.threshold,
            threshold_fitted_on=described(source, str(goal), examples),
        )
    return Calibrated(config, point)


def described(source: str, what: str, examples: Sequence[Example]) -> str:
    """A description of the data and of what was fitted on it, for `reader.json`."""
    unanswerable = sum(example.is_impossible for example in examples)
    return (
        f"{Path(source).name}: {what} over {len(examples):,} questions, {unanswerable:,} of "
        "them unanswerable, both kinds weighted equally"
    )


def readings(predictions: Sequence[Prediction]) -> Readings:
    """The uncalibrated outputs behind predictions that have all their quotes."""
    max_quotes = max((len(p.answers) for p in predictions), default=0)
    logits = np.full((len(predictions), max_quotes), -np.inf)  # (N, K)
    for row, prediction in zip(logits, predictions, strict=True):
        row[: len(prediction.answers)] = [a.start_logit + a.end_logit for a in prediction.answers]
    return Readings(
        np.array([prediction.null_score_diff for prediction in predictions]),
        logits,
        np.array([prediction.windows for prediction in predictions]),
    )


def recalibrated(calibration: Calibration, predictions: Sequence[Prediction]) -> list[Prediction]:
    """The same predictions with the scores of another calibration.

    Needs predictions with all of the model's `n_best_size` quotes: the softmax is over all of them.

        recalibrated(Calibration(), predictions)       # the raw softmax
    """
    rows = [row for row, prediction in enumerate(predictions) if prediction.answers]
    outputs = readings([predictions[row] for row in rows])
    changed = list(predictions)  # a blank text has no answer under any calibration
    if not rows:
        return changed
    null, quotes = scores(calibration, outputs)
    for row, p, quote_scores in zip(rows, null.tolist(), quotes.tolist(), strict=True):
        prediction = predictions[row]
        answers = tuple(
            replace(answer, score=score)
            # not strict: rows are padded with zeros
            for answer, score in zip(prediction.answers, quote_scores, strict=False)
        )
        answer = answers[0] if prediction.answer else None
        changed[row] = replace(prediction, answer=answer, answers=answers, no_answer_score=p)
    return changed


def long_texts(examples: Sequence[Example], seed: int = 0) -> list[Example]:
    """Some of the questions, each on 4 and on 16 paragraphs of its article (its `title`).

    Articles with fewer paragraphs are used whole; those with one paragraph are left out.
    """
    paragraphs: dict[str, dict[str, None]] = {}
    for example in examples:
        paragraphs.setdefault(example.title, {})[example.context] = None
    random = np.random.default_rng(seed)
    eligible = [e for e in examples if e.title and len(paragraphs[e.title]) > 1]
    long_examples = []
    for count in PARAGRAPHS:
        for index in random.permutation(len(eligible))[:LONG_QUESTIONS]:
            example = eligible[index]
            others = [text for text in paragraphs[example.title] if text != example.context]
            chosen = random.permutation(len(others))[: count - 1]
            long_examples.append(_among(example, [others[i] for i in chosen], count, random))
    return long_examples


def _among(
    example: Example, others: Sequence[str], count: int, random: np.random.Generator
) -> Example:
    """The example with its paragraph at a random position among others, and moved answers."""
    position = int(random.integers(len(others) + 1))
    before = "".join(f"{text}\n\n" for text in others[:position])
    after = "".join(f"\n\n{text}" for text in others[position:])
    answers = tuple(
        Span(a.text, a.start + len(before), a.end + len(before)) for a in example.answers
    )
    return replace(
        example,
        id=f"{example.id} among {count}",
        context=f"{before}{example.context}{after}",
        answers=answers,
    )
