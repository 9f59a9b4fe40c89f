"""Compares two readers on the same questions: paired differences with confidence intervals.

Knows examples, answers and their scores, not models.

    comparison = compare(examples, Answers.of_file(examples, "a.json"), b)
    comparison.difference["f1"].low          # of B minus A
    comparison.sentence("small", "tiny")
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullquote.errors import DataError
from pullquote.scoring.analysis import score_columns
from pullquote.scoring.bootstrap import FEWEST, Estimate, estimates
from pullquote.scoring.predictions import load_predictions
from pullquote.scoring.squad import QuestionScore, score_questions
from pullquote.types import Example


@dataclass(frozen=True, slots=True)
class Answers:
    """One reader's answers to the examples, in their order, and the score of each."""

    texts: tuple[str, ...]
    """"" for no answer."""
    scores: tuple[QuestionScore, ...]

    @classmethod
    def of_file(cls, examples: Sequence[Example], path: str | os.PathLike[str]) -> Answers:
        """Read and score a prediction file. Raises `DataError` where a prediction is missing."""
        predictions = load_predictions(path)
        missing = [example.id for example in examples if example.id not in predictions]
        if missing:
            raise DataError(
                f"{path}: {len(missing):,} of {len(examples):,} questions have no prediction "
                f"(first: {missing[0]!r}); a comparison needs both readers' answers to all of them"
            )
        return cls(
            tuple(predictions[example.id] for example in examples),
            tuple(score_questions(examples, predictions)),
        )


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question that one reader answers right (exact match) and the other wrong."""

    example: Example
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both readers' scores in percent, with intervals, by the keys of `score_columns`."""

    a: dict[str, Estimate]
    b: dict[str, Estimate]
    difference: dict[str, Estimate]
    """B minus A: the mean of the differences of their scores per question."""
    both_right: int
    both_wrong: int
    only_a: tuple[Disagreement, ...]
    only_b: tuple[Disagreement, ...]

    def sentence(self, a: str, b: str) -> str:
        """Says in one sentence whether the difference in F1 is more than chance.

        `a` and `b` are the readers' names. Chance means the choice of paragraphs, not the seed of a
        training run.
        """
        f1 = self.difference["f1"]
        if f1.low is None or f1.high is None:
            return (
                f"Whether the difference is more than chance cannot be said: that takes questions "
                f"on at least {FEWEST} paragraphs."
            )
        if f1.low == f1.high == 0.0:
            return "There is no difference in F1."
        interval = f"the 95 % interval of B - A, {f1.low:+.2f} to {f1.high:+.2f}"
        if not f1.excludes_zero:
            return f"The difference in F1, {f1.value:+.2f}, may be chance: {interval}, holds 0."
        better, worse = (b, a) if f1.value > 0 else (a, b)
        return (
            f"{better} is better than {worse} by {abs(f1.value):.2f} points of F1, which is more "
            f"than chance: {interval}, is all on one side of 0."
        )


def compare(examples: Sequence[Example], a: Answers, b: Answers) -> Comparison:
    """Compare two readers' answers to the same examples.

    Intervals resample paragraphs, the same ones for both readers. Raises `DataError` without
    examples.

    >>> from pullquote import Example, Reader, Span
    >>> from pullquote.reading.evaluate import evaluate
    >>> from pullquote.scoring.compare import compare
    >>> context = "The Norse, led by Rollo, came by sea."
    >>> examples = [Example("1", "Who led the Norse?", context, (Span("Rollo", 18, 23),))]
    >>> small, tiny = (evaluate(Reader(name), examples) for name in ("small", "tiny"))
    >>> comparison = compare(examples, small.answers, tiny.answers)
    >>> comparison.both_right, comparison.difference["f1"].value
    (1, 0.0)
    """
    if not examples:
        raise DataError("there are no questions to compare on")
    contexts = [example.context for example in examples]
    columns = [score_columns(answers.scores) for answers in (a, b)]
    # On any resample, the mean of the differences is the difference of the means. So a bootstrap
    # over a column of differences is a paired one.
    difference = {name: columns[1][name] - columns[0][name] for name in columns[0]}
    exact = [[bool(score.exact) for score in answers.scores] for answers in (a, b)]
    right = np.array(exact)  # (2, N)

    def disagreements(rows: NDArray[np.bool_]) -> tuple[Disagreement, ...]:
        return tuple(
            Disagreement(examples[row], a.texts[row], b.texts[row])
            for row in np.flatnonzero(rows).tolist()
        )

    return Comparison(
        a=estimates(columns[0], contexts),
        b=estimates(columns[1], contexts),
        difference=estimates(difference, contexts),
        both_right=int((right[0] & right[1]).sum()),
        both_wrong=int((~right[0] & ~right[1]).sum()),
        only_a=disagreements(right[0] & ~right[1]),
        only_b=disagreements(right[1] & ~right[0]),
    )
