"""How the pipeline of transformers 4 scores spans, and how it should have.

Knows logits and characters. Both ways score a span of a single window with p(start) * p(end), two
softmaxes over the window's context tokens and `[CLS]`, and add up spans that read the same. They
part where a context has several windows:

- "pullquote" takes one softmax over the spans of all windows, so that windows compare, and over
  "no answer" once, as the window says that has the least of it; a token that k windows hold has the
  weight of one. The place is that of the surest of equal texts. No score, and no sum of scores,
  exceeds 1, and a long context costs an answer little.
- "hf4" is what 4.57.6 did: each window has its own softmaxes, scores of equal texts are added
  across windows (4.505 was seen), and the place is that of the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pullquote.errors import InputError
from pullquote.reading.decode import best_spans, context_logits
from pullquote.types import Window

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pullquote.reading.encode import Encoder

Answer = dict[str, Any]
"""`{"score": float, "start": int, "end": int, "answer": str}`, the pipeline's own form."""

_MASKED = np.float32(-10000.0)  # what 4.57.6 puts in the place of logits outside the context


class Candidate(NamedTuple):
    """A candidate answer in characters, widened to whole words if asked."""

    start: int
    end: int
    value: float  # a logit ("pullquote") or a probability ("hf4")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one window has to say."""

    begins: int  # the character where its stretch of the context starts
    spans: list[Candidate]  # best first
    null: float  # a logit or a probability
    mass: float = 0.0  # log of the sum over all pairs of a start and an end in the context
    null_mass: float = 0.0  # the same over all pairs with [CLS] for start, end or both


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WordWindow(Window):
    """A window with what the pipeline's scores need besides."""

    words: NDArray[np.int32]  # (C, 2) characters of the whole word that a token is part of
    seen_by: NDArray[np.int32]  # (C,) how many windows of the context hold a token


def word_windows(
    encoder: Encoder, question: str, context: str, **lengths: int
) -> Iterator[WordWindow]:
    """The windows of `encoder.windows(question, context, **lengths)`, lazily, as `WordWindow`s."""
    spans = encoder.doc_spans(question, context, **lengths)
    words = encoder.word_offsets(context)
    seen_by = _coverage(spans, len(words))
    windows = encoder.windows(question, context, **lengths)
    for window, (first, last) in zip(windows, spans, strict=True):
        plain = {field.name: getattr(window, field.name) for field in fields(window)}
        yield WordWindow(**plain, words=words[first:last], seen_by=seen_by[first:last])


def _coverage(spans: Sequence[tuple[int, int]], tokens: int) -> NDArray[np.int32]:
    """For each context token the number of windows that hold it, (N,)."""
    change = np.zeros(tokens + 1, dtype=np.int32)
    for first, last in spans:
        change[first] += 1
        change[last] -= 1
    return np.cumsum(change[:-1], dtype=np.int32)


def no_answer(score: float) -> Answer:
    """The form of "the context does not say"."""
    return {"score": score, "start": 0, "end": 0, "answer": ""}


def fetched(top_k: int, align_to_words: bool) -> int:
    """How many spans of a window are looked at; some become equal when aligned to words."""
    return 2 * top_k + 10 if align_to_words else top_k


# ---- "pullquote"


def read_window(
    window: WordWindow,
    start_logits: NDArray[np.float32],
    end_logits: NDArray[np.float32],
    *,
    fetch: int,
    max_answer_len: int,
    align_to_words: bool,
) -> Reading:
    """The `fetch` best spans of a window with their logits, and the sums that score them."""
    start, end = context_logits(window, start_logits, end_logits)
    first, last, _ = best_spans(start, end, max_answer_len, fetch)
    # A token that k windows hold counts 1 / sqrt(k) in each, as start and as end: a span that k
    # windows see counts once.
    weight = -0.5 * np.log(window.seen_by)  # (C,) logarithms; 0 in a single window
    start, end = start + weight, end + weight
    null_start, null_end = (
        float(start_logits[window.null_index]),
        float(end_logits[window.null_index]),
    )
    starts, ends = _log_sum_exp(start), _log_sum_exp(end)
    places = _offsets(window, align_to_words)
    spans = [
        Candidate(int(places[s, 0]), int(places[e, 1]), float(start[s] + end[e]))
        for s, e in zip(first[:fetch], last[:fetch], strict=True)
    ]
    return Reading(
        begins=int(window.offsets[0, 0]),
        spans=[span for span in spans if span.start < span.end],
        null=null_start + null_end,
        mass=starts + ends,
        null_mass=_log_sum_exp([starts + null_end, null_start + ends, null_start + null_end]),
    )


