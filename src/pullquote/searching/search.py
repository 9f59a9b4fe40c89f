"""Answers a question from many documents: retrieves passages, reads them, ranks their quotes.

    searcher = Searcher(Reader(), Index.open("notes.db"))
    for hit in searcher.ask("When is the rent due?", top_k=3):
        print(hit.text, hit.place)                # "the third", "lease.pdf, page 2"

Knows passages and the logits of their windows, not how an index finds them. Quotes of all passages
are ranked by one number, in logits:

    logit of the quote - `null` x null logit of its window + `retrieval` x (score - best score)

where the score of a passage is what the index gives it: BM25, cosine and length, fused.

The null logit is part of it because a reader is trained to compare the quotes of a window with
that window's null logit, not with the quotes of other windows. For the same reason the sentences of
the best quotes are read once more, as one text (`shortlist`), and `again` x the logit there is
added.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import IndexFileError, InputError
from pullquote.reading.decode import NEAREST, NO_SPAN, Candidates, ScoredSpan, share_of
from pullquote.reading.quotes import whole_quote
from pullquote.reading.sentences import sentence_around
from pullquote.reading.spelling import Respelt
from pullquote.scoring.calibration import probabilities_of_one
from pullquote.searching.index import Index, RetrievedPassage
from pullquote.searching.plain import is_plain
from pullquote.searching.rows import within_cell
from pullquote.searching.shortlist import Looks, Shortlist
from pullquote.types import Correction, Example, Hit, Passage, Place

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader
    from pullquote.searching.texts import Source

_TOGETHER = 8  # questions whose passages are read together


@dataclass(frozen=True, slots=True)
class Ranking:
    """The weights of retrieval and reading, chosen on held-out paragraphs (EXPERIMENTS.md)."""

    passages: int = 20
    """How many passages are read for a question, at most."""
    margin: float = 12.0
    """Passages whose score is so many logits below the best one's are not read: the logit of a
    quote there would have to be that much higher."""
    null: float = 0.5
    """The weight of a window's null logit, which is subtracted from the logits of its quotes."""
    retrieval: float = 1.0
    """The weight of a passage's score: logits per unit."""
    again: float = 0.35
    """The weight of a quote's logit in the second reading, side by side with the other best."""
    null_again: float = 0.5
    """The weight of the second reading against the first in whether there is an answer."""
    independence: float = 0.35
    """n windows count as n to the power of this in the calibration, which corrects for the maximum
    over the windows of one text: passages that a search has chosen are less of a chance."""

    def __post_init__(self) -> None:
        if not 1 <= self.passages <= 1000:
            raise InputError(f"passages is {self.passages}, expected 1 to 1000")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best quotes of all documents, and whether the first of them answers the question."""

    question: str
    hits: tuple[Hit, ...]
    """Best first, at most `top_k`; at least five (as far as there are) if it is not answered."""
    answered: bool
    """Whether the first hit answers the question; decided as for `Prediction`."""
    no_answer_score: float
    """The probability, in [0, 1], that no document has an answer."""
    null_score_diff: float
    """Null logit of a window minus the logit of its quote, for the best quote; the weighted mean of
    both readings."""
    threshold: float | None
    """The no-answer threshold, in logits; None where probabilities decided."""
    answerable: float
    """The share of questions that were expected to have an answer."""
    passages: int
    """How many passages were read."""
    corrections: tuple[Correction, ...] = ()
    """The words of the question that were read as other words."""

    def to_dict(self) -> dict[str, Any]:
        """The keys of `Prediction.to_dict`, with hits as answers, and how many `passages`."""
        hits = [hit.to_dict() for hit in self.hits]
        return {
            "answer": hits[0] if self.answered else None,
            "answers": hits,
            "no_answer_score": self.no_answer_score,
            "answerable": self.answerable,
            "null_score_diff": self.null_score_diff,
            "threshold": self.threshold,
            "passages": self.passages,
            "corrections": [asdict(correction) for correction in self.corrections],
        }


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The passages to read for a question."""

    question: str
    read_as: str
    """The question without misspelt words; this is what the reader reads."""
    corrections: tuple[Correction, ...]
    passages: tuple[RetrievedPassage, ...]
    unread: int = 0
    """How many more were found, but are too far behind the best to be read."""


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
    def whole(self) -> _Location:
        """The location of the whole quote; of a row, within one cell."""
        start, end = whole_quote(self.passage.text, self.span.start, self.span.end)
        if not is_plain(self.passage.document.path):  # its lines are no rows
            start, end = within_cell(self.passage.text, start, end)
        return _Location(self.passage, self.span._replace(start=start, end=end))

    def hit(self, score: float, also: Iterable[_Location]) -> Hit:
        return Hit(
            text=self.text,
            score=score,
            place=self.place,
            start=self.start,
            end=self.end,
            passage=self.passage,
            offset=self.span.start,
            also=tuple(other.place for other in also),
            sentence=sentence_around(self.passage.text, self.span.start, self.span.end).text,
        )

    def overlaps(self, other: _Location) -> bool:
        same = self.passage.document.path == other.passage.document.path
        return same and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class _Quote:
    """A span of a passage, with the number that ranks it among the spans of all passages."""

    value: float
    first: float  # the same without the second reading
    rank: int  # of its window: those of the best passage come first
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

    def __init__(
        self,
        reader: Reader,
        index: Index | Iterable[Source] = (),
        *,
        ranking: Ranking | None = None,
    ) -> None:
        """`index` may also be texts, as `Index.add_texts` takes them, which are kept in memory."""
        if not isinstance(index, Index):
            in_memory = Index.in_memory()
            if problems := in_memory.add_texts(index).problems:
                left = f"{len(problems):,} texts are" if len(problems) > 1 else "1 text is"
                warnings.warn(f"{left} not searched; {problems[0]}", stacklevel=2)
            index = in_memory
        self.reader = reader
        self.index = index
        self.ranking = ranking or Ranking()

    def ask(
        self,
        question: str,
        top_k: int = 1,
        *,
        path: str | None = None,
        where: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        answerable: float | None = None,
    ) -> list[Hit]:
        """The best quotes of all documents that answer a question; an empty list if none does.

        `path` is a glob that documents must match, `where` fields of their metadata, or columns
        of tables in files (see `Index.search`). `threshold` and `answerable` are those of
        `Reader.answer_all`. Raises `InputError` for a blank question, for a glob that no document
        matches and a field that none has, `IndexFileError` for an empty index.
        """
        decision = {"threshold": threshold, "answerable": answerable}
        return _answers(self.search(question, top_k, path=path, where=where, **decision))

    def ask_all(
        self,
        questions: Iterable[str],
        top_k: int = 1,
        *,
        path: str | None = None,
        where: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        answerable: float | None = None,
    ) -> Iterator[list[Hit]]:
        """The same as `ask` for many questions, in order, whose passages are read together.

        >>> from pullquote import Reader, Searcher
        >>> searcher = Searcher(Reader(), ["The rent is 840 crowns.", "Ann built the mill."])
        >>> questions = ["How much is the rent?", "Who built the mill?"]
        >>> [hits[0].text for hits in searcher.ask_all(questions)]
        ['840 crowns', 'Ann']
        """
        decision = {"threshold": threshold, "answerable": answerable}
        for result in self.search_all(questions, top_k, path=path, where=where, **decision):
            yield _answers(result)

    def search(
        self,
        question: str,
        top_k: int = 1,
        *,
        path: str | None = None,
        where: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        answerable: float | None = None,
    ) -> SearchResult:
        """The same as `ask`, with scores, and with the best quotes of an unanswered question."""
        decision = {"threshold": threshold, "answerable": answerable}
        return next(self.search_all([question], top_k, path=path, where=where, **decision))

    def search_all(
        self,
        questions: Iterable[str],
        top_k: int = 1,
        *,
        path: str | None = None,
        where: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        answerable: float | None = None,
    ) -> Iterator[SearchResult]:
        """The same as `ask_all`, with scores, and with the best quotes of unanswered questions."""
        if isinstance(questions, str):
            raise InputError("questions is one text, expected a list of questions")
        _check_top_k(top_k)
        self.reader.config.decision(threshold, answerable)  # refuse bad values before any work
        questions = iter(questions)
        while some := list(itertools.islice(questions, _TOGETHER)):
            retrievals = [self.retrieve(question, path=path, where=where) for question in some]
            yield from self._read(retrievals, top_k, threshold, answerable)

    def _read(
        self,
        retrievals: Sequence[Retrieval],
        top_k: int,
        threshold: float | None,
        answerable: float | None,
        each: bool = False,
    ) -> Iterator[SearchResult]:
        """The results of questions whose passages are read together, in order."""
        examples = (
            Example(f"passage {number}", retrieval.read_as, entry.passage.text)
            for retrieval in retrievals
            for number, entry in enumerate(retrieval.passages)
        )
        read = iter(self.reader.read_all(examples))
        every = [list(itertools.islice(read, len(one.passages))) for one in retrievals]
        both = list(zip(retrievals, every, strict=True))
        shortlists = [self.shortlist(retrieval, windows) for retrieval, windows in both]
        again = iter(
            self.reader.read_all(
                Example("shortlist", retrieval.read_as, shortlist.text)
                for retrieval, shortlist in zip(retrievals, shortlists, strict=True)
                if shortlist.text
            )
        )
        for (retrieval, windows), shortlist in zip(both, shortlists, strict=True):
            yield self.decide(
                retrieval,
                windows,
                top_k,
                looks=shortlist.looks(next(again)) if shortlist.text else None,
                threshold=threshold,
                answerable=answerable,
                each=each,
            )

    def search_among(
        self,
        question: str,
        passages: Iterable[Passage],
        top_k: int = 1,
        *,
        threshold: float | None = None,
        answerable: float | None = None,
        each: bool = False,
    ) -> SearchResult:
        """The same as `search`, of passages that something else has found: all of them are read.

        >>> from pullquote import Document, Passage, Reader, Searcher
        >>> from pullquote.types import Mark
        >>> texts = ["The rent is 840 crowns.", "Ann built the mill."]
        >>> passages = [Passage(Document(t[:3], "line"), t, 0, (Mark(0, 1),)) for t in texts]
        >>> Searcher(Reader()).search_among("Who built the mill?", passages).hits[0].text
        'Ann'

        A passage may be longer than a window; the paths of their documents tell passages apart.
        With `each`, the hits are the best quote of each passage, though another's may read the
        same.
        """
        _check_question(question)
        _check_top_k(top_k)
        self.reader.config.decision(threshold, answerable)
        found = tuple(RetrievedPassage(passage, 0.0) for passage in passages)
        texts = [one.passage.text for one in found]
        spelling = self.reader.config.spelling
        respelt = self.reader.spelling.correct(question, texts) if spelling else Respelt(question)
        retrieval = Retrieval(question, respelt.question, respelt.corrections, found)
        return next(self._read([retrieval], top_k, threshold, answerable, each))

    def retrieve(
        self, question: str, *, path: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Retrieval:
        """The first step of `search`: the passages to read. Raises the errors of `ask`.

        Misspelt words are corrected by the words of the passages that are found with the others;
        then passages are retrieved again.
        """
        _check_question(question)
        passages = self._retrieve(question, path, where)
        if not self.reader.config.spelling:
            return self._worth_reading(Retrieval(question, question, (), tuple(passages)))
        respelt = self.reader.spelling.correct(question, [p.passage.text for p in passages])
        if respelt.corrections:
            passages = self._retrieve(respelt.question, path, where)
        return self._worth_reading(
            Retrieval(question, respelt.question, respelt.corrections, tuple(passages))
        )

    def _worth_reading(self, found: Retrieval) -> Retrieval:
        """A retrieval without the passages that are too far behind the best one."""
        ranking, every = self.ranking, found.passages
        read = tuple(
            entry
            for entry in every
            if ranking.retrieval * (every[0].score - entry.score) <= ranking.margin
        )
        return replace(found, passages=read, unread=len(every) - len(read))

    def _retrieve(
        self, question: str, path: str | None, where: Mapping[str, Any] | None
    ) -> list[RetrievedPassage]:
        retrieved = self.index.search(question, self.ranking.passages, path=path, where=where)
        if not retrieved and not len(self.index):
            raise IndexFileError(f"{self.index.path}: an empty index; add documents to it first")
        if path is not None and not retrieved and not self.index.matches(path):
            raise InputError(f"path={path}: none of the documents matches")
        return retrieved

    def shortlist(self, retrieval: Retrieval, windows: Sequence[Sequence[Candidates]]) -> Shortlist:
        """What is to be read once more, before `decide`: the sentences of the best quotes.

        `windows[i]` are what `Reader.read_all` returned for `retrieval.passages[i]`.
        """
        best: dict[int, _Quote] = {}  # by the rank of the window
        for quote in sorted(self._quotes(retrieval.passages, windows), key=lambda one: one.order):
            best.setdefault(quote.rank, quote)
        return Shortlist.of((one.location.passage, one.location.span) for one in best.values())

    def decide(
        self,
        retrieval: Retrieval,
        windows: Sequence[Sequence[Candidates]],
        top_k: int,
        *,
        looks: Looks | None = None,
        threshold: float | None = None,
        answerable: float | None = None,
        each: bool = False,
    ) -> SearchResult:
        """The last step of `search`: ranks the quotes of the passages, and answers or abstains.

        `windows` are those of `shortlist`, and `looks` what was found in that; None does without
        the second reading. With `each`, the hits are the best quote of each passage.
        """
        config, retrieved = self.reader.config, retrieval.passages
        decision = config.decision(threshold, answerable)
        first = self._quotes(retrieved, windows)
        quotes_read = first if looks is None else self._looked_at(first, looks)
        found = sorted(quotes_read, key=lambda quote: quote.order)
        if each:
            ranked = _first_of_each(found)
        else:
            ranked = _shown(_distinct(found), list(_best_of_passages(retrieved, windows)))
        shown = list(itertools.islice(ranked, max(top_k, NEAREST)))
        common = (decision.threshold, decision.answerable, len(retrieved), retrieval.corrections)
        if not shown:
            return SearchResult(retrieval.question, (), False, 1.0, NO_SPAN, *common)
        best = shown[0][0]
        none, _, scores = probabilities_of_one(
            config.calibration,
            best.null_score_diff,
            share_of(_log_mass_of(found[0], found), self._log_mass(retrieved, windows)),
            [quote.value for quote, _ in shown],
            (sum(map(len, windows)) + retrieval.unread) ** self.ranking.independence,
            answerable=decision.answerable,
        )
        hits = tuple(
            quote.location.hit(score, also)
            for (quote, also), score in zip(shown, scores, strict=True)
        )
        answered = not decision.abstains(scores[0], none, best.null_score_diff)
        kept = hits[:top_k] if answered else hits
        return SearchResult(retrieval.question, kept, answered, none, best.null_score_diff, *common)

    def _quotes(
        self, retrieved: Sequence[RetrievedPassage], windows: Sequence[Sequence[Candidates]]
    ) -> Iterator[_Quote]:
        """The spans of all windows of all passages."""
        for rank, (entry, window, bonus) in enumerate(self._windows(retrieved, windows)):
            for span in window.spans:
                location = _Location(entry.passage, span)
                value = span.logit + bonus
                yield _Quote(value, value, rank, location, window.null - span.logit)

    def _looked_at(self, quotes: Iterable[_Quote], looks: Looks) -> Iterator[_Quote]:
        """The quotes, ranked by both readings."""
        again, weight = self.ranking.again, self.ranking.null_again
        for quote in quotes:
            look = looks.of(quote.location.passage, quote.location.span)
            diff = (quote.null_score_diff + weight * (look.null - look.logit)) / (1 + weight)
            yield replace(quote, value=quote.first + again * look.logit, null_score_diff=diff)

    def _log_mass(
        self, retrieved: Sequence[RetrievedPassage], windows: Sequence[Sequence[Candidates]]
    ) -> float:
        """Log sum exp of what ranks the spans, over all spans of all windows."""
        masses = [w.log_mass + bonus for _, w, bonus in self._windows(retrieved, windows)]
        return float(np.logaddexp.reduce(masses))

    def _windows(
        self, retrieved: Sequence[RetrievedPassage], windows: Sequence[Sequence[Candidates]]
    ) -> Iterator[tuple[RetrievedPassage, Candidates, float]]:
        """Each window with its passage, and what is added to the logits of its spans."""
        best = retrieved[0].score if retrieved else 0.0
        for entry, read in zip(retrieved, windows, strict=True):
            behind = self.ranking.retrieval * (entry.score - best)
            for window in read:
                yield entry, window, behind - self.ranking.null * window.null


def _check_question(question: object) -> None:
    if not isinstance(question, str) or not question.strip():
        raise InputError("the question is blank; expected a question in words")


def _check_top_k(top_k: object) -> None:
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise InputError(f"top_k is {top_k!r}, expected a number from 1")


def _answers(result: SearchResult) -> list[Hit]:
    return list(result.hits) if result.answered else []


def _log_mass_of(quote: _Quote, quotes: Iterable[_Quote]) -> float:
    """Log sum exp of what ranks a quote and the others that read the same, at first reading."""
    text = quote.location.text.casefold()
    same = [other.first for other in quotes if other.location.text.casefold() == text]
    return float(np.logaddexp.reduce(same))


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
            yield _Location(entry.passage, max(firsts, key=lambda span: span.logit)).whole


def _shown(
    quotes: Iterable[_Quote], best_of_passages: Sequence[_Location]
) -> Iterator[tuple[_Quote, list[_Location]]]:
    """The whole quotes that do not overlap an earlier one, each with the other passages whose best
    quote reads the same.
    """
    taken: list[_Location] = []
    for quote in quotes:
        location = quote.location.whole
        if any(location.overlaps(other) for other in taken):
            continue  # a longer or shorter form of an earlier quote
        also = _elsewhere(location, best_of_passages)
        taken += [location, *also]
        yield replace(quote, location=location), also


def _first_of_each(quotes: Iterable[_Quote]) -> Iterator[tuple[_Quote, list[_Location]]]:
    """The first quote of each passage, whole."""
    seen = set()
    for quote in quotes:
        passage = quote.location.passage
        if (key := (passage.document.path, passage.start)) not in seen:
            seen.add(key)
            yield replace(quote, location=quote.location.whole), []


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
