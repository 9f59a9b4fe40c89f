"""One question, many documents: the best passages are read, and one answer is given, or none.

    searcher = Searcher(Reader(), Index.open("notes.db"))
    for hit in searcher.ask("When is the rent due?", top_k=3):
        print(hit.text, hit.place)                # "the third", "lease.pdf, page 2"

Knows passages and what a reader says of their windows. A quote's rank is, in logits,

    its own - `null` x the null logit of its window + `retrieval` x (BM25 - the best BM25)

so that it competes over all passages as over the windows of one long text: a reader was trained to
compare a window's quotes with its null logit, not with quotes of other windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pullquote.errors import IndexFileError, InputError
from pullquote.reading.decode import NO_SPAN, Candidates, ScoredSpan
from pullquote.scoring.calibration import Readings, scores
from pullquote.types import Example, Hit, Passage

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader
    from pullquote.searching.index import Found, Index


@dataclass(frozen=True, slots=True)
class Ranking:
    """How retrieval and reading are weighed: chosen on held-out paragraphs, see EXPERIMENTS.md."""

    passages: int = 20
    """How many are read for a question."""
    null: float = 0.5
    """The share of its window's null logit that a quote's logit is measured from."""
    retrieval: float = 1.0
    """Logits for a unit of BM25."""
    caution: float = 1 / 3
    """How far below the reader's own threshold an answer has to lie, times the log of the number
    of passages: of twenty, one is more easily mistaken for an answer than a single one."""

    def __post_init__(self) -> None:
        if not 1 <= self.passages <= 1000:
            raise InputError(f"passages is {self.passages}, expected 1 to 1000")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search of all documents gave."""

    question: str
    hits: tuple[Hit, ...]
    """The best quotes, best first, whether or not one of them is an answer."""
    answered: bool
    no_answer_score: float
    """The probability that no document has an answer."""
    null_score_diff: float
    """Null logit minus logit of the best quote, in the passage that it stands in."""
    threshold: float
    """What `null_score_diff` was compared with."""
    passages: int
    """How many passages were read."""


@dataclass(frozen=True, slots=True)
class _Quote:
    """A span of a passage, with what it counts among the spans of all passages."""

    value: float
    rank: int  # of its passage
    span: ScoredSpan
    null_score_diff: float

    @property
    def order(self) -> tuple[float, int, int, int]:
        return -self.value, self.rank, self.span.start, self.span.end


