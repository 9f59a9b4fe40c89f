"""Finds a folded quote in a folded text: the same, nearly the same, or in pieces.

    same(quote, source)               # places in the folded text that say the same
    nearest(quote, source)            # an Alignment: which words stand there, in order
    pieces(quote, sources)            # runs of words from several places

Knows folded texts, not documents or verdicts. What it costs grows with the sizes of both texts:
words that are everywhere vote for no place, and long quotes are aligned block by block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullquote.checking.folding import RUN, Folded

GAP = 12
"""Words of a source in a row that a quote may leave out without a sign; more are another place."""

_PLACES = 50  # of one text that says the same, and of a piece
_TRIES = 1000  # places within words that are passed over
_VOTES = 20_000  # occurrences of words that vote for a place
_CANDIDATES = 3  # places that are aligned
_BLOCK = 1000  # tokens that are aligned at once
_COST = 0.25  # of a token that is only in the source, in tokens that are in both


def same(
    quote: Folded, source: Folded, begin: int = 0, end: int | None = None, part: range | None = None
) -> Iterator[tuple[int, int]]:
    """Yield the places of `source.folded[begin:end]` that have the words of a quote.

    >>> list(same(Folded("the rent"), Folded("Pay the rent. The rental fee. THE RENT!")))
    [(3, 10), (24, 31)]

    `part` are the characters of the folded quote to look for; None means all.
    """
    end = len(source) if end is None else end
    part = range(len(quote)) if part is None else part
    form = quote.folded[part.start : part.stop]
    found = 0
    for _ in range(_TRIES):
        at = source.folded.find(form, begin, end)
        if at < 0 or found == _PLACES:
            return
        whole = source.is_edge(at) and source.is_edge(at + len(form))
        if whole and quote.says(part.start, part.stop, source, at):
            found += 1
            yield at, at + len(form)
        begin = at + 1


@dataclass(frozen=True, slots=True)
class Alignment:
    """The tokens of a quote that a source has in the same order, near each other."""

    pairs: tuple[tuple[int, int], ...]
    """Tokens of the quote and of the source that are the same, in order."""
    first: int
    """The first token of the source that the quote stands for, though it may be another."""
    last: int
    words: int
    """How many of the pairs are words."""


def nearest(
    quote: Folded, source: Folded, begin: int = 0, end: int | None = None
) -> Alignment | None:
    """The place in the tokens `begin` to `end` of a source that has most words of a quote."""
    end = len(source.starts) if end is None else end
    best: Alignment | None = None
    for low, high in _windows(quote, source, begin, end):
        found = _align(quote, source, low, high)
        if found and (best is None or found.words > best.words):
            best = found
    return best


def _windows(quote: Folded, source: Folded, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The tokens of the source, first and last, among which a quote may stand, likeliest first.

    # source:  0 the  1 rent  2 is  3 due  4 on  5 the  6 third
    # quote:   0 due  1 on  2 the  3 third
    # each word votes for where the quote would begin: due 3, on 3, the -2 and 3, third 3
    """
    size = len(quote.keys)
    head = quote.keys[:_BLOCK]  # of a long quote, the beginning votes
    order, keys = source.by_key
    left = np.searchsorted(keys, head, "left")
    counts = np.searchsorted(keys, head, "right") - left  # (T,) occurrences of each token
    rare_first = [
        at for at in np.argsort(counts, kind="stable") if counts[at] and quote.is_word[at]
    ]
    votes: list[NDArray[np.intp]] = []
    weights: list[NDArray[np.float64]] = []
    total = 0
    for at in rare_first:
        if total and total + counts[at] > _VOTES:
            break
        total += int(counts[at])
        places = order[left[at] : left[at] + min(int(counts[at]), _VOTES)]
        places = places[(places >= begin) & (places < end)]
        votes.append(places - at)
        weights.append(np.full(len(places), 1 / np.sqrt(counts[at])))
    if not votes or not sum(map(len, votes)):
        return
    voted = np.concatenate(votes)
    lowest = int(voted.min())
    width = max(8, len(head) // 4)  # quotes lose and gain some words
    bins = (voted - lowest) // width
    held = np.bincount(bins, np.concatenate(weights), int(bins.max()) + 2)
    pairs = held[:-1] + held[1:]
    chosen: list[int] = []
    for place in np.argsort(-pairs, kind="stable")[: 3 * _CANDIDATES]:
        if all(abs(place - other) > 1 for other in chosen):
            chosen.append(int(place))
    for place in chosen[:_CANDIDATES]:
        low = lowest + place * width - GAP
        yield max(begin, low), min(end, low + 2 * (width + GAP) + size + size // 4)


def _align(quote: Folded, source: Folded, low: int, high: int) -> Alignment | None:
    """The best alignment of a quote with some tokens of the source."""
    pairs = _compact(list(_pairs(quote, source, low, high)), quote, source)
    pairs = _trimmed(pairs, quote, source)
    if not pairs:
        return None
    words = sum(bool(quote.is_word[i]) for i, _ in pairs)
    first, last = pairs[0][1], pairs[-1][1]
    # other words at the ends: the place begins and ends with those of the source
    for i in range(pairs[0][0] - 1, -1, -1):
        if first == low or not _stands_for(quote, i, source, first - 1):
            break
        first -= 1
    for i in range(pairs[-1][0] + 1, len(quote.keys)):
        if last == high - 1 or not _stands_for(quote, i, source, last + 1):
            break
        last += 1
    return Alignment(tuple(pairs), first, last, words)


def _stands_for(quote: Folded, i: int, source: Folded, j: int) -> bool:
    """Whether a token of the quote may stand for one of the source: a word, or the same sign."""
    both_words = quote.is_word[i] and source.is_word[j]
    return bool(both_words or quote.keys[i] == source.keys[j])


def _pairs(quote: Folded, source: Folded, low: int, high: int) -> Iterator[tuple[int, int]]:
    """The most tokens that are the same in the same order, block by block."""
    from rapidfuzz.distance import LCSseq  # not loaded for quotes that are exact

    for begin in range(0, len(quote.keys), _BLOCK):
        block = quote.keys[begin : begin + _BLOCK].tolist()
        rest = begin + _BLOCK < len(quote.keys)
        end = min(high, low + 3 * _BLOCK) if rest else high
        last = low
        for step in LCSseq.opcodes(block, source.keys[low:end].tolist()):
            if step.tag == "equal":
                for n in range(step.src_end - step.src_start):
                    yield begin + step.src_start + n, low + step.dest_start + n
                if step.src_end - step.src_start >= RUN:
                    last = low + step.dest_end
        low = last


def _compact(pairs: list[tuple[int, int]], quote: Folded, source: Folded) -> list[tuple[int, int]]:
    """The same pairs, moved towards the middle of the quote where a token stands twice.

    # quote:   mm long, or ...
    # source:  mm and 4 mm long, or ...     the second "mm", though the first makes no more changes
    """
    middle = len(pairs) // 2
    moved = list(pairs)
    for steps, towards in ((range(middle - 1, -1, -1), 1), (range(middle + 1, len(pairs)), -1)):
        for number in steps:
            i = moved[number][0]
            i_next, j_next = moved[number + towards]
            near = j_next - (i_next - i)
            if 0 <= near < len(source.keys) and source.keys[near] == quote.keys[i]:
                moved[number] = i, near
    return moved


def _trimmed(pairs: list[tuple[int, int]], quote: Folded, source: Folded) -> list[tuple[int, int]]:
    """The run of pairs that stands together best: far ones are parts of other places."""
    best, best_range = 0.0, (0, 0)
    score, begin = 0.0, 0
    previous = -1
    for number, (i, j) in enumerate(pairs):
        gap = j - previous - 1 if number else 0
        score -= _COST * gap
        if number and (score <= 0 or (gap > GAP and _words(source, previous + 1, j) > GAP)):
            score, begin = 0.0, number
        score += 1.0 if quote.is_word[i] else 0.1
        if score > best:
            best, best_range = score, (begin, number + 1)
        previous = j
    return pairs[best_range[0] : best_range[1]]


def _words(source: Folded, begin: int, end: int) -> int:
    return int(np.count_nonzero(source.is_word[begin:end]))


@dataclass(frozen=True, slots=True)
class Piece:
    """Words of a quote that a source has one after the other."""

    source: int
    """Which of the sources."""
    begin: int
    """The first of them among the words of the quote."""
    first: int
    """Their first token in the source."""
    last: int
    words: int


def pieces(quote: Folded, sources: Sequence[Folded]) -> list[Piece]:
    """The longest runs of five words or more, from the left to the right of a quote."""
    keys, runs = quote.keys[quote.words], quote.runs
    places = []
    for source in sources:
        order, ordered = source.by_run
        low = np.searchsorted(ordered, runs, "left")
        places.append((order, low, np.searchsorted(ordered, runs, "right")))
    found: list[Piece] = []
    at = 0
    while at < len(runs):
        best: Piece | None = None
        for number, (order, low, high) in enumerate(places):
            for place in order[low[at] : min(high[at], low[at] + _PLACES)]:
                words = sources[number].words[place:]
                length = _common(keys[at:], sources[number].keys, words)
                if length >= RUN and (best is None or length > best.words):
                    best = Piece(number, at, int(words[0]), int(words[length - 1]), length)
        if best is None:
            at += 1
        else:
            found.append(best)
            at += best.words
    return found


def _common(keys: NDArray[np.int64], of: NDArray[np.int64], words: NDArray[np.intp]) -> int:
    """How many words some keys and a source, from one of its words on, begin with in common."""
    size = 64
    most = min(len(keys), len(words))
    while True:
        end = min(size, most)
        differ = np.flatnonzero(keys[:end] != of[words[:end]])
        if len(differ):
            return int(differ[0])
        if end == most:
            return most
        size *= 4
