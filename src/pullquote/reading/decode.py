"""Decoding: finds the best spans of each window and merges them into one prediction.

Knows logits and character offsets, not models. Spans of all windows are ranked by start logit + end
logit, and the null score is the minimum over windows (run_squad.py's rule).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pullquote.errors import ModelError
from pullquote.scoring.calibration import Readings, scores
from pullquote.types import Answer, Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pullquote.types import Calibration, Window

# The `null_score_diff` of a context without any span (a blank one): above every threshold, and
# finite, so that JSON can hold it.
NO_SPAN = 10_000.0

_JOINER = "\u200d"  # zero width joiner: joins emoji into one


class ScoredSpan(NamedTuple):
    """Characters of a context, half open, with the logits of their first and last token."""

    start: int
    end: int
    start_logit: float
    end_logit: float

    @property
    def logit(self) -> float:
        return self.start_logit + self.end_logit


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of one window: its best spans, best first, and its null logits."""

    spans: tuple[ScoredSpan, ...]
    null_start: float
    null_end: float

    @property
    def null(self) -> float:
        return self.null_start + self.null_end


def read_window(
    window: Window,
    start_logits: NDArray[np.float32],
    end_logits: NDArray[np.float32],
    context: str,
    *,
    max_answer_length: int,
    limit: int,
) -> Candidates:
    """The exact `limit` best spans of a window with distinct texts, and its null logits.

    `start_logits` and `end_logits` are the row of this window, (T,), or longer if padded. All spans
    of at most `max_answer_length` tokens inside the context are compared; none is pruned.
    """
    start, end = context_logits(window, start_logits, end_logits)
    null = float(start_logits[window.null_index]), float(end_logits[window.null_index])
    # Tokens without characters (a lone sentencepiece "▁") can neither start nor end an answer.
    empty = window.offsets[:, 0] >= window.offsets[:, 1]
    start[empty] = end[empty] = -np.inf

    # Several spans may have the same text (a repeated name, the bytes of one emoji). So a few more
    # spans than `limit` are fetched, and four times as many whenever those were too few.
    fetch = limit + 10
    while True:
        spans: dict[str, ScoredSpan] = {}
        first_token, last_token, all_spans = best_spans(start, end, max_answer_length, fetch)
        rows = zip(
            window.offsets[first_token, 0].tolist(),
            window.offsets[last_token, 1].tolist(),
            start[first_token].tolist(),
            end[last_token].tolist(),
            strict=True,
        )
        for begins, ends, start_logit, end_logit in rows:
            span = ScoredSpan(*whole_characters(context, begins, ends), start_logit, end_logit)
            if span.start < span.end:
                spans.setdefault(_text(context, span), span)
                if len(spans) == limit:
                    return Candidates(tuple(spans.values()), *null)
        if fetch >= all_spans:
            return Candidates(tuple(spans.values()), *null)
        fetch *= 4


