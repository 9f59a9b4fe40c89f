"""Fuses two rankings of passages: by the words of a question, and by its meaning.

    score = max(BM25, BM25 of the 20th passage) + 20 x cosine + 0.5 x log(bytes / 1200)

Knows scores and lengths, neither passages nor how they were found. The floor holds for every
passage that is not among the best `FLOOR` by words: which of them shares a common word with the
question says less than noise (EXPERIMENTS.md). A short passage, such as a row of a table, says
less, so that it is less likely to answer; but BM25 and cosines favour it.

    # the rent ... lease 3.1, ledger 0.4 by words; lease .31, letter .52 by meaning; FLOOR of 2:
    #   lease   3.1 + 20 x .31 + 0.5 x log(1200 / 1200) = 9.3
    #   letter  0.4 + 20 x .52 + 0.5 x log(30 / 1200)   = 9.0         the floor is the ledger's 0.4
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pullquote.searching.engines import Match
from pullquote.searching.passages import LIMIT

FLOOR = 20
"""So many passages keep the BM25 of their own; others have that of the last of these."""
COSINE = 20.0
"""The weight of a cosine, in units of BM25."""
LENGTH = 0.5
"""The weight of the logarithm of a passage's length."""
DEPTH = 2
"""Each list must hold so many times the passages that are asked for: a long one may pass short
ones that are before it."""


class Fused(NamedTuple):
    """A passage with its fused score, and what that was made of."""

    id: int
    score: float
    bm25: float
    cosine: float | None
    """None for a passage that has no vector yet."""


def fuse(
    by_words: Sequence[Match],
    cosines: Mapping[int, float],
    lengths: Mapping[int, int],
    limit: int,
) -> list[Fused]:
    """The best passages, best first, at most `limit`.

    `by_words` are the best passages by BM25, at least `FLOOR` and `DEPTH * limit` of them as far as
    there are; `cosines` are those of these passages and of the `DEPTH * limit` nearest ones;
    `lengths` are bytes of UTF-8 of all of them. A passage without a vector is as near as those
    among the best by words are on average.
    """
    top = by_words[:FLOOR]
    floor = top[-1].score if cosines and len(top) == FLOOR else 0.0
    known = [cosines[match.id] for match in top if match.id in cosines]
    usual = sum(known) / len(known) if known else 0.0
    bm25 = dict.fromkeys(cosines, floor)
    bm25 |= {match.id: max(match.score, floor) for match in by_words}
    fused = []
    for id, score in bm25.items():
        shorter = math.log(max(lengths[id], 1) / LIMIT)  # a damaged index may have empty passages
        total = score + COSINE * cosines.get(id, usual) + LENGTH * shorter
        fused.append(Fused(id, total, score, cosines.get(id)))
    return sorted(fused, key=lambda one: (-one.score, one.id))[:limit]
