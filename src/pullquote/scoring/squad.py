"""The official arithmetic of SQuAD 2.0: exact match, F1, thresholded scores, best thresholds.

Knows strings and numbers, never a model. The same numbers as evaluate-v2.0.py (Rajpurkar et al.,
2018, https://arxiv.org/abs/1806.03822) to the last digit, and a warning where those mislead.

    score(examples, {"56ddde6b9a695914005b9628": "France"}).f1
"""

from __future__ import annotations

import math
import re
import string
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pullquote.errors import DataError, InputError, PullquoteWarning
from pullquote.scoring.thresholds import BestThreshold, best_threshold
from pullquote.types import Example

_PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII: “quotes” and dashes stay
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and surplus spaces.

    >>> from pullquote.scoring.squad import normalize_answer
    >>> normalize_answer("The  U.S. (an ally)")
    'us ally'

    The order matters: punctuation goes first and glues, so "the-end" is "theend", not "end".
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, gold: str) -> int:
    """1 if both are the same once normalised, else 0."""
    return int(normalize_answer(prediction) == normalize_answer(gold))


def f1_score(prediction: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the words of the normalised texts.

    >>> f1_score("the big red dog", "red dog")  # precision 2/3, recall 2/2
    0.8

    Words count as often as they occur. With no words on either side it is 1 if both have none.
    """
    return _f1(normalize_answer(prediction).split(), normalize_answer(gold).split())


def _f1(prediction: list[str], gold: list[str]) -> float:
    if not prediction or not gold:
        return float(prediction == gold)
    same = (Counter(prediction) & Counter(gold)).total()
    if not same:
        return 0.0
    # not 2 * same / (words of both), which is equal but for the last digit
    precision, recall = same / len(prediction), same / len(gold)
    return (2 * precision * recall) / (precision + recall)


@dataclass(frozen=True, slots=True)
class QuestionScore:
    """One prediction against its gold answers: the best over them, in [0, 1], no threshold."""

    id: str
    has_answer: bool
    answered: bool  # the prediction is not ""
    exact: float
    f1: float

    @property
    def right(self) -> bool:
        """Whether a quote gives the answer: it shares most words with a gold one (F1 above 0.5).

        What probabilities are about. Exact match depends on how many gold answers a data set
        gives (SQuAD 2.0: one in train, three or more in dev), since people cut the same answer
        differently.
        """
        return self.has_answer and self.f1 > 0.5


@dataclass(frozen=True, slots=True)
class MeanScores:
    """Exact match and F1 in percent over `total` questions."""

    exact: float
    f1: float
    total: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What evaluate-v2.0.py prints, and what it leaves out; all scores in percent."""

    exact: float
    f1: float
    total: int
    avna: float
    """Answer vs. no answer: how often the choice to answer at all was right (Stanford CS224N)."""
    has_answer: MeanScores | None
    """The answerable questions alone; `None` when there are none."""
    no_answer: MeanScores | None
    """The unanswerable questions alone; `None` when there are none."""
    best_exact: BestThreshold | None = None
    """`None` without no-answer probabilities."""
    best_f1: BestThreshold | None = None
    empty: int = 0
    """Predictions that are "" before any threshold; `best_*` cannot turn these into answers."""
    missing: tuple[str, ...] = ()
    """Questions without a prediction: left out of every number above."""
    unknown: tuple[str, ...] = ()
    """Predictions for questions that are not there: ignored."""

    def as_dict(self) -> dict[str, float | int]:
        """The official keys in the official order; blocks that do not apply are absent."""
        result = {"exact": self.exact, "f1": self.f1, "total": self.total}
        for prefix, marks in (("HasAns", self.has_answer), ("NoAns", self.no_answer)):
            if marks:
                result[f"{prefix}_exact"] = marks.exact
                result[f"{prefix}_f1"] = marks.f1
                result[f"{prefix}_total"] = marks.total
        for name, best in (("best_exact", self.best_exact), ("best_f1", self.best_f1)):
            if best:
                result[name] = best.score
                result[f"{name}_thresh"] = best.threshold
        return result


def score_questions(
    golds: Iterable[Example], predictions: Mapping[str, str]
) -> list[QuestionScore]:
    """Score each question that has a prediction, in the order of `golds`.

    What a threshold is fitted on, with predictions that never abstain:

        marks = score_questions(examples, quotes)
        fit_threshold([m.f1 for m in marks], [m.has_answer for m in marks],
                      [null_score_diff[m.id] for m in marks])

    Gold answers that normalise to nothing ("The") do not count; a question left with none is
    scored against "" but stays answerable, as officially. Raises `DataError` for an id used twice.
    """
    scores, seen = [], set()
    for example in golds:
        if example.id in seen:
            raise DataError(f"two questions have the id {example.id!r}: ids must differ")
        seen.add(example.id)
        if (prediction := predictions.get(example.id)) is None:
            continue
        normal = normalize_answer(prediction)
        answers = {normalize_answer(answer.text) for answer in example.answers} - {""} or {""}
        scores.append(
            QuestionScore(
                id=example.id,
                has_answer=not example.is_impossible,
                answered=prediction != "",
                exact=float(normal in answers),
                f1=max(_f1(normal.split(), answer.split()) for answer in answers),
            )
        )
    return scores


def score(
    golds: Sequence[Example],
    predictions: Mapping[str, str],
    *,
    no_answer_probabilities: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> Scores:
    """Score predictions (id to text, "" for no answer) as evaluate-v2.0.py does.

    >>> from pullquote import Example, Span
    >>> from pullquote.scoring.squad import score
    >>> golds = [Example("1", "Who?", "Rollo came.", (Span("Rollo", 0, 5),)), Example("2", "?", "")]
    >>> score(golds, {"1": "rollo!", "2": "by sea"}).as_dict()["exact"]
    50.0

    A question with a probability above `threshold` counts as not answered, whatever its
    prediction; `best_*` search all thresholds. Questions without a prediction shrink `total`:
    look at `missing`. (The official script means to do so but ends in a KeyError.)

    Raises `DataError` when no question has a prediction, two share an id, or a predicted one lacks
    its probability; warns (`PullquoteWarning`) where the official numbers would mislead.
    """
    questions = score_questions(golds, predictions)
    if not questions:
        raise DataError(
            f"none of the {len(golds)} questions is among the {len(predictions)} predictions: "
            "are these the predictions for this data? Expected the same ids in both"
        )
    final = questions
    best: dict[str, BestThreshold] = {}
    scored = {question.id: question for question in questions}
    if no_answer_probabilities is None and threshold != 1.0:
        raise InputError(f"threshold {threshold} has no no-answer probabilities to apply to")
    if no_answer_probabilities is not None:
        _check_probabilities(questions, no_answer_probabilities, threshold)
        final = at_threshold(questions, no_answer_probabilities, threshold)
        # In the file's order, in which equal values are summed. What an empty prediction is worth
        # is official too: "the" for an unanswerable question is an exact match (it normalises to
        # "", as above), yet costs a point in this search because it is not "".
        ranked = [scored[id] for id in no_answer_probabilities if id in scored]
        for name in ("exact", "f1"):
            best[f"best_{name}"] = best_threshold(
                [getattr(q, name) if q.has_answer else not q.answered for q in ranked],
                [q.has_answer for q in ranked],
                [no_answer_probabilities[q.id] for q in ranked],
            )
    overall = _marks(final)
    return Scores(
        exact=overall.exact,
        f1=overall.f1,
        total=overall.total,
        avna=_percent([float(q.answered == q.has_answer) for q in final]),
        has_answer=_marks(has) if (has := [q for q in final if q.has_answer]) else None,
        no_answer=_marks(no) if (no := [q for q in final if not q.has_answer]) else None,
        **best,
        empty=sum(not q.answered for q in questions),
        missing=tuple(example.id for example in golds if example.id not in scored),
        unknown=tuple(id for id in predictions if id not in scored),
    )


def at_threshold(
    questions: Sequence[QuestionScore], no_answer_values: Mapping[str, float], threshold: float
) -> list[QuestionScore]:
    """What the questions score when those with a value above `threshold` are not answered."""
    return [_abstain(q) if no_answer_values[q.id] > threshold else q for q in questions]


def _check_probabilities(
    questions: list[QuestionScore], probabilities: Mapping[str, float], threshold: float
) -> None:
    """Raise for what cannot be applied; warn about the two traps of the official script."""
    if math.isnan(threshold):
        raise InputError("threshold is NaN, expected a number")
    if lost := [q.id for q in questions if q.id not in probabilities]:
        raise DataError(
            f"{len(lost)} of {len(questions)} predicted questions have no no-answer probability "
            f"(first: {lost[0]!r}): expected one for each"
        )
    outside = [q.id for q in questions if not 0 <= probabilities[q.id] <= 1]
    if outside and threshold == 1.0:
        warnings.warn(
            f"{len(outside)} no-answer values lie outside [0, 1] (first: {outside[0]!r} with "
            f"{probabilities[outside[0]]}): these look like null_odds, not probabilities, and "
            "exact and f1 abstain wherever they exceed 1.0. Pass the threshold the model was "
            "fitted with, or turn odds d into probabilities 1 / (1 + exp(-d))",
            PullquoteWarning,
            stacklevel=3,
        )
    if empty := sum(not q.answered for q in questions):
        warnings.warn(
            f"{empty} of {len(questions)} predictions are already empty, and no threshold can turn "
            "them into answers: best_exact and best_f1 may be lower than what the model can reach. "
            'To find the best threshold, predict the best quote for every question, never ""',
            PullquoteWarning,
            stacklevel=3,
        )


def _abstain(question: QuestionScore) -> QuestionScore:
    right = float(not question.has_answer)
    return replace(question, answered=False, exact=right, f1=right)


def _marks(questions: list[QuestionScore]) -> MeanScores:
    exact, f1 = _percent([q.exact for q in questions]), _percent([q.f1 for q in questions])
    return MeanScores(exact, f1, len(questions))


def _percent(values: list[float]) -> float:
    # Added from left to right with plain rounding, as the published numbers were: from Python 3.12
    # on, sum() corrects its rounding errors and differs in the last digit.
    total = 0.0
    for value in values:
        total += value
    return 100.0 * total / len(values)
