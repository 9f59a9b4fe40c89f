"""Highlights: the sentences of a text that bear on a question, each with its probability.

Knows a text and the candidate spans of its windows, not models.

    for found in highlight(context, windows, least=0.3):
        context[found.start : found.end], found.quote.text, found.score

A piece of the text (a sentence, or an entry of a list) is as good as the best span in it. With m,
the logit of that span minus the null logit of its window, and r, the rank of the piece among all,
the log odds that the piece holds an answer are

    0.154 m - 0.87 log r - 0.08

A reader is trained on questions with one answer: the spans of its list compete for one place, and
of two right ones the second may lie far below the first, so that the slope is small. It was fitted
for the bundled `small`, on questions with several answers, with one and with none (EXPERIMENTS.md);
`tiny`, fitted alone, has nearly the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pullquote.errors import InputError
from pullquote.reading.decode import Candidates, ScoredSpan
from pullquote.reading.quotes import whole_quote
from pullquote.reading.sentences import pieces
from pullquote.types import Highlight, Span

SPANS = 30
"""How many spans of a window are looked at."""

_MARGIN, _RANK, _BIAS = 0.154, -0.87, -0.08


class Piece(NamedTuple):
    """A piece of a text, the best span in it, and that span's logit minus its window's null logit.

    Without a span among the candidates, the margin is that of the worst of these.
    """

    span: Span
    best: ScoredSpan | None
    margin: float


def read_pieces(context: str, windows: Sequence[Candidates]) -> Iterator[Piece]:
    """The pieces of a text with their best spans; a span belongs where its middle lies."""
    found = sorted(
        ((span, span.logit - window.null) for window in windows for span in window.spans),
        key=lambda one: one[0].start + one[0].end,
    )
    worst = min((margin for _, margin in found), default=0.0)
    at = 0
    for piece in pieces(context):
        inside: list[tuple[ScoredSpan, float]] = []
        while at < len(found) and sum(found[at][0][:2]) < 2 * piece.end:
            if sum(found[at][0][:2]) >= 2 * piece.start:  # else in the blanks before the piece
                inside.append(found[at])
            at += 1
        best = max(inside, key=lambda one: one[1], default=None)
        yield Piece(piece, *(best or (None, worst)))


def highlight(context: str, windows: Sequence[Candidates], *, least: float) -> list[Highlight]:
    """The pieces with a probability of at least `least`, in the order of the text.

    `windows` have up to `SPANS` spans each. Raises `InputError` for a `least` that is none.
    """
    if not 0 <= least <= 1:
        raise InputError(f"least is {least}, expected a probability from 0 to 1")
    ranked = sorted(read_pieces(context, windows), key=lambda piece: -piece.margin)
    found = []
    for rank, (span, best, margin) in enumerate(ranked, 1):
        log_odds = _MARGIN * margin + _RANK * math.log(rank) + _BIAS
        score = 1 / (1 + math.exp(-log_odds))
        if best and score >= least:
            start, end = whole_quote(context, best.start, best.end)
            quote = Span(context[start:end], start, end)
            found.append(Highlight(span.text, span.start, span.end, score, quote))
    return sorted(found, key=lambda one: one.start)
