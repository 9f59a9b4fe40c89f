"""Span scores of the pipeline: those of transformers 4 ("hf4"), and corrected ones ("pullquote").

Knows logits and characters. Both score a span of a single window with p(start) * p(end), two
softmaxes over the context tokens of the window and `[CLS]`, and add the scores of spans with equal
texts. They differ where a context has several windows:

- "pullquote" takes one softmax over the spans of all windows and over one "no answer", that of the
  window with the lowest null score. A token in k windows has the weight of one token. Of spans with
  equal texts, the position of the best is returned. Scores and sums of scores are at most 1, and a
  long context lowers the score of an answer only slightly.
- "hf4" is what 4.57.6 did: each window has its own softmaxes, scores of equal texts are added
  across windows (to 4.505 in one case), and the position of the first is returned.
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

PipelineAnswer = dict[str, Any]
"""`{"score": float, "start": int, "end": int, "answer": str}`, the pipeline's result."""

_MASKED = np.float32(-10000.0)  # replaces logits outside the context, as in 4.57.6


class SpanCandidate(NamedTuple):
    """A candidate answer: characters of the context, half open, and its value for ranking."""

    start: int
    end: int
    value: float  # a logit ("pullquote") or a probability ("hf4")


@dataclass(frozen=True, slots=True)
class WindowCandidates:
    """The candidates of one window, and the normalisation terms of their scores."""

    context_offset: int  # character of the context where the window's part of it starts
    spans: list[SpanCandidate]  # best first
    null: float  # a logit ("pullquote") or a probability ("hf4")
    mass: float = 0.0  # log sum exp over all pairs of a start and an end in the context
    null_mass: float = 0.0  # log sum exp over all pairs with [CLS] as start, end or both


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WordWindow(Window):
    """A window with two more columns that the pipeline's scores need."""

    words: NDArray[np.int32]  # (C, 2) characters of the whole word that a token is part of
    seen_by: NDArray[np.int32]  # (C,) number of windows that a token is in


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
    """The number of windows that each context token is in, (N,)."""
    change = np.zeros(tokens + 1, dtype=np.int32)
    for first, last in spans:
        change[first] += 1
        change[last] -= 1
    return np.cumsum(change[:-1], dtype=np.int32)


def no_answer(score: float) -> PipelineAnswer:
    """The pipeline's form of "no answer"."""
    return {"score": score, "start": 0, "end": 0, "answer": ""}


def spans_to_fetch(top_k: int, align_to_words: bool) -> int:
    """The number of spans to take from a window; some become equal when aligned to words."""
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
) -> WindowCandidates:
    """The `fetch` best spans of a window with their logits, and their normalisation terms."""
    start, end = context_logits(window, start_logits, end_logits)
    first, last, _ = best_spans(start, end, max_answer_len, fetch)
    # A token in k windows has the weight 1 / sqrt(k) in each of them, as start and as end. So a
    # span in k windows has the weight 1 / k in each, which sums to 1.
    weight = -0.5 * np.log(window.seen_by)  # (C,) logarithms; 0 with a single window
    start, end = start + weight, end + weight
    null_start, null_end = (
        float(start_logits[window.null_index]),
        float(end_logits[window.null_index]),
    )
    starts, ends = _log_sum_exp(start), _log_sum_exp(end)
    offsets = _answer_offsets(window, align_to_words)
    spans = [
        SpanCandidate(int(offsets[s, 0]), int(offsets[e, 1]), float(start[s] + end[e]))
        for s, e in zip(first[:fetch], last[:fetch], strict=True)
    ]
    return WindowCandidates(
        context_offset=int(window.offsets[0, 0]),
        spans=[span for span in spans if span.start < span.end],
        null=null_start + null_end,
        mass=starts + ends,
        null_mass=_log_sum_exp([starts + null_end, null_start + ends, null_start + null_end]),
    )


def merge(
    contexts: Sequence[tuple[str, list[WindowCandidates]]],
    top_k: int,
    impossible: bool,
    numbered: bool,
) -> list[PipelineAnswer]:
    """The best `top_k` answers over all windows of one or more contexts, best first.

    With `impossible`, "no answer" is one of the candidates. With `numbered`, each answer has the
    number of its context.
    """
    windows = [window for _, its_windows in contexts for window in its_windows]
    if not windows:  # blank contexts
        return [no_answer(1.0)]
    lowest_null = min(windows, key=lambda window: window.null)
    # With a single window, this is log((starts + null start) * (ends + null end)): the denominators
    # of two softmaxes.
    total = _log_sum_exp([*(window.mass for window in windows), lowest_null.null_mass])
    spans = [
        (number, text, span)
        for number, (text, its_windows) in enumerate(contexts)
        for window in sorted(its_windows, key=lambda window: window.context_offset)
        for span in window.spans
    ]
    answers: dict[str, PipelineAnswer] = {}
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
        ranked.append(no_answer(math.exp(lowest_null.null - total)))
    ranked.sort(key=lambda answer: answer["score"], reverse=True)
    for answer in ranked:
        answer["score"] = min(answer["score"], 1.0)  # a sum may be rounded to 1 + 1e-16
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
) -> WindowCandidates:
    """The spans of 4.57.6: float32 products of all pairs of tokens, junk entries included."""
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
        raise InputError(f"kth(={fetch}) out of bounds ({flat.size})")  # NumPy's error in 4.57.6
    else:
        best = np.argpartition(-flat, fetch)[:fetch]
        best = best[np.argsort(-flat[best])]
    offsets = np.zeros((T, 2), dtype=np.int64)  # (0, 0) for special tokens
    offsets[context] = _answer_offsets(window, align_to_words)
    spans = [
        SpanCandidate(int(offsets[s, 0]), int(offsets[e, 1]), float(scores[s, e]))
        for s, e in zip(*np.divmod(best, T), strict=True)
        if allowed[s] and allowed[e]
    ]
    return WindowCandidates(int(window.offsets[0, 0]), spans, null)


def merge_hf4(
    context: str, windows: list[WindowCandidates], top_k: int, impossible: bool
) -> list[PipelineAnswer]:
    """The answers of 4.57.6: scores of equal texts are added, at the position of the first."""
    if not windows:
        return [no_answer(0.0)]
    answers: list[PipelineAnswer] = []
    for window in sorted(windows, key=lambda window: window.context_offset):
        for span in window.spans:
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
        answers.append(no_answer(min(window.null for window in windows)))
    return sorted(answers, key=lambda answer: answer["score"], reverse=True)[:top_k]


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers: NDArray[np.float32] = np.exp(logits - logits.max())
    probabilities: NDArray[np.float32] = powers / powers.sum()
    return probabilities


def _answer_offsets(window: WordWindow, align_to_words: bool) -> NDArray[np.int32]:
    """The characters of each context token, or of its word within the window, (C, 2)."""
    if not align_to_words:
        return window.offsets
    return np.clip(window.words, window.offsets[0, 0], window.offsets[-1, 1])
