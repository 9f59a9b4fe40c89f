"""The official SQuAD 2.0 metrics: exact match and F1, at a threshold and at the best threshold.

Knows strings and numbers, not models. Gives the same numbers as evaluate-v2.0.py (Rajpurkar et al.,
2018, https://arxiv.org/abs/1806.03822) to the last digit, and warns where they are misleading.

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
from typing import TYPE_CHECKING

from pullquote.errors import DataError, InputError, PullquoteWarning
from pullquote.scoring.thresholds import BestThreshold, best_threshold
from pullquote.types import Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII: “quotes” and dashes stay
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and repeated spaces.

    >>> from pullquote.scoring.squad import normalize_answer
    >>> normalize_answer("The  U.S. (an ally)")
    'us ally'

    The order matters: punctuation is removed first, so "the-end" becomes "theend", not "end".
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, gold: str) -> int:
    """1 if both are the same once normalised, else 0."""
    return int(normalize_answer(prediction) == normalize_answer(gold))


def f1_score(prediction: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the words of the normalised texts.

    >>> f1_score("the big red dog", "red dog")  # precision 2/3, recall 2/2
    0.8

    Repeated words count as often as they occur. If one text has no words, the score is 1 if
    neither has any, else 0.
    """
    return _f1(normalize_answer(prediction).split(), normalize_answer(gold).split())


def _f1(prediction: list[str], gold: list[str]) -> float:
    if not prediction or not gold:
        return float(prediction == gold)
    common = (Counter(prediction) & Counter(gold)).total()
    if not common:
        return 0.0
    # 2 * common / (words of both) would be the same number but for its last digit
    precision, recall = common / len(prediction), common / len(gold)
    return (2 * precision * recall) / (precision + recall)


@dataclass(frozen=True, slots=True)
class QuestionScore:
    """The scores of one prediction in [0, 1]: the maximum over its gold answers."""

    id: str
    has_answer: bool
    answered: bool  # the prediction is not ""
    exact: float
    f1: float
    agreement: float = 0.0
    """The share of the gold answers with an F1 above 0.5: of the annotators who agree.

    Probabilities are calibrated to this. The maximum over gold answers would depend on how many
    there are (SQuAD 2.0: one in train, three or more in dev), and so would exact match, since
    annotators choose different borders for the same answer.
    """

    @property
    def right(self) -> bool:
        """Whether the quote counts as right: F1 above 0.5 with one of the gold answers."""
        return self.has_answer and self.f1 > 0.5


