"""Decoding: finds the best spans of each window and merges them into one prediction.

Knows logits and character offsets, not models. Spans of all windows are ranked by start logit + end
logit, and the null score is the minimum over windows (run_squad.py's rule). Quotes do not overlap,
so that the second best is another place of the text; run_squad.py's n-best lists, where the second
best is often the best with a comma, need `overlapping`.
"""

from __future__ import annotations

import bisect
import itertools
import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pullquote.errors import ModelError
from pullquote.reading.quotes import whole_quote
from pullquote.scoring.calibration import probabilities_of_one
from pullquote.types import Answer, Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pullquote.settings import Calibration, Decision
    from pullquote.types import Window, WindowSpans

# The `null_score_diff` of a context without any span (a blank one): above every threshold, and
# finite, so that JSON can hold it.
NO_SPAN = 10_000.0

NEAREST = 5
"""How many quotes stand behind an abstention, and share the probability of another quote."""

SPARE = 3
"""More spans than wanted that a backend finds, since several may have one text, or no word."""

_SAME_TEXT = 10  # more spans than wanted that are fetched, since several may have one text

_JOINER = "\u200d"  # zero width joiner: joins emoji into one
_LONGEST_CHARACTER = 64  # code points on one side of a place; Unicode's stream-safe text has 30


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
    """The candidates of one window: its best spans, best first, and its null logits.

    `log_mass` is log sum exp of the start logits plus that of the end logits, over all tokens of
    the context: exp(logit of a span - log_mass) is its share under the model's two softmaxes.
    """

    spans: tuple[ScoredSpan, ...]
    null_start: float
    null_end: float
    log_mass: float

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
    overlapping: bool = False,
) -> Candidates:
    """The `limit` best spans of a window with distinct texts, and its null logits.

    `start_logits` and `end_logits` are the row of this window, (T,), or longer if padded. All spans
    of at most `max_answer_length` tokens inside the context are compared; none is pruned. Of spans
    that overlap, only the best is returned, and none without a letter, digit or symbol, unless
    `overlapping`. Raises `ModelError` for logits that are not finite.
    """
    start, end = context_logits(window, start_logits, end_logits)
    null = float(start_logits[window.null_index]), float(end_logits[window.null_index])
    # Tokens without characters (a lone sentencepiece "▁") can neither start nor end an answer.
    empty = window.offsets[:, 0] >= window.offsets[:, 1]
    if empty.any():
        start[empty] = end[empty] = -np.inf
    if empty.all():
        return Candidates((), *null, -math.inf)
    if overlapping:
        found = _overlapping(start, end, max_answer_length, limit)
    else:
        found = _distinct(start, end, max_answer_length)
    spans = (
        (
            *(int(window.offsets[first, 0]), int(window.offsets[last, 1])),
            *(float(start[first]), float(end[last])),
        )
        for first, last in found
    )
    log_mass = _log_sum_exp(start) + _log_sum_exp(end)
    return Candidates(_quotes(spans, context, limit, overlapping), *null, log_mass)


def read_spans(found: WindowSpans, context: str, *, limit: int) -> Candidates | None:
    """What `read_window` returns, from spans that a backend has found.

    None where these are too few: several had one text, or no word, and the window has more.
    """
    quotes = _quotes(found.spans, context, limit)
    if len(quotes) < limit and not found.complete:
        return None
    return Candidates(quotes, found.null_start, found.null_end, found.log_mass)


def _quotes(
    spans: Iterable[tuple[int, int, float, float]],
    context: str,
    limit: int,
    overlapping: bool = False,
) -> tuple[ScoredSpan, ...]:
    """The first `limit` of some spans that have other texts than those before, and a word.

    With `overlapping`, a word is not needed. Spans are cut and widened to whole characters.
    """
    quotes: dict[str, ScoredSpan] = {}
    for begin, end, start_logit, end_logit in spans:
        span = ScoredSpan(*whole_characters(context, begin, end), start_logit, end_logit)
        if span.start == span.end or not (overlapping or _has_word(context, span)):
            continue
        quotes.setdefault(_text(context, span), span)
        if len(quotes) == limit:
            break
    return tuple(quotes.values())


