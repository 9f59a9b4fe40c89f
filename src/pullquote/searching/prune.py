"""Prunes passages: leaves out the sentences that hardly bear on a question.

    pruned = prune("When is the rent due?", passages)
    pruned.text                     # the shorter context, for a language model
    pruned.origin(17)               # (2, 340): passage 2, offset 340

The sentences (and entries of lists) of all passages share the probability that they hold the
answer: a softmax over

    0.36 m + 12 c + 6 s

with m, the margin of the best span in it (`reading.highlight`), and the cosines of the question
with the passage, c, and with the sentence, s. The best sentences are kept until their
probabilities sum to `keep`. Without vectors it is 0.47 m. The weights were fitted on held-out
paragraphs (EXPERIMENTS.md).

Knows texts and a reader, not indexes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pullquote.errors import InputError
from pullquote.reading.highlight import SPANS, Piece, read_pieces
from pullquote.searching.index import bundled
from pullquote.types import Example, Passage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.reading.reader import Reader

KEEP = 0.95
_WEIGHTS, _ALONE = (0.36, 12.0, 6.0), (0.47,)
_CUT = " … "  # stands for what was left out within a passage
_NEXT = "\n\n"  # between passages


@dataclass(frozen=True, slots=True)
class Kept:
    """A part that was kept: `pruned.text[start:end] == passages[passage][offset:][: end - start]`.

    `score` is the probability, among all sentences, that it holds the answer.
    """

    start: int
    end: int
    passage: int
    offset: int
    score: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """The text that is left of some passages, in their order, and where its parts come from.

    >>> from pullquote import prune
    >>> pruned = prune("How much is the rent?", ["It rains. The rent is 840 crowns."])
    >>> pruned.text, pruned.origin(0), pruned.words
    ('The rent is 840 crowns.', (0, 10), (5, 7))
    """

    text: str
    """Parts of one passage are joined by " … ", passages by an empty line."""
    kept: tuple[Kept, ...]
    words: tuple[int, int]
    """How many words are left, and of how many."""

    def origin(self, offset: int) -> tuple[int, int] | None:
        """The number of the passage, from 0, and the offset in it, of a character of the text.

        None for the characters that join parts.
        """
        for part in self.kept:
            if part.start <= offset < part.end:
                return part.passage, part.offset + offset - part.start
        return None


def prune(
    question: str,
    passages: Iterable[str | Passage],
    *,
    keep: float = KEEP,
    reader: Reader | None = None,
) -> Pruned:
    """The sentences of some passages that may hold the answer to a question.

    >>> from pullquote import prune
    >>> lease = "The mill is old. The rent is 840 crowns. It is due on the third. It has a wheel."
    >>> pruned = prune("How much is the rent?", [lease, "Dogs are welcome."])
    >>> pruned.text
    'The rent is 840 crowns.'
    >>> pruned.origin(pruned.text.index("840")), lease.index("840")
    ((0, 29), 29)

    `keep` is the probability that the answer is kept, where the passages have one; 1 keeps all.
    `reader` is the bundled one, loaded for this call, unless it is given. Raises `InputError` for
    a blank question, passages that are no text, and a `keep` out of range.
    """
    if not 0 < keep <= 1:
        raise InputError(f"keep is {keep}, expected a probability above 0, at most 1")
    if not isinstance(question, str) or not question.strip():
        raise InputError("the question is blank; expected a question in words")
    if isinstance(passages, str):
        raise InputError("passages is one text, expected a list of passages")
    texts = [one.text if isinstance(one, Passage) else one for one in passages]
    if not all(isinstance(text, str) for text in texts):
        raise InputError("passages holds something else than texts and passages")
    if reader is None:
        from pullquote.reading.reader import Reader

        reader = Reader()
    if reader.config.spelling:
        question = reader.spelling.correct(question, texts).question
    examples = (Example(f"passage {n}", question, text) for n, text in enumerate(texts, 1))
    read = zip(texts, reader.read_all(examples, limit=SPANS), strict=True)
    found = [list(read_pieces(text, windows)) for text, windows in read]
    shares = shares_of(evidence(question, texts, found))
    best = np.argsort(-shares, kind="stable")
    before = np.cumsum(shares[best]) - shares[best]
    chosen = set(best[(before < keep) | (keep == 1)].tolist())
    return _joined(texts, found, shares, chosen)


def evidence(
    question: str, texts: Sequence[str], found: Sequence[Sequence[Piece]]
) -> NDArray[np.float64]:
    """What is known of each piece, (pieces, 3): its margin, and the cosines of passage and piece.

    Without vectors, (pieces, 1).
    """
    margins = np.array([piece.margin for pieces in found for piece in pieces], np.float64)
    encoder = bundled()
    if encoder is None or not len(margins):
        return margins[:, None]
    inside = [piece.span.text for pieces in found for piece in pieces]
    vectors = encoder.encode([question, *texts, *inside])
    cosines = vectors[1:].astype(np.float64) @ vectors[0]
    of_passages = np.repeat(cosines[: len(texts)], [len(pieces) for pieces in found])
    return np.stack([margins, of_passages, cosines[len(texts) :]], axis=1)


def shares_of(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of each piece, among all, that it holds the answer, (pieces,)."""
    if not len(known):
        return known[:, 0]
    logits = known @ (_WEIGHTS if known.shape[1] == len(_WEIGHTS) else _ALONE)
    shares: NDArray[np.float64] = np.exp(logits - logits.max())
    shares /= shares.sum()
    return shares


def _joined(
    texts: Sequence[str],
    found: Sequence[Sequence[Piece]],
    shares: NDArray[np.float64],
    chosen: set[int],
) -> Pruned:
    """The chosen pieces; those that follow each other are one part, with the blanks between."""
    parts: list[str] = []
    joints: list[str] = []  # what stands before each part
    kept: list[Kept] = []
    first = 0  # the number of a passage's first piece
    for passage, pieces in enumerate(found):
        runs = itertools.groupby(enumerate(pieces, first), lambda one: one[0] in chosen)
        first += len(pieces)
        for run in (list(run) for is_chosen, run in runs if is_chosen):
            start, end = run[0][1].span.start, run[-1][1].span.end
            joints.append("" if not kept else _CUT if kept[-1].passage == passage else _NEXT)
            at = (kept[-1].end if kept else 0) + len(joints[-1])
            score = sum(float(shares[number]) for number, _ in run)
            kept.append(Kept(at, at + end - start, passage, start, score))
            parts.append(texts[passage][start:end])
    text = "".join(itertools.chain(*zip(joints, parts, strict=True)))
    words = sum(len(part.split()) for part in parts), sum(len(text.split()) for text in texts)
    return Pruned(text, tuple(kept), words)
