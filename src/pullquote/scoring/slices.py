"""Scores by kind of question: by its question word, by the length of answer and of context.

Knows examples and marks.

    question_word("In what year did Rollo come?")      # "what"
    for division, kinds in slices(examples, marks).items(): ...

Each question is of exactly one kind in each division, so that the kinds add up to all questions.
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
# The longest of each class, in words; a last class has whatever is longer.
_ANSWERS = (1, 2, 3, 5, 10)
_CONTEXTS = (50, 100, 150, 200, 300, 500, 1000, 5000)


@dataclass(frozen=True, slots=True)
class Slice:
    """One kind of question; scores in percent."""

    name: str
    f1: Estimate
    exact: Estimate
    has_answer_f1: Estimate | None
    """Over its answerable questions alone; `None` when there are none."""
    no_answer_f1: Estimate | None


def question_word(question: str) -> str:
    """The first question word, one of `WORDS`.

    >>> question_word("To whom did the king give land?"), question_word("Name the river.")
    ('who', 'other')
    """
    found = _WORD.search(" ".join(question.lower().split()))
    return _SAME.get(found[1], found[1]) if found else "other"


def answer_length(example: Example) -> str:
    """The class of its shortest gold answer, in words."""
    if example.is_impossible:
        return NO_ANSWER
    shortest = min(len(answer.text.split()) for answer in example.answers)
    return _name(bisect_left(_ANSWERS, shortest), _ANSWERS)


def context_length(example: Example) -> str:
    """The class of its context, in words."""
    return _name(bisect_left(_CONTEXTS, len(example.context.split())), _CONTEXTS)


def _name(index: int, longest: Sequence[int]) -> str:
    """What a class is called: "1", "4 to 5", "over 10"."""
    if index == len(longest):
        return f"over {longest[-1]:,}"
    low, high = longest[index - 1] + 1 if index else 1, longest[index]
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"


# A division: its name, its kinds in order, and the kind of an example.
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
    examples: Sequence[Example], marks: Sequence[QuestionScore]
) -> dict[str, tuple[Slice, ...]]:
    """Each division's kinds in order, those without questions left out.

    `marks` (N,) are of what the reader said in the end. Paragraphs are resampled for intervals.
    """
    exact = np.array([100.0 * mark.exact for mark in marks])
    f1 = np.array([100.0 * mark.f1 for mark in marks])
    has_answer = np.array([mark.has_answer for mark in marks])
    # one bootstrap for all kinds, since the resamples are what takes time
    columns = {}
    for division, _, kind_of in _DIVISIONS:
        kinds = np.array([kind_of(example) for example in examples])
        for kind in np.unique(kinds).tolist():
            of_kind = kinds == kind
            columns[division, kind, "f1"] = np.where(of_kind, f1, np.nan)
            columns[division, kind, "exact"] = np.where(of_kind, exact, np.nan)
            for name, rows in (("HasAns", has_answer), ("NoAns", ~has_answer)):
                if (of_kind & rows).any():
                    columns[division, kind, name] = np.where(of_kind & rows, f1, np.nan)
    found = estimates(columns, [example.context for example in examples])
    return {
        division: tuple(
            Slice(
                kind,
                found[division, kind, "f1"],
                found[division, kind, "exact"],
                found.get((division, kind, "HasAns")),
                found.get((division, kind, "NoAns")),
            )
            for kind in order
            if (division, kind, "f1") in found
        )
        for division, order, _ in _DIVISIONS
    }
