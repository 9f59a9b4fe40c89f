"""Shared types: frozen dataclasses that modules pass to each other.

Imports only the standard library; numpy appears in annotations alone, so that importing pullquote
stays cheap. All character positions are code points of a Python `str`, half open.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from pullquote.deprecated import moved_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a context: `context[start:end] == text`.

    >>> from pullquote import Span
    >>> context = "The Norse, led by Rollo, came by sea."
    >>> span = Span("Rollo", 18, 23)
    >>> context[span.start : span.end] == span.text
    True
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """One question about one context, with its gold `answers` (none if it is unanswerable).

    >>> from pullquote import Example, Span
    >>> context = "The Norse, led by Rollo, came by sea."
    >>> example = Example("1", "Who led the Norse?", context, (Span("Rollo", 18, 23),))
    >>> example.is_impossible
    False
    """

    id: str
    question: str
    context: str
    answers: tuple[Span, ...] = ()
    title: str = ""

    @property
    def is_impossible(self) -> bool:
        """Whether the question has no gold answer (SQuAD 2.0's name for it)."""
        return not self.answers


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One model input: special tokens, the question and a part of the context.

    `offsets[i]` are the characters of context token `i`, which is token `context_start + i` of
    `input_ids`; `null_index` is the token (`[CLS]`) whose logits mean "no answer here".
    """

    input_ids: NDArray[np.int64]  # (T,)
    token_type_ids: NDArray[np.int64]  # (T,)
    offsets: NDArray[np.int32]  # (C, 2) characters of the context, half open
    context_start: int
    null_index: int = 0

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Windows padded to one length; the fields are the input names of a BERT-like model."""

    input_ids: NDArray[np.int64]  # (B, T)
    attention_mask: NDArray[np.int64]  # (B, T) 1 for tokens, 0 for padding
    token_type_ids: NDArray[np.int64]  # (B, T)


INPUTS = tuple(field.name for field in fields(Batch))
"""The input names of a model."""


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """The output of a backend for a batch: a start and an end logit for every token."""

    start: NDArray[np.float32]  # (B, T)
    end: NDArray[np.float32]  # (B, T)


@dataclass(frozen=True, slots=True)
class WindowSpans:
    """The best spans of a window, best first, which do not overlap; and what they compete with.

    A span is the characters of its tokens in the context, half open, and the logits of its first
    and last token. `log_mass` is log sum exp of the start logits plus that of the end logits, over
    all tokens of the context.
    """

    spans: Iterable[tuple[int, int, float, float]]
    null_start: float
    null_end: float
    log_mass: float
    complete: bool = True
    """Whether there are no more spans than these."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A quote from the context: `context[start:end] == text`.

    `score` is the calibrated probability that the answer is right: that a person who marks it in
    the text agrees, with an F1 above 0.5. Quotes are ranked by `start_logit + end_logit`.

    >>> from pullquote import Reader
    >>> context = "The Norse, led by Rollo, came by sea."
    >>> answer = Reader("tiny").answer("Who led the Norse?", context).answer
    >>> answer.text, answer.start, answer.end
    ('Rollo', 18, 23)
    >>> 0 <= answer.score <= 1
    True
    """

    text: str
    start: int
    end: int
    score: float
    start_logit: float
    end_logit: float

    def to_dict(self) -> dict[str, Any]:
        """All fields by their names, for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Highlight:
    """A sentence, or an entry of a list, that bears on a question: `context[start:end] == text`.

    `score` is the probability that it holds an answer, `quote` the best quote in it, which may
    reach over its ends.

    >>> from pullquote import Reader
    >>> text = "For the bread you need flour. It rains. You also need salt for the bread."
    >>> found = Reader().highlight("What do I need for the bread?", text)
    >>> [(one.text, one.quote.text) for one in found]
    [('For the bread you need flour.', 'flour'), ('You also need salt for the bread.', 'salt')]
    """

    text: str
    start: int
    end: int
    score: float
    quote: Span

    def to_dict(self) -> dict[str, Any]:
        """All fields by their names, for JSON; `quote` has `text`, `start` and `end`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Correction:
    """A word of a question, and the word that it was read as.

    >>> from pullquote import Reader
    >>> context = "The first lighthouse on the rocks was built by Henry Winstanley."
    >>> Reader().answer("Who built the lighthuose?", context).corrections
    (Correction(word='lighthuose', read_as='lighthouse'),)
    """

    word: str
    read_as: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one question, or `answer=None` when the text has none.

    `answers` are the best quotes, best first, which do not overlap: `top_k` of them, and at least
    five (as far as there are) when the reader abstains. `no_answer_score` is the probability that
    the text has no answer, `answerable` the share of questions that were expected to have one.
    Scores are only as good as the model's calibration.

    >>> from pullquote import Reader
    >>> context = "The Norse, led by Rollo, came by sea."
    >>> prediction = Reader().answer("Who wrote the history of the Normans?", context)
    >>> prediction.answer is None
    True
    >>> prediction.text
    ''
    >>> prediction.no_answer_score > 0.5
    True
    """

    id: str
    answer: Answer | None
    answers: tuple[Answer, ...]
    no_answer_score: float
    null_score_diff: float
    windows: int = 1
    """How many windows were read for it."""
    threshold: float | None = None
    """With a threshold, `answer` is `None` where `null_score_diff`, run_squad.py's null logit minus
    best span logit, exceeds it; without, where `no_answer_score` exceeds the best quote's score."""
    answerable: float = 0.5
    share: float = 1.0
    """The share of the best quote among all spans, in (0, 1], before calibration."""
    corrections: tuple[Correction, ...] = ()
    """The words of the question that were read as other words."""

    @property
    def text(self) -> str:
        """The answer's text, or "" when there is none (as in SQuAD 2.0 prediction files)."""
        return self.answer.text if self.answer else ""

    @property
    def best_text(self) -> str:
        """The text of the best quote, given or not; "" for a blank context."""
        return self.answers[0].text if self.answers else ""

    @property
    def decision_value(self) -> float:
        """The number that decides: the reader abstains if it is above `decision_limit`.

        `null_score_diff` where a threshold decides; else the log odds of no answer against the best
        quote, whose limit is 0.
        """
        if self.threshold is not None:
            return self.null_score_diff
        best = self.answers[0].score if self.answers else 0.0
        return math.log(max(self.no_answer_score, 1e-12) / max(best, 1e-12))

    @property
    def decision_limit(self) -> float:
        """The threshold, or 0 where probabilities decide."""
        return 0.0 if self.threshold is None else self.threshold

    def to_dict(self) -> dict[str, Any]:
        """The one JSON form of a prediction: every key but `id`, which not every caller has.

        >>> from pullquote import Prediction
        >>> Prediction("7", None, (), no_answer_score=1.0, null_score_diff=9.5).to_dict()["answer"]

        The keys are `answer` (an object or null), `answers`, `no_answer_score`, `answerable`,
        `null_score_diff`, `threshold` (a number or null) and `corrections`; an answer has `text`,
        `start`, `end`, `score`, `start_logit`, `end_logit`, a correction `word` and `read_as`.
        """
        return {
            "answer": self.answer and self.answer.to_dict(),
            "answers": [answer.to_dict() for answer in self.answers],
            "no_answer_score": self.no_answer_score,
            "answerable": self.answerable,
            "null_score_diff": self.null_score_diff,
            "threshold": self.threshold,
            "corrections": [asdict(correction) for correction in self.corrections],
        }


@dataclass(frozen=True, slots=True)
class Mark:
    """The offset in a passage at which a line, page, section or paragraph begins.

    `number` counts lines, pages, sections or paragraphs of the document from 1, or rows of a sheet.
    """

    offset: int
    number: int
    sheet: str = ""
    """The name of the sheet, in a workbook of several."""
    fields: tuple[tuple[str, str | float | bool], ...] = ()
    """What stands beside the text in a row of a file of texts: names of columns, and values."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read into passages; `unit` says how positions in it are numbered.

    >>> from pullquote import Document
    >>> Document("lease.pdf", "page")
    Document(path='lease.pdf', unit='page', metadata={})
    """

    path: str
    unit: str
    """"line", "page" (PDF), "section" (EPUB), "paragraph" (DOCX, ODT, RTF), "slide" (PPTX, ODP),
    "message" (e-mail), "row" (XLSX, ODS, JSON lists, Parquet), or "block": a mark holds the line of
    the file, but line breaks of the extracted text are not the file's (HTML, CSV, JSON Lines,
    subtitles).
    """
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Of a text that is no file (`Index.add_texts`): the fields that came with it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a document: its path, and the number of a line, page, section or paragraph.

    >>> from pullquote import Place
    >>> place = Place("contract.pdf", "page", 3)
    >>> str(place), place.link
    ('contract.pdf, page 3', 'contract.pdf#page=3')
    """

    path: str
    unit: str
    number: int
    sheet: str = ""
    """The name of the sheet, in a workbook of several."""

    def __str__(self) -> str:
        return f"{self.path}, {self.within}"

    @property
    def within(self) -> str:
        """The position without the path.

        >>> from pullquote import Place
        >>> Place("stock.xlsx", "row", 4, "Prices").within
        'sheet Prices, row 4'
        """
        sheet = f"sheet {self.sheet}, " if self.sheet else ""
        return f"{sheet}{self.unit} {self.number}"

    @property
    def link(self) -> str:
        """An address for an editor or browser: `notes.txt:12`, `contract.pdf#page=3`, or the path.

        EPUB, DOCX and the like have no such address for a position: theirs is the path alone.
        """
        if self.unit == "line":
            return f"{self.path}:{self.number}"
        return f"{self.path}#page={self.number}" if self.unit == "page" else self.path

    def to_dict(self) -> dict[str, Any]:
        """`document`, the number under the name of its unit, `link`, and `sheet` if it has one.

        >>> from pullquote import Place
        >>> Place("lease.pdf", "page", 3).to_dict()
        {'document': 'lease.pdf', 'page': 3, 'link': 'lease.pdf#page=3', 'path': 'lease.pdf'}

        `path` is the name that `document` had in 0.1.
        """
        return {
            "document": self.path,
            **self.fields(),
            "link": self.link,
            "path": self.path,
        }

    def fields(self) -> dict[str, Any]:
        """The number under the name of its unit, and `sheet` if it has one.

        >>> from pullquote import Place
        >>> Place("stock.xlsx", "row", 4, "Prices").fields()
        {'sheet': 'Prices', 'row': 4}
        """
        sheet = {"sheet": self.sheet} if self.sheet else {}
        return {**sheet, self.unit: self.number}


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document: `document_text[start : start + len(text)] == text`.

    >>> from pullquote import Document, Passage
    >>> from pullquote.types import Mark
    >>> passage = Passage(Document("notes.txt", "line"), "To be, or not", 120, (Mark(0, 7),))
    >>> passage.start, passage.end
    (120, 133)
    >>> str(passage.place())
    'notes.txt, line 7'
    """

    document: Document
    text: str
    start: int
    marks: tuple[Mark, ...]
    """In ascending order; the first has offset 0."""

    @property
    def end(self) -> int:
        """The offset in the document after the last character."""
        return self.start + len(self.text)

    @property
    def metadata(self) -> dict[str, Any]:
        """The fields that came with its text: those of the document, or of the row of a file."""
        # the name of an attachment may stand above its first row
        of_row = next((mark.fields for mark in self.marks if mark.fields), ())
        return dict(self.document.metadata) | dict(of_row)

    def place(self, offset: int = 0) -> Place:
        """The position of the character at `offset` of the passage.

        >>> from pullquote import Document, Passage
        >>> from pullquote.types import Mark
        >>> passage = Passage(Document("a.txt", "line"), "To be,\\nor not", 0, (Mark(0, 7),))
        >>> passage.place(10).number
        8
        """
        mark = next(mark for mark in reversed(self.marks) if mark.offset <= offset)
        unit, number = self.document.unit, mark.number
        if unit == "line":
            number += line_breaks(self.text, mark.offset, offset)
        return Place(self.document.path, "line" if unit == "block" else unit, number, mark.sheet)

    def to_dict(self) -> dict[str, Any]:
        """The one JSON form of a passage.

        >>> from pullquote import Document, Passage
        >>> from pullquote.types import Mark
        >>> marks = Mark(0, 7), Mark(7, 8)
        >>> passage = Passage(Document("a.pdf", "page"), "To be,\\nor not", 120, marks)
        >>> passage.to_dict()["page"], passage.to_dict()["marks"]
        (7, [{'offset': 0, 'page': 7}, {'offset': 7, 'page': 8}])

        Its keys are `text`, `start`, `end`, those of its place (`document`, its unit such as `page`
        or `line`, `link`), `marks`: the offsets in `text` at which pages and so on begin, and
        `metadata`.
        """
        marks = [(mark.offset, self.place(mark.offset)) for mark in self.marks]
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            **self.place().to_dict(),
            "marks": [{"offset": offset, **place.fields()} for offset, place in marks],
            "metadata": self.metadata,
        }