def _distinct(
    start: NDArray[np.float64], end: NDArray[np.float64], max_answer_length: int
) -> Iterator[tuple[int, int]]:
    """First and last tokens of the best span, of the best that does not overlap it, and so on.

    `start` and `end` are (C,).
    """
    count = len(start)
    length = min(max_answer_length, count)
    best = start + _ends(end, length).max(axis=1)  # (C,) of the spans that start at each token
    borders = [-1, count]  # no span may reach a border; pairs of one before and one after a span
    while math.isfinite(best[first := int(best.argmax())]):
        at = bisect.bisect_right(borders, first)
        last = first + int(end[first : min(first + length, borders[at])].argmax())
        yield first, last
        # No span starts inside the one that was found, and those that start before it end there:
        #   tokens a b c d e, found "d": the best span from b is the better of "b" and "b c"
        best[first : last + 1] = -np.inf
        row = max(first - length + 1, borders[at - 1] + 1)
        if row < first:
            best[row:first] = start[row:first] + np.maximum.accumulate(end[row:first][::-1])[::-1]
        borders[at:at] = [first, last]


def _overlapping(
    start: NDArray[np.float64], end: NDArray[np.float64], max_answer_length: int, limit: int
) -> Iterator[tuple[int, int]]:
    """First and last tokens of all spans, best first."""
    # Several spans may have the same text (a repeated name, the bytes of one emoji). So a few more
    # spans than `limit` are fetched, and four times as many whenever those were too few.
    fetch, given = limit + _SAME_TEXT, 0
    while True:
        first, last, all_spans = best_spans(start, end, max_answer_length, fetch)
        yield from zip(first[given:].tolist(), last[given:].tolist(), strict=True)
        if fetch >= all_spans:
            return
        given, fetch = len(first), fetch * 4


def _log_sum_exp(logits: NDArray[np.float64]) -> float:
    highest = logits.max()
    return float(highest + np.log(np.exp(logits - highest).sum()))


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
    band = _band(start, end, max_answer_length)
    first, more = np.divmod(_best(band.reshape(-1), fetch), band.shape[1])
    return first, first + more, band.size


def _band(
    start: NDArray[np.float64], end: NDArray[np.float64], max_answer_length: int
) -> NDArray[np.float64]:
    """The logits of all spans, (C, L), with -inf for those that end after the last token."""
    # Row i of the band holds the spans that start at token i: ends i, i+1, ..., i+L-1.
    #   tokens  a b c d,  L = 2:   a ab | b bc | c cd | d -
    length = min(max_answer_length, len(start))
    band: NDArray[np.float64] = start[:, None] + _ends(end, length)
    return band