class Searcher:
    """Asks an index with a reader. Several threads may ask at once.

    >>> from pathlib import Path
    >>> from pullquote import Index, Reader, Searcher
    >>> _ = Path("lease.txt").write_text("The rent is 840 crowns.")
    >>> with Index.create("notes.db") as index:
    ...     _ = index.add(["lease.txt"])
    ...     searcher = Searcher(Reader(), index)
    ...     for hit in searcher.ask("How much is the rent?"):
    ...         print(hit.text, hit.place.number)
    840 crowns 1
    """

    def __init__(self, reader: Reader, index: Index, *, ranking: Ranking | None = None) -> None:
        self.reader = reader
        self.index = index
        self.ranking = ranking or Ranking()

    def ask(
        self,
        question: str,
        top_k: int = 1,
        *,
        path: str | None = None,
        threshold: float | None = None,
    ) -> list[Hit]:
        """The best quotes of all documents that answer a question; an empty list if none does.

        `path` is a glob that documents must match (see `Index.search`). `threshold` replaces the
        reader's: none is an answer if `null_score_diff` exceeds it. Raises `InputError` for a blank
        question and a glob that no document matches, `IndexFileError` for an empty index.
        """
        result = self.search(question, top_k, path=path, threshold=threshold)
        return list(result.hits) if result.answered else []

    def search(
        self,
        question: str,
        top_k: int = 1,
        *,
        path: str | None = None,
        threshold: float | None = None,
    ) -> SearchResult:
        """The same with all that is known: the nearest quotes of an unanswered question, too."""
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise InputError(f"top_k is {top_k!r}, expected a number from 1")
        if threshold is not None and math.isnan(threshold):
            raise InputError("threshold is nan, expected a number")
        found = self.retrieve(question, path=path)
        examples = (Example(f"passage {n}", question, f.passage.text) for n, f in enumerate(found))
        windows = list(self.reader.read_all(examples))
        return self.decide(question, found, windows, top_k, threshold)

    def retrieve(self, question: str, *, path: str | None = None) -> list[Found]:
        """The first part of `search`: the passages to read; raises what that does."""
        if not isinstance(question, str) or not question.strip():
            raise InputError("the question is blank; expected a question in words")
        found = self.index.search(question, self.ranking.passages, path=path)
        if not found and not len(self.index):
            raise IndexFileError(f"{self.index.path}: an empty index; add documents to it first")
        if path is not None and not found and not self.index.matches(path):
            raise InputError(f"path={path}: none of the documents matches")
        return found

    def decide(
        self,
        question: str,
        found: Sequence[Found],
        windows: Sequence[Sequence[Candidates]],
        top_k: int,
        threshold: float | None = None,
    ) -> SearchResult:
        """The last part of `search`: from what the reader said of each passage's windows."""
        if threshold is None:
            caution = self.ranking.caution * math.log(max(len(found), 1))
            threshold = self.reader.config.no_answer_threshold - caution
        quotes = sorted(self._quotes(found, windows), key=lambda quote: quote.order)
        if not quotes:
            return SearchResult(question, (), False, 1.0, NO_SPAN, threshold, len(found))

        def text(quote: _Quote) -> str:
            return found[quote.rank].passage.text[quote.span.start : quote.span.end]

        # equal texts count once, as in a single text; the first of them is the best
        distinct: dict[str, _Quote] = {}
        for quote in quotes:
            distinct.setdefault(text(quote).casefold(), quote)
        ranked = list(distinct.values())
        readings = Readings(
            np.array([ranked[0].null_score_diff]),
            np.array([[quote.value for quote in ranked]]),
            np.array([sum(map(len, windows))]),
        )
        # what the reader's calibration was fitted on: so many of the best
        usual = self.reader.config.n_best_size
        null, worth = scores(self.reader.config.calibration, readings, among=usual)

        hits: list[Hit] = []
        taken: list[tuple[str, int, int]] = []
        for quote, score in zip(ranked, worth[0].tolist(), strict=True):
            passage = found[quote.rank].passage
            start = passage.start + quote.span.start
            end = passage.start + quote.span.end
            path = passage.document.path
            if any(path == p and start < e and s < end for p, s, e in taken):
                continue  # a longer or shorter quote of what is there already
            also = list(_also(quote, text(quote), found, windows))
            taken += [(path, start, end), *((p.document.path, s, e) for p, s, e in also)]
            hits.append(
                Hit(
                    text=text(quote),
                    score=score,
                    place=passage.place(quote.span.start),
                    start=start,
                    end=end,
                    passage=passage,
                    offset=quote.span.start,
                    also=tuple(p.place(s - p.start) for p, s, _ in also),
                )
            )
            if len(hits) == top_k:
                break
        diff = ranked[0].null_score_diff
        return SearchResult(
            question, tuple(hits), diff <= threshold, float(null[0]), diff, threshold, len(found)
        )

    def _quotes(
        self, found: Sequence[Found], windows: Sequence[Sequence[Candidates]]
    ) -> Iterator[_Quote]:
        best = found[0].score if found else 0.0
        for rank, (passage, read) in enumerate(zip(found, windows, strict=True)):
            retrieved = self.ranking.retrieval * (passage.score - best)
            for window in read:
                for span in window.spans:
                    value = span.logit - self.ranking.null * window.null + retrieved
                    yield _Quote(value, rank, span, window.null - span.logit)


def _also(
    quote: _Quote, text: str, found: Sequence[Found], windows: Sequence[Sequence[Candidates]]
) -> Iterator[tuple[Passage, int, int]]:
    """Where else the best quote of a passage reads the same: characters of its document."""
    given = found[quote.rank].passage
    seen = {(given.document.path, given.start + quote.span.start)}
    for rank, read in enumerate(windows):
        passage = found[rank].passage
        firsts = [window.spans[0] for window in read if window.spans]
        if not firsts:
            continue
        span = max(firsts, key=lambda span: span.logit)
        start, end = passage.start + span.start, passage.start + span.end
        same = passage.text[span.start : span.end].casefold() == text.casefold()
        if same and (passage.document.path, start) not in seen:
            seen.add((passage.document.path, start))
            yield passage, start, end