def context_logits(
    window: Window, start_logits: NDArray[np.float32], end_logits: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The start and end logits of the context tokens of a window, (C,) each.

    Raises `ModelError` when these or the null logits are not finite.
    """
    first, last = window.context_start, window.context_start + len(window.offsets)
    start = start_logits[first:last].astype(np.float64)
    end = end_logits[first:last].astype(np.float64)
    null = start_logits[window.null_index], end_logits[window.null_index]
    if not (np.isfinite(null).all() and np.isfinite(start).all() and np.isfinite(end).all()):
        raise ModelError("the model gave logits that are not finite; its weights are broken")
    return start, end


def best_spans(
    start: NDArray[np.float64], end: NDArray[np.float64], max_answer_length: int, fetch: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """First and last tokens of the `fetch` best spans and their ties, and the number of all spans.

    `start` and `end` are (C,). Best first; of equal spans the earlier, then the shorter.
    """
    # Row i of the band holds the spans that start at token i: ends i, i+1, ..., i+L-1.
    #   tokens  a b c d,  L = 2:   a ab | b bc | c cd | d -
    count = len(start)
    length = min(max_answer_length, count)
    padded = np.concatenate([end, np.full(length - 1, -np.inf)])
    band = start[:, None] + as_strided(padded, (count, length), 2 * padded.strides)  # (C, L)
    first, more = np.divmod(_best(band.reshape(-1), fetch), length)
    return first, first + more, band.size


def _best(scores: NDArray[np.float64], fetch: int) -> NDArray[np.intp]:
    """Indices of the `fetch` highest scores and of ties with the last of them, highest first.

    Of equal scores the lower index comes first: the earlier, then the shorter span.
    """
    if fetch < scores.size:
        weakest = np.partition(scores, scores.size - fetch)[scores.size - fetch]
        top = np.flatnonzero(scores >= weakest)
    else:
        top = np.arange(scores.size)
    top = top[np.argsort(-scores[top], kind="stable")]
    return top[np.isfinite(scores[top])]


def whole_characters(context: str, start: int, end: int) -> tuple[int, int]:
    """Trim whitespace from a span, and widen it to whole characters (grapheme clusters).

    Sentencepiece tokens include the blank before a word; BERT drops combining marks, so its token
    for the decomposed "cafe\u0301" ends before the accent.
    """
    while start < end and context[start].isspace():
        start += 1
    while start < end and context[end - 1].isspace():
        end -= 1
    if start == end:
        return start, end
    while start > 0 and _joins_left(context, start):
        start -= 1
    while end < len(context) and _joins_left(context, end):
        end += 1
    return start, end


def _joins_left(context: str, position: int) -> bool:
    """Whether the code point at `position` belongs to the character before it."""
    before, here = context[position - 1], context[position]
    if here < "\u0300":  # nothing below joins; a quick answer for most text
        return False
    if before.isspace() or here.isspace():  # an accent on a blank is not part of an answer
        return False
    return (
        here == _JOINER
        or before == _JOINER
        or unicodedata.category(here)[0] == "M"  # accents, vowel signs, variation selectors
        or "\U0001f3fb" <= here <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= here <= "\U000e007f"  # tags, as in the flag of Wales
        or "\u1160"
        <= here
        <= "\u11ff"  # vowels and final consonants of decomposed Korean syllables
        or _ends_flag(context, position)
    )


def _ends_flag(context: str, position: int) -> bool:
    """Whether `position` has the second of two regional indicators, which form a flag.

    Flags may follow each other, so the indicators before it are counted.
    """
    first = position
    while first >= 0 and "\U0001f1e6" <= context[first] <= "\U0001f1ff":
        first -= 1
    return (position - first) % 2 == 0 and position > first


def merge(
    id: str,
    context: str,
    windows: Iterable[Candidates],
    *,
    n_best_size: int,
    top_k: int,
    threshold: float,
    calibration: Calibration,
) -> Prediction:
    """One prediction from the candidates of all windows of one context.

    Equal texts count once, as the span with the highest logit. `null_score_diff` is the lowest null
    logit minus the best span logit. `scoring/calibration.py` turns the logits of the `n_best_size`
    best spans into scores; together with `no_answer_score` they sum to 1.
    """
    windows = list(windows)
    best: dict[str, ScoredSpan] = {}
    for candidates in windows:
        for span in candidates.spans:
            text = _text(context, span)
            if text not in best or _rank(span) < _rank(best[text]):
                best[text] = span
    ranked = sorted(best.values(), key=_rank)[:n_best_size]
    if not ranked:
        return Prediction(
            id,
            None,
            (),
            no_answer_score=1.0,
            null_score_diff=NO_SPAN,
            windows=len(windows),
            threshold=threshold,
        )

    null_score_diff = min(candidates.null for candidates in windows) - ranked[0].logit
    readings = Readings(
        np.array([null_score_diff]),
        np.array([[span.logit for span in ranked]]),
        np.array([len(windows)]),
    )
    null, quotes = scores(calibration, readings)
    answers = tuple(
        Answer(
            text=context[span.start : span.end],
            start=span.start,
            end=span.end,
            score=score,
            start_logit=span.start_logit,
            end_logit=span.end_logit,
        )
        for span, score in zip(ranked[:top_k], quotes[0].tolist(), strict=False)
    )
    answer = None if null_score_diff > threshold else answers[0]
    return Prediction(id, answer, answers, float(null[0]), null_score_diff, len(windows), threshold)


def _text(context: str, span: ScoredSpan) -> str:
    """The key by which two answers are the same: their text, ignoring case."""
    return context[span.start : span.end].casefold()


def _rank(span: ScoredSpan) -> tuple[float, int, int]:
    """Sort key: highest logit first; of equal spans the earlier, then the shorter."""
    return -span.logit, span.start, span.end