def _ends(end: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """The end logits of the tokens from each one on, (C, L), with -inf after the last."""
    padded = np.concatenate([end, np.full(length - 1, -np.inf)])
    return as_strided(padded, (len(end), length), 2 * padded.strides)


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
    text = context[start:end]
    end -= len(text) - len(text.rstrip())
    start = min(end, start + len(text) - len(text.lstrip()))
    if start == end or context.isascii():  # a quick answer: nothing joins
        return start, end
    return _character_start(context, start), _character_end(context, end)


def _character_start(context: str, position: int) -> int:
    """Where the character begins that a place is inside of; the place, if it is in none."""
    first = max(0, position - _LONGEST_CHARACTER)
    while position > first and _joins_left(context, position):
        position -= 1
    return position


def _character_end(context: str, position: int) -> int:
    """Where that character ends."""
    last = min(len(context), position + _LONGEST_CHARACTER)
    while position < last and _joins_left(context, position):
        position += 1
    return position


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
    last = max(0, position - _LONGEST_CHARACTER)
    while first >= last and "\U0001f1e6" <= context[first] <= "\U0001f1ff":
        first -= 1
    return (position - first) % 2 == 0 and position > first


def merge(
    id: str,
    context: str,
    windows: Iterable[Candidates],
    *,
    limit: int,
    top_k: int,
    decision: Decision,
    calibration: Calibration,
    overlapping: bool = False,
) -> Prediction:
    """One prediction from the candidates of all windows of one context.

    Equal texts count once, as the span with the highest logit. `null_score_diff` is the lowest null
    logit minus the best span logit. `scoring/calibration.py` turns the logits of the `limit` best
    spans into scores; those of `answers` and `no_answer_score` sum to at most 1. `answers` are the
    best `top_k`, or all `limit` of an abstention.
    """
    windows = list(windows)
    spans = sorted((span for window in windows for span in window.spans), key=_rank)
    ranked = _ranked(context, spans, limit, overlapping)
    if not ranked:
        return Prediction(
            id,
            None,
            (),
            no_answer_score=1.0,
            null_score_diff=NO_SPAN,
            windows=len(windows),
            threshold=decision.threshold,
            answerable=decision.answerable,
        )
    masses = [window.log_mass for window in windows]
    mass = masses[0] if len(masses) == 1 else _log_sum_exp(np.array(masses))
    null_score_diff = min(window.null for window in windows) - ranked[0].logit
    share = share_of(ranked[0].logit, mass)
    no_answer_score, _, scores = probabilities_of_one(
        calibration,
        null_score_diff,
        share,
        [span.logit for span in ranked],
        len(windows),
        answerable=decision.answerable,
    )
    abstains = decision.abstains(scores[0], no_answer_score, null_score_diff)
    shown = top_k if overlapping or not abstains else limit
    quotes = _answers(context, ranked, scores, widen=not overlapping)
    answers = tuple(itertools.islice(quotes, shown))
    return Prediction(
        id,
        None if abstains else answers[0],
        answers,
        no_answer_score=no_answer_score,
        null_score_diff=null_score_diff,
        windows=len(windows),
        threshold=decision.threshold,
        answerable=decision.answerable,
        share=share,
    )


def _answers(
    context: str, spans: Iterable[ScoredSpan], scores: Iterable[float], *, widen: bool
) -> Iterator[Answer]:
    """An answer for each span; with `widen`, different whole quotes that do not overlap."""
    given: list[ScoredSpan] = []
    texts = set()
    for span, score in zip(spans, scores, strict=True):
        if widen:
            start, end = whole_quote(context, span.start, span.end)
            span = ScoredSpan(start, end, span.start_logit, span.end_logit)
            if (text := _text(context, span)) in texts or _overlaps(span, given):
                continue
            texts.add(text)
            given.append(span)
        start, end, *logits = span
        yield Answer(context[start:end], start, end, score, *logits)


def share_of(logit: float, log_mass: float) -> float:
    """The share of a span among all spans, in (0, 1]."""
    return math.exp(min(logit - log_mass, 0.0))


def _ranked(
    context: str, spans: Iterable[ScoredSpan], limit: int, overlapping: bool
) -> list[ScoredSpan]:
    """The first `limit` of some spans that have other texts than those before, and other places."""
    ranked: list[ScoredSpan] = []
    texts = set()
    for span in spans:
        if (text := _text(context, span)) in texts:
            continue
        if not overlapping and _overlaps(span, ranked):
            continue
        texts.add(text)
        ranked.append(span)
        if len(ranked) == limit:
            break
    return ranked


def _overlaps(span: ScoredSpan, others: Iterable[ScoredSpan]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def _has_word(context: str, span: ScoredSpan) -> bool:
    """Whether there is more in a span than punctuation: letters, digits or symbols such as ★."""
    text = context[span.start : span.end]
    return any(map(str.isalnum, text)) or any(
        unicodedata.category(character) in ("So", "Sc") for character in text
    )


def _text(context: str, span: ScoredSpan) -> str:
    """The key by which two answers are the same: their text, ignoring case."""
    return context[span.start : span.end].casefold()


def _rank(span: ScoredSpan) -> tuple[float, int, int]:
    """Sort key: highest logit first; of equal spans the earlier, then the shorter."""
    return -span.logit, span.start, span.end
