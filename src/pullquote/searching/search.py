"""Answers a question from many documents: retrieves passages, reads them, ranks their quotes.

    searcher = Searcher(Reader(), Index.open("notes.db"))
    for hit in searcher.ask("When is the rent due?", top_k=3):
        print(hit.text, hit.place)                # "the third", "lease.pdf, page 2"

Knows passages and the logits of their windows, not how an index finds them. Quotes of all passages
are ranked by one number, in logits:

    logit of the quote - `null` x null logit of its window + `retrieval` x (BM25 - best BM25)

The null logit is part of it because a reader is trained to compare the quotes of a window with
that window's null logit, not with the quotes of other windows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import IndexFileError, InputError
from pullquote.reading.decode import NO_SPAN, Candidates, ScoredSpan
from pullquote.reading.sentences import sentence_around
from pullquote.scoring.calibration import Readings, scores
from pullquote.types import Example, Hit, Passage, Place

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader
    from pullquote.searching.index import Index, RetrievedPassage


@dataclass(frozen=True, slots=True)
class Ranking:
    """The weights of retrieval and reading, chosen on held-out paragraphs (EXPERIMENTS.md)."""

    passages: int = 20
    """How many passages are read for a question."""
    null: float = 0.5
    """The weight of a window's null logit, which is subtracted from the logits of its quotes."""
    retrieval: float = 1.0
    """The weight of BM25: logits per unit."""
    caution: float = 1 / 3
    """The no-answer threshold is the reader's, minus this times the natural logarithm of the number
    of passages: the more passages are read, the likelier one of them looks like an answer."""

    def __post_init__(self) -> None:
        if not 1 <= self.passages <= 1000:
            raise InputError(f"passages is {self.passages}, expected 1 to 1000")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best quotes of all documents, and whether the first of them answers the question."""

    question: str
    hits: tuple[Hit, ...]
    """Best first, at most `top_k`; they are given even if the question is not answered."""
    answered: bool
    """Whether `null_score_diff` is at most `threshold`."""
    no_answer_score: float
    """The probability, in [0, 1], that no document has an answer."""
    null_score_diff: float
    """Null logit of a window minus the logit of its quote, for the best quote."""
    threshold: float
    """The no-answer threshold that was used, in logits."""
    passages: int
    """How many passages were read."""

    def to_dict(self) -> dict[str, Any]:
        """The keys of `Prediction.to_dict`, with hits as answers, and how many `passages`."""
        hits = [hit.to_dict() for hit in self.hits]
        return {
            "answer": hits[0] if self.answered else None,
            "answers": hits,
            "no_answer_score": self.no_answer_score,
            "null_score_diff": self.null_score_diff,
            "threshold": self.threshold,
            "passages": self.passages,
        }


@dataclass(frozen=True, slots=True)
class _Location:
    """A span of a passage, as characters of the passage's document."""

    passage: Passage
    span: ScoredSpan

    @property
    def text(self) -> str:
        return self.passage.text[self.span.start : self.span.end]

    @property
    def start(self) -> int:
        return self.passage.start + self.span.start

    @property
    def end(self) -> int:
        return self.passage.start + self.span.end

    @property
    def place(self) -> Place:
        return self.passage.place(self.span.start)

    @property
    def sentence(self) -> str:
        return sentence_around(self.passage.text, self.span.start, self.span.end).text

    def overlaps(self, other: _Location) -> bool:
        same = self.passage.document.path == other.passage.document.path
        return same and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class _Quote:
    """A span of a passage, with the number that ranks it among the spans of all passages."""

    value: float
    rank: int  # of its passage, 0 for the best BM25
    location: _Location
    null_score_diff: float

    @property
    def order(self) -> tuple[float, int, int, int]:
        """The sort key: best first, and the same order in every run."""
        span = self.location.span
        return -self.value, self.rank, span.start, span.end


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
        reader's: the question has no answer if `null_score_diff` exceeds it. Raises `InputError`
        for a blank question and for a glob that no document matches, `IndexFileError` for an empty
        index.
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
        """The same as `ask`, with scores, and with the best quotes of an unanswered question."""
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise InputError(f"top_k is {top_k!r}, expected a number from 1")
        if threshold is not None and math.isnan(threshold):
            raise InputError("threshold is nan, expected a number")
        retrieved = self.retrieve(question, path=path)
        examples = (
            Example(f"passage {number}", question, entry.passage.text)
            for number, entry in enumerate(retrieved)
        )
        windows = list(self.reader.read_all(examples))
        return self.decide(question, retrieved, windows, top_k, threshold)

    def retrieve(self, question: str, *, path: str | None = None) -> list[RetrievedPassage]:
        """The first step of `search`: the passages to read. Raises the errors of `ask`."""
        if not isinstance(question, str) or not question.strip():
            raise InputError("the question is blank; expected a question in words")
        retrieved = self.index.search(question, self.ranking.passages, path=path)
        if not retrieved and not len(self.index):
            raise IndexFileError(f"{self.index.path}: an empty index; add documents to it first")
        if path is not None and not retrieved and not self.index.matches(path):
            raise InputError(f"path={path}: none of the documents matches")
        return retrieved

    def decide(
        self,
        question: str,
        retrieved: Sequence[RetrievedPassage],
        windows: Sequence[Sequence[Candidates]],
        top_k: int,
        threshold: float | None = None,
    ) -> SearchResult:
        """The last step of `search`: ranks the quotes of the passages, and answers or abstains.

        `windows[i]` are what `Reader.read_all` returned for `retrieved[i]`.
        """
        if threshold is None:
            threshold = self._threshold(len(retrieved))
        quotes = _distinct(sorted(self._quotes(retrieved, windows), key=lambda quote: quote.order))
        if not quotes:
            return SearchResult(question, (), False, 1.0, NO_SPAN, threshold, len(retrieved))
        no_answer_score, quote_scores = self._probabilities(quotes, sum(map(len, windows)))
        best_of_passages = list(_best_of_passages(retrieved, windows))
        hits = _hits(zip(quotes, quote_scores, strict=True), best_of_passages)
        diff = quotes[0].null_score_diff
        return SearchResult(
            question,
            tuple(itertools.islice(hits, top_k)),
            diff <= threshold,
            no_answer_score,
            diff,
            threshold,
            len(retrieved),
        )

    def _threshold(self, passages: int) -> float:
        """The no-answer threshold for a question on so many passages."""
        caution = self.ranking.caution * math.log(max(passages, 1))
        return self.reader.config.no_answer_threshold - caution

    def _quotes(
        self, retrieved: Sequence[RetrievedPassage], windows: Sequence[Sequence[Candidates]]
    ) -> Iterator[_Quote]:
        """The spans of all windows of all passages."""
        best = retrieved[0].score if retrieved else 0.0
        for rank, (entry, read) in enumerate(zip(retrieved, windows, strict=True)):
            bm25 = self.ranking.retrieval * (entry.score - best)
            for window in read:
                for span in window.spans:
                    value = span.logit - self.ranking.null * window.null + bm25
                    location = _Location(entry.passage, span)
                    yield _Quote(value, rank, location, window.null - span.logit)

    def _probabilities(
        self, quotes: Sequence[_Quote], windows: int
    ) -> tuple[float, Sequence[float]]:
        """The no-answer score of the question, and the score of each quote, in [0, 1]."""
        readings = Readings(
            np.array([quotes[0].null_score_diff]),
            np.array([[quote.value for quote in quotes]]),
            np.array([windows]),
        )
        config = self.reader.config
        # the calibration was fitted on the best `n_best_size` quotes of each question
        null, worth = scores(config.calibration, readings, among=config.n_best_size)
        return float(null[0]), worth[0].tolist()