def merge(
    contexts: Sequence[tuple[str, list[Reading]]], top_k: int, impossible: bool, numbered: bool
) -> list[Answer]:
    """The best `top_k` answers over all windows of one or more contexts, best first.

    With `impossible`, "no answer" is one of the candidates. `numbered` answers have the number of
    their context.
    """
    readings = [reading for _, found in contexts for reading in found]
    if not readings:  # blank contexts
        return [no_answer(1.0)]
    least = min(readings, key=lambda reading: reading.null)
    # of a single window: log of (starts + null start) * (ends + null end), two softmaxes
    total = _log_sum_exp([*(reading.mass for reading in readings), least.null_mass])
    spans = [
        (number, text, span)
        for number, (text, found) in enumerate(contexts)
        for reading in sorted(found, key=lambda reading: reading.begins)
        for span in reading.spans
    ]
    answers: dict[str, Answer] = {}
    for number, text, span in sorted(spans, key=lambda entry: -entry[2].value):
        quote = text[span.start : span.end]
        probability = math.exp(span.value - total)
        if (known := answers.get(quote.lower())) is not None:
            known["score"] += probability
            continue
        answers[quote.lower()] = {
            "score": probability,
            "start": span.start,
            "end": span.end,
            "answer": quote,
            **({"context": number} if numbered else {}),
        }
    ranked = list(answers.values())
    if impossible:
        ranked.append(no_answer(math.exp(least.null - total)))
    ranked.sort(key=lambda answer: answer["score"], reverse=True)
    for answer in ranked:
        answer["score"] = min(answer["score"], 1.0)  # 1 + 1e-16 is a sum's rounding
    return ranked[:top_k]


def _log_sum_exp(values: ArrayLike) -> float:
    array = np.asarray(values, dtype=np.float64)
    top = float(array.max())
    return top + math.log(float(np.exp(array - top).sum()))


# ---- "hf4"


def read_window_hf4(
    window: WordWindow,
    start_logits: NDArray[np.float32],
    end_logits: NDArray[np.float32],
    *,
    fetch: int,
    max_answer_len: int,
    align_to_words: bool,
) -> Reading:
    """As 4.57.6 did it, with its float32 products of all pairs of tokens and its junk entries."""
    T = len(window)
    context = slice(window.context_start, window.context_start + len(window.offsets))
    allowed = np.zeros(T, dtype=bool)
    allowed[context] = allowed[window.null_index] = True
    start, end = (
        _softmax(np.where(allowed, logits[:T], _MASKED)) for logits in (start_logits, end_logits)
    )
    null = float(start[0] * end[0])
    start[0] = end[0] = 0.0
    scores = np.tril(np.triu(np.outer(start, end)), max_answer_len - 1)  # (T, T)
    flat = scores.reshape(-1)
    if fetch == 1:
        best = np.array([flat.argmax()])
    elif flat.size < fetch:
        best = np.argsort(-flat)
    elif flat.size == fetch:
        raise InputError(f"kth(={fetch}) out of bounds ({flat.size})")  # as numpy says it
    else:
        best = np.argpartition(-flat, fetch)[:fetch]
        best = best[np.argsort(-flat[best])]
    places = np.zeros((T, 2), dtype=np.int64)  # (0, 0) for special tokens
    places[context] = _offsets(window, align_to_words)
    spans = [
        Candidate(int(places[s, 0]), int(places[e, 1]), float(scores[s, e]))
        for s, e in zip(*np.divmod(best, T), strict=True)
        if allowed[s] and allowed[e]
    ]
    return Reading(int(window.offsets[0, 0]), spans, null)


def merge_hf4(context: str, readings: list[Reading], top_k: int, impossible: bool) -> list[Answer]:
    """As 4.57.6 did it: equal texts are added across windows, at the place of the first."""
    if not readings:
        return [no_answer(0.0)]
    answers: list[Answer] = []
    for reading in sorted(readings, key=lambda reading: reading.begins):
        for span in reading.spans:
            quote = context[span.start : span.end]
            for known in answers:
                if known["answer"].lower() == quote.lower():
                    known["score"] += span.value
                    break
            else:
                answers.append(
                    {"score": span.value, "start": span.start, "end": span.end, "answer": quote}
                )
    if impossible:
        answers.append(no_answer(min(reading.null for reading in readings)))
    return sorted(answers, key=lambda answer: answer["score"], reverse=True)[:top_k]


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers: NDArray[np.float32] = np.exp(logits - logits.max())
    probabilities: NDArray[np.float32] = powers / powers.sum()
    return probabilities


def _offsets(window: WordWindow, align_to_words: bool) -> NDArray[np.int32]:
    """The characters of each context token, or of its word within the window, (C, 2)."""
    if not align_to_words:
        return window.offsets
    return np.clip(window.words, window.offsets[0, 0], window.offsets[-1, 1])
