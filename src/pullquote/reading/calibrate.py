"""Fits a reader's calibration, and how it decides, on labelled data.

Knows a `Reader` and examples; `scoring/calibration.py` has the formulas.

    calibrated = calibrate(Reader("run"), load("tune.json.gz").examples, source="tune.json.gz")
    store_settings("run", calibrated.config)

Questions of a data set are about one paragraph, those of users about long documents. So some
questions are asked again about 4 and about 16 paragraphs of their article, in a random order.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pullquote.errors import DataError
from pullquote.progress import Progress, no_progress, tracked
from pullquote.reading.decode import NEAREST
from pullquote.scoring.arrays import Floats
from pullquote.scoring.calibration import Readings, check_kinds, fit, probabilities_of
from pullquote.scoring.calibration_metrics import expected_calibration_error
from pullquote.scoring.operating_points import (
    Goal,
    OperatingPoint,
    best_answerable,
    operating_point,
)
from pullquote.scoring.squad import agreement, score_questions
from pullquote.settings import Calibration, ReaderConfig
from pullquote.types import Example, Prediction, Span

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader

PARAGRAPHS = (4, 16)
LONG_QUESTIONS = 400
"""The most questions that are asked again for each number of paragraphs."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The result of `calibrate`: settings with the fitted values."""

    config: ReaderConfig
    point: OperatingPoint | None
    """The threshold that was chosen for the goal; None without a goal."""
    errors: tuple[float, float]
    """The expected calibration error on the data, before and after, of "the best quote is right" or
    "there is no answer", whichever is likelier for the data's own share of answerable questions."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The result of `choose_answerable`: settings, and what they do on the data."""

    config: ReaderConfig
    right: int
    wrong: int
    """A wrong quote, or a quote where there is no answer."""
    abstained: int


def calibrate(
    reader: Reader,
    examples: Sequence[Example],
    *,
    source: str = "",
    goal: Goal | None = None,
    predictions: Sequence[Prediction] = (),
    seed: int = 0,
    progress: Progress = no_progress,
) -> Calibrated:
    """Fit the reader's calibration on data that it was not trained on.

    `goal` also chooses the threshold, which then decides. `source` names the data in the settings.
    `predictions` of the examples, with five quotes each, spare asking them again. `progress` counts
    questions. Raises `DataError` for data with fewer than 20 answerable or unanswerable questions,
    and for a goal that cannot be reached.

    >>> from pullquote import Reader  # doctest: +SKIP
    >>> from pullquote.data import load  # doctest: +SKIP
    >>> from pullquote.reading.calibrate import calibrate  # doctest: +SKIP
    >>> examples = load("held-out.json").examples  # doctest: +SKIP
    >>> config = calibrate(Reader(), examples).config  # doctest: +SKIP
    """
    check_kinds([not example.is_impossible for example in examples])
    more = long_texts(examples, seed)
    asked = [*more] if predictions else [*examples, *more]
    answers = tracked(reader.answer_all(asked, top_k=NEAREST), len(asked), "answering", progress)
    pairs = list(zip([*examples, *more], [*predictions, *answers], strict=True))
    # blank texts have no quotes to fit anything on
    read = [(example, prediction) for example, prediction in pairs if prediction.answers]
    outputs = readings([prediction for _, prediction in read])
    has_answer = [not example.is_impossible for example, _ in read]
    calibration = replace(
        fit(outputs, agreements(read), has_answer),
        fitted_on=described(source, "likelihood", examples),
    )
    config = replace(reader.config, calibration=calibration)
    short = read[: sum(bool(prediction.answers) for _, prediction in pairs[: len(examples)])]
    before, after = (_error(one, short) for one in (reader.config.calibration, calibration))
    if goal is None:
        return Calibrated(config, None, (before, after))
    scores = score_questions([e for e, _ in short], {p.id: p.best_text for _, p in short})
    point = operating_point(goal, scores, outputs.null_score_diff[: len(short)])
    config = replace(
        config,
        no_answer_threshold=point.threshold,
        threshold_fitted_on=described(source, str(goal), examples),
        answerable=None,
        answerable_chosen_on="",
    )
    return Calibrated(config, point, (before, after))


def _error(calibration: Calibration, read: Sequence[tuple[Example, Prediction]]) -> float:
    """See `Calibrated.errors`."""
    impossible = np.array([example.is_impossible for example, _ in read])
    outputs = readings([prediction for _, prediction in read])
    p = probabilities_of(calibration, outputs, answerable=float(1 - impossible.mean()))
    quote = p.quotes[:, 0]
    right = np.where(p.none > quote, impossible, agreements(read)[:, 0])
    return expected_calibration_error(np.maximum(p.none, quote), right)