@dataclass(frozen=True, slots=True)
class MeanScores:
    """Exact match and F1 in percent over `total` questions."""

    exact: float
    f1: float
    total: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores that evaluate-v2.0.py prints, and a few more; all in percent."""

    exact: float
    f1: float
    total: int
    avna: float
    """Answer vs. no answer: how often the choice to answer or abstain was right (CS224N)."""
    has_answer: MeanScores | None
    """The answerable questions only; `None` when there are none."""
    no_answer: MeanScores | None
    """The unanswerable questions only; `None` when there are none."""
    best_exact: BestThreshold | None = None
    """`None` without no-answer probabilities."""
    best_f1: BestThreshold | None = None
    empty: int = 0
    """Predictions that are "" before any threshold; `best_*` cannot turn these into answers."""
    missing: tuple[str, ...] = ()
    """Ids of questions without a prediction; they count in none of the numbers above."""
    unknown: tuple[str, ...] = ()
    """Ids of predictions without a question; they are ignored."""

    def as_dict(self) -> dict[str, float | int]:
        """The official keys in the official order; blocks that do not apply are absent."""
        result = {"exact": self.exact, "f1": self.f1, "total": self.total}
        for prefix, means in (("HasAns", self.has_answer), ("NoAns", self.no_answer)):
            if means:
                result[f"{prefix}_exact"] = means.exact
                result[f"{prefix}_f1"] = means.f1
                result[f"{prefix}_total"] = means.total
        for name, best in (("best_exact", self.best_exact), ("best_f1", self.best_f1)):
            if best:
                result[name] = best.score
                result[f"{name}_thresh"] = best.threshold
        return result


def best_over_golds(prediction: str, golds: Iterable[str]) -> tuple[float, float]:
    """The best exact match and the best F1 of a prediction over its gold answers, in [0, 1].

    >>> best_over_golds("the river Seine", ["Seine", "river Seine"])
    (1.0, 1.0)

    As in the official script, gold answers that normalise to "" (such as "The") do not count; if
    none is left, the prediction is scored against "".
    """
    normal = normalize_answer(prediction)
    answers = {normalize_answer(gold) for gold in golds} - {""} or {""}
    exact = float(normal in answers)
    return exact, max(_f1(normal.split(), answer.split()) for answer in answers)


def agreement(prediction: str, golds: Sequence[str]) -> float:
    """The share of the gold answers with which a prediction has an F1 above 0.5; 0 without any.

    >>> agreement("the river Seine", ["Seine", "river Seine", "a river in France"])
    0.6666666666666666
    """
    normal = normalize_answer(prediction).split()
    f1s = [_f1(normal, normalize_answer(gold).split()) for gold in golds]
    return sum(f1 > 0.5 for f1 in f1s) / len(f1s) if f1s else 0.0


def score_questions(
    golds: Iterable[Example], predictions: Mapping[str, str]
) -> list[QuestionScore]:
    """Score each question that has a prediction, in the order of `golds`.

    With predictions that never abstain, the scores can be used to fit a threshold:

        scores = score_questions(examples, quotes)
        fit_threshold([s.f1 for s in scores], [s.has_answer for s in scores],
                      [null_score_diff[s.id] for s in scores])

    A question stays answerable where no gold answer counts (see `best_over_golds`), as in the
    official script. Raises `DataError` for an id used twice.
    """
    scores, seen = [], set()
    for example in golds:
        if example.id in seen:
            raise DataError(f"two questions have the id {example.id!r}: ids must differ")
        seen.add(example.id)
        if (prediction := predictions.get(example.id)) is None:
            continue
        texts = [answer.text for answer in example.answers]
        exact, f1 = best_over_golds(prediction, texts)
        scores.append(
            QuestionScore(
                id=example.id,
                has_answer=not example.is_impossible,
                answered=prediction != "",
                exact=exact,
                f1=f1,
                agreement=agreement(prediction, texts),
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

    A question with a probability above `threshold` counts as not answered; `best_*` search all
    thresholds. Questions without a prediction are listed in `missing` and do not count in `total`.
    (The official script intends the same but fails with a KeyError.)

    Raises `DataError` when no question has a prediction, two share an id, or a predicted question
    has no probability; warns (`PullquoteWarning`) where the official numbers are misleading.
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
        # In the file's order, since the official script sums questions of equal value in it. The
        # official search also scores unanswerable questions differently: the prediction "the" is an
        # exact match above (it normalises to ""), but loses a point here because it is not "".
        ranked = [scored[id] for id in no_answer_probabilities if id in scored]
        for name in ("exact", "f1"):
            best[f"best_{name}"] = best_threshold(
                [getattr(q, name) if q.has_answer else not q.answered for q in ranked],
                [q.has_answer for q in ranked],
                [no_answer_probabilities[q.id] for q in ranked],
            )
    overall = _mean_scores(final)
    return Scores(
        exact=overall.exact,
        f1=overall.f1,
        total=overall.total,
        avna=_percent([float(q.answered == q.has_answer) for q in final]),
        has_answer=_mean_scores(has) if (has := [q for q in final if q.has_answer]) else None,
        no_answer=_mean_scores(no) if (no := [q for q in final if not q.has_answer]) else None,
        **best,
        empty=sum(not q.answered for q in questions),
        missing=tuple(example.id for example in golds if example.id not in scored),
        unknown=tuple(id for id in predictions if id not in scored),
    )


def at_threshold(
    questions: Sequence[QuestionScore], no_answer_values: Mapping[str, float], threshold: float
) -> list[QuestionScore]:
    """The scores when questions with a no-answer value above `threshold` are not answered."""
    return [_abstain(q) if no_answer_values[q.id] > threshold else q for q in questions]


def decided(
    questions: Sequence[QuestionScore], answered: Sequence[bool] | NDArray[np.bool_]
) -> list[QuestionScore]:
    """The scores when only the questions of which `answered` (N,) is true are answered."""
    return [q if given else _abstain(q) for q, given in zip(questions, answered, strict=True)]


def _check_probabilities(
    questions: list[QuestionScore], probabilities: Mapping[str, float], threshold: float
) -> None:
    """Raise for probabilities that cannot be used; warn about two traps of the official script:
    null odds used as probabilities, and predictions that are already empty.
    """
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


def _mean_scores(questions: list[QuestionScore]) -> MeanScores:
    exact, f1 = _percent([q.exact for q in questions]), _percent([q.f1 for q in questions])
    return MeanScores(exact, f1, len(questions))


def _percent(values: list[float]) -> float:
    # A plain loop, as the published numbers were added: from Python 3.12 on, sum() compensates
    # rounding errors and differs in the last digit.
    total = 0.0
    for value in values:
        total += value
    return 100.0 * total / len(values)