def line_breaks(text: str, start: int, end: int) -> int:
    """The number of line breaks in `text[start:end]`: \\n, \\r\\n or a lone \\r."""
    lone_returns = text.count("\r", start, end) - text.count("\r\n", start, end)
    return text.count("\n", start, end) + lone_returns


@dataclass(frozen=True, slots=True)
class Hit:
    """A quote from one of several documents, with its position.

    `score` is the probability that the quote is correct, comparable over all documents.
    `start` and `end` are characters of the document's text; `passage.text[offset:]` begins with
    `text`.

    >>> from pathlib import Path
    >>> from pullquote import Index, Reader, Searcher
    >>> _ = Path("lease.txt").write_text("The rent is 840 crowns.")
    >>> with Index.create("notes.db") as index:
    ...     _ = index.add(["lease.txt"])
    ...     (hit,) = Searcher(Reader(), index).ask("How much is the rent?")
    >>> hit.text, hit.place.number
    ('840 crowns', 1)
    """

    text: str
    score: float
    place: Place
    start: int
    end: int
    passage: Passage
    offset: int
    also: tuple[Place, ...] = ()
    """Other places whose passages say the same best."""
    sentence: str = ""
    """The sentence around the quote, cut to 240 characters on either side."""

    def to_dict(self) -> dict[str, Any]:
        """The one JSON form of a quote from a document.

        Its keys are those of an answer (`text`, `start`, `end`, `score`), those of its place
        (`document`, its unit such as `page` or `line`, `link`), `sentence`, `passage`,
        `passage_start`, `also`, a list of other places, and the `metadata` of the passage.
        """
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "score": self.score,
            **self.place.to_dict(),
            "sentence": self.sentence,
            "passage": self.passage.text,
            "passage_start": self.passage.start,
            "also": [place.to_dict() for place in self.also],
            "metadata": self.passage.metadata,
        }


if not TYPE_CHECKING:  # so that a type checker still reports unknown names
    __getattr__ = moved_names(
        __name__,
        {
            name: f"pullquote.settings.{name}"
            for name in ("Calibration", "ReaderConfig", "READER_FORMAT")
        },
    )