def choose_answerable(
    reader: Reader,
    examples: Sequence[Example],
    *,
    config: ReaderConfig | None = None,
    source: str = "",
    progress: Progress = no_progress,
) -> Chosen:
    """The reader's settings with the `answerable` that suits data which looks like its use.

    `config` are the settings to choose it for, in place of the reader's. `best_answerable` has the
    rule: right minus wrong answers. It is near the true share where the data is like what the
    calibration was fitted on. Raises `DataError` without examples.

    >>> from pullquote import Reader  # doctest: +SKIP
    >>> from pullquote.data import load  # doctest: +SKIP
    >>> from pullquote.reading.calibrate import choose_answerable  # doctest: +SKIP
    >>> chosen = choose_answerable(Reader(), load("questions.csv").examples)  # doctest: +SKIP
    >>> chosen.config.answerable, chosen.right, chosen.wrong  # doctest: +SKIP
    (0.75, 61, 6)
    """
    if not examples:
        raise DataError("there are no questions to choose answerable on")
    if all(example.is_impossible for example in examples):
        raise DataError(
            f"none of the {len(examples):,} questions has an answer, so that answerable cannot be "
            "chosen on them"
        )
    reader = copy.copy(reader)
    reader.config = config or reader.config
    answers = reader.answer_all(examples, answerable=0.5)
    predictions = list(tracked(answers, len(examples), "answering", progress))
    scores = score_questions(examples, {p.id: p.best_text for p in predictions})
    right = np.array([score.right for score in scores])
    log_odds = np.array([p.decision_value for p in predictions])
    best = best_answerable(right, log_odds)
    answered = log_odds <= math.log(best / (1 - best))
    given = int(answered.sum())
    good = int((answered & right).sum())
    found = sum(not example.is_impossible for example in examples)
    chosen = replace(
        reader.config,
        answerable=best,
        answerable_chosen_on=(
            f"{Path(source).name}: most right minus wrong answers over {len(examples):,} "
            f"questions, {found:,} of them answerable"
        ),
    )
    return Chosen(chosen, good, given - good, len(examples) - given)


def described(source: str, what: str, examples: Sequence[Example]) -> str:
    """A description of the data and of what was fitted on it, for `reader.json`."""
    unanswerable = sum(example.is_impossible for example in examples)
    return (
        f"{Path(source).name}: {what} over {len(examples):,} questions, {unanswerable:,} of "
        "them unanswerable, both kinds weighted equally"
    )


def readings(predictions: Sequence[Prediction]) -> Readings:
    """The uncalibrated outputs behind predictions; each has a quote at least."""
    most = max((len(p.answers) for p in predictions), default=0)
    logits = np.full((len(predictions), most), -np.inf)  # (N, K)
    for row, prediction in zip(logits, predictions, strict=True):
        row[: len(prediction.answers)] = [a.start_logit + a.end_logit for a in prediction.answers]
    return Readings(
        np.array([prediction.null_score_diff for prediction in predictions]),
        np.array([prediction.share for prediction in predictions]),
        logits,
        np.array([float(prediction.windows) for prediction in predictions]),
    )


def agreements(read: Sequence[tuple[Example, Prediction]]) -> Floats:
    """The share of annotators who agree with each quote, (N, K)."""
    most = max((len(prediction.answers) for _, prediction in read), default=0)
    table = np.zeros((len(read), most))
    for row, (example, prediction) in zip(table, read, strict=True):
        golds = [answer.text for answer in example.answers]
        row[: len(prediction.answers)] = [agreement(a.text, golds) for a in prediction.answers]
    return table


def recalibrated(calibration: Calibration, predictions: Iterable[Prediction]) -> list[Prediction]:
    """The same predictions with the scores of another calibration, and the same decisions.

    recalibrated(Calibration(), predictions)       # the raw softmax
    """
    changed = []
    for prediction in predictions:
        if not prediction.answers:  # a blank text has no answer under any calibration
            changed.append(prediction)
            continue
        p = probabilities_of(calibration, readings([prediction]), answerable=prediction.answerable)
        answers = tuple(
            replace(answer, score=score)
            for answer, score in zip(prediction.answers, p.quotes[0].tolist(), strict=True)
        )
        changed.append(
            replace(
                prediction,
                answer=answers[0] if prediction.answer else None,
                answers=answers,
                no_answer_score=float(p.none[0]),
            )
        )
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
