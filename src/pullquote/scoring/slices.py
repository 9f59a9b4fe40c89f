"""Scores by question type: by question word, by length of the answer and by length of the context.

Knows examples and question scores.

    question_word("In what year did Rollo come?")      # "what"
    for division, parts in slices(examples, question_scores).items(): ...

Each question is in exactly one slice of each division, so the slices add up to all questions.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pullquote.scoring.bootstrap import Estimate, estimates
from pullquote.scoring.squad import QuestionScore
from pullquote.types import Example

WORDS = ("what", "who", "when", "where", "which", "why", "how", "how many/much", "other")
NO_ANSWER = "no answer"

_WORD = re.compile(r"\b(what|whom|whose|who|when|where|which|why|how(?: (?:many|much)\b)?)(?!\w)")
_SAME = {
    "whom": "who",
    "whose": "who",
    "how many": "how many/much",
    "how much": "how many/much",
}
# Upper bounds of the length classes, in words; one more class holds longer texts.
_ANSWERS = (1, 2, 3, 5, 10)
_CONTEXTS = (50, 100, 150, 200, 300, 500, 1000, 5000)


@dataclass(frozen=True, slots=True)
class Slice:
    """The scores of one question type, in percent."""

    name: str
    f1: Estimate
    exact: Estimate
    has_answer_f1: Estimate | None
    """F1 of the answerable questions only; `None` when there are none."""
    no_answer_f1: Estimate | None
    """F1 of the unanswerable questions only; `None` when there are none."""


def question_word(question: str) -> str:
    """The first question word, one of `WORDS`.

    >>> question_word("To whom did the king give land?"), question_word("Name the river.")
    ('who', 'other')
    """
    match = _WORD.search(" ".join(question.lower().split()))
    return _SAME.get(match[1], match[1]) if match else "other"


def answer_length(example: Example) -> str:
    """The length class of the shortest gold answer, in words; `NO_ANSWER` without one."""
    if example.is_impossible:
        return NO_ANSWER
    shortest = min(len(answer.text.split()) for answer in example.answers)
    return _name(bisect_left(_ANSWERS, shortest), _ANSWERS)


def context_length(example: Example) -> str:
    """The length class of the context, in words."""
    return _name(bisect_left(_CONTEXTS, len(example.context.split())), _CONTEXTS)


def _name(index: int, longest: Sequence[int]) -> str:
    """The name of a length class: "1", "4 to 5", "over 10"."""
    if index == len(longest):
        return f"over {longest[-1]:,}"
    low, high = longest[index - 1] + 1 if index else 1, longest[index]
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"


# Divisions: a name, the names of the slices in order, and a function that gives an example's slice.
_DIVISIONS: tuple[tuple[str, Sequence[str], Callable[[Example], str]], ...] = (
    ("question word", WORDS, lambda example: question_word(example.question)),
    (
        "words in the answer",
        [*(_name(index, _ANSWERS) for index in range(len(_ANSWERS) + 1)), NO_ANSWER],
        answer_length,
    ),
    (
        "words in the text",
        [_name(index, _CONTEXTS) for index in range(len(_CONTEXTS) + 1)],
        context_length,
    ),
)


def slices(
    examples: Sequence[Example], question_scores: Sequence[QuestionScore]
) -> dict[str, tuple[Slice, ...]]:
    """The slices of each division in order; those without questions are left out.

    `question_scores` (N,) are those of the final predictions, at a threshold. Intervals resample
    paragraphs.
    """
    exact = np.array([100.0 * score.exact for score in question_scores])
    f1 = np.array([100.0 * score.f1 for score in question_scores])
    has_answer = np.array([score.has_answer for score in question_scores])
    # one bootstrap for all slices, since resampling takes most of the time
    columns = {}
    for division, _, slice_of in _DIVISIONS:
        names = np.array([slice_of(example) for example in examples])
        for name in np.unique(names).tolist():
            inside = names == name
            columns[division, name, "f1"] = np.where(inside, f1, np.nan)
            columns[division, name, "exact"] = np.where(inside, exact, np.nan)
            for key, rows in (("HasAns", has_answer), ("NoAns", ~has_answer)):
                if (inside & rows).any():
                    columns[division, name, key] = np.where(inside & rows, f1, np.nan)
    means = estimates(columns, [example.context for example in examples])
    return {
        division: tuple(
            Slice(
                name,
                means[division, name, "f1"],
                means[division, name, "exact"],
                means.get((division, name, "HasAns")),
                means.get((division, name, "NoAns")),
            )
            for name in order
            if (division, name, "f1") in means
        )
        for division, order, _ in _DIVISIONS
    }