def _distinct(quotes: Iterable[_Quote]) -> list[_Quote]:
    """The first quote of each text, whatever its case: as in a single text, equal texts are one."""
    distinct: dict[str, _Quote] = {}
    for quote in quotes:
        distinct.setdefault(quote.location.text.casefold(), quote)
    return list(distinct.values())


def _best_of_passages(
    retrieved: Sequence[RetrievedPassage], windows: Sequence[Sequence[Candidates]]
) -> Iterator[_Location]:
    """The best quote of each passage that has one."""
    for entry, read in zip(retrieved, windows, strict=True):
        if firsts := [window.spans[0] for window in read if window.spans]:
            yield _Location(entry.passage, max(firsts, key=lambda span: span.logit))


def _hits(
    scored: Iterable[tuple[_Quote, float]], best_of_passages: Sequence[_Location]
) -> Iterator[Hit]:
    """A hit for each quote, without those that overlap an earlier hit.

    `also` names the other passages whose best quote reads the same.
    """
    taken: list[_Location] = []
    for quote, score in scored:
        location = quote.location
        if any(location.overlaps(other) for other in taken):
            continue  # a longer or shorter form of an earlier quote
        also = _elsewhere(location, best_of_passages)
        taken += [location, *also]
        yield Hit(
            text=location.text,
            score=score,
            place=location.place,
            start=location.start,
            end=location.end,
            passage=location.passage,
            offset=location.span.start,
            also=tuple(other.place for other in also),
            sentence=location.sentence,
        )


def _elsewhere(location: _Location, best_of_passages: Iterable[_Location]) -> list[_Location]:
    """The best quotes of other passages that read the same, each once."""
    text = location.text.casefold()
    seen = {(location.passage.document.path, location.start)}
    found = []
    for other in best_of_passages:
        # passages overlap: two of them may hold the same characters
        key = other.passage.document.path, other.start
        if other.text.casefold() == text and key not in seen:
            seen.add(key)
            found.append(other)
    return found
