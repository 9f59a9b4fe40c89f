"""Shared types: frozen dataclasses that modules pass to each other.

Imports only the standard library; numpy appears in annotations alone, so that importing pullquote
stays cheap. All character positions are code points of a Python `str`, half open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from pullquote.errors import ConfigError

if TYPE_CHECKING:
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
class Answer:
    """A quote from the context: `context[start:end] == text`.

    `score` is the calibrated probability that the answer is correct, which means an F1 above 0.5
    against the gold answers. Spans of all windows are ranked by `start_logit + end_logit`.

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
class Prediction:
    """The answer to one question, or `answer=None` when the text has none.

    `answers` are the best quotes, best first, whether or not the reader abstains.
    `null_score_diff` is run_squad.py's value: null logit minus best span logit, where the null
    logit is the minimum over all windows. `no_answer_score` is the probability that the text has
    no answer. Scores are only as good as the model's calibration, which assumes that half of the
    questions have an answer.

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
    threshold: float = 0.0
    """The threshold that was used: `answer` is `None` where `null_score_diff` exceeds it."""

    @property
    def text(self) -> str:
        """The answer's text, or "" when there is none (as in SQuAD 2.0 prediction files)."""
        return self.answer.text if self.answer else ""

    @property
    def best_text(self) -> str:
        """The text of the best quote, given or not; "" for a blank context."""
        return self.answers[0].text if self.answers else ""

    def to_dict(self) -> dict[str, Any]:
        """The one JSON form of a prediction: every key but `id`, which not every caller has.

        >>> from pullquote import Prediction
        >>> Prediction("7", None, (), no_answer_score=1.0, null_score_diff=9.5).to_dict()["answer"]

        The keys are `answer` (an object or null), `answers`, `no_answer_score`, `null_score_diff`
        and `threshold`; an answer has `text`, `start`, `end`, `score`, `start_logit`, `end_logit`.
        """
        return {
            "answer": self.answer and self.answer.to_dict(),
            "answers": [answer.to_dict() for answer in self.answers],
            "no_answer_score": self.no_answer_score,
            "null_score_diff": self.null_score_diff,
            "threshold": self.threshold,
        }


def _check_type(name: str, value: object, declared: object) -> None:
    """Raise `ConfigError` when a setting does not have the declared type of its field."""
    if declared == "Calibration":
        matches, expected = isinstance(value, Calibration), "a Calibration"
    elif declared == "str":
        matches, expected = isinstance(value, str), "a string"
    else:
        numbers = int if declared == "int" else (int, float)
        matches = isinstance(value, numbers) and not isinstance(value, bool)
        expected = f"a number ({declared})"
    if not matches:
        raise ConfigError(f"{name} is {value!r}, expected {expected}")


@dataclass(frozen=True, slots=True)
class Mark:
    """The offset in a passage at which a line, page, section or paragraph begins.

    `number` counts lines, pages, sections or paragraphs of the document from 1.
    """

    offset: int
    number: int


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read into passages; `unit` says how positions in it are numbered.

    >>> from pullquote import Document
    >>> Document("lease.pdf", "page")
    Document(path='lease.pdf', unit='page')
    """

    path: str
    unit: str
    """"line", "page" (PDF), "section" (EPUB), "paragraph" (DOCX), "row" (JSON lists, Parquet), or
    "block": a mark holds the line of the file, but line breaks of the extracted text are not the
    file's (HTML, CSV, JSON Lines).
    """


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

    def __str__(self) -> str:
        return f"{self.path}, {self.unit} {self.number}"

    @property
    def link(self) -> str:
        """An address for an editor or browser: `notes.txt:12`, `contract.pdf#page=3`, or the path.

        EPUB and DOCX files have no such address for a position, so that theirs is the path alone.
        """
        if self.unit == "line":
            return f"{self.path}:{self.number}"
        return f"{self.path}#page={self.number}" if self.unit == "page" else self.path

    def to_dict(self) -> dict[str, Any]:
        """`document`, the number under the name of its unit, and `link`.

        >>> from pullquote import Place
        >>> Place("lease.pdf", "page", 3).to_dict()
        {'document': 'lease.pdf', 'page': 3, 'link': 'lease.pdf#page=3', 'path': 'lease.pdf'}

        `path` is the name that `document` had in 0.1.
        """
        return {
            "document": self.path,
            self.unit: self.number,
            "link": self.link,
            "path": self.path,
        }


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
        return Place(self.document.path, "line" if unit == "block" else unit, number)


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
        `passage_start`, and `also`, a list of other places.
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
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """Parameters that turn logits into probabilities; `scoring/calibration.py` has the formulas.

    The defaults mean no calibration: `no_answer_score` is the logistic function of
    `null_score_diff`.
    """

    below: float = 1.0
    """Slope of the log odds of no answer where `null_score_diff` is below 0; at least 0."""
    above: float = 1.0
    """The same slope where `null_score_diff` is above 0."""
    spread: float = 0.0
    """Weight of the log-sum-exp of the quotes' logits relative to the best one."""
    bias: float = 0.0
    """Constant term of the log odds."""
    windows: float = 0.0
    """Weight of the logarithm of the number of windows."""
    temperature: float = 1.0
    """Temperature of the softmax over the quotes' logits."""
    windows_temperature: float = 0.0
    """Exponent of the number of windows, whose power multiplies the temperature."""
    fitted_on: str = ""
    """A description of the data that these values were fitted on; empty if they were not."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _check_type(f"calibration: {field.name}", value, field.type)
            if field.type == "float" and not math.isfinite(value):
                raise ConfigError(f"calibration: {field.name} is {value}, expected a finite number")
        if self.temperature <= 0:
            raise ConfigError(f"calibration: temperature is {self.temperature}, expected above 0")
        if self.below < 0 or self.above < 0:
            raise ConfigError(
                f"calibration: slopes are {self.below} and {self.above}, expected none below 0"
            )


READER_FORMAT = 1
"""The `reader.json` format that this version writes, and the newest that it reads."""


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """Settings of a reader, stored beside the weights as `reader.json`; the only defaults.

    Lengths are tokens. Raises `ConfigError` for settings that contradict each other.

    >>> from pullquote import Reader, ReaderConfig
    >>> ReaderConfig(max_answer_length=10, overlap=64).max_length
    384
    >>> reader = Reader("tiny", config=ReaderConfig(no_answer_threshold=9999))  # always answers
    >>> reader.answer("Who led the Saxons?", "The Norse came by sea.").answer is None
    False
    """

    max_length: int = 384
    """Tokens of a window: special tokens, question and context together."""
    overlap: int = 128
    """Context tokens that two neighbouring windows share (Hugging Face's `doc_stride`)."""
    max_question_length: int = 64
    """A longer question is cut to this, with a warning."""
    max_answer_length: int = 30
    """No answer is longer than this."""
    n_best_size: int = 20
    """Candidate answers over which scores are normalised; the upper limit of `top_k`."""
    no_answer_threshold: float = 0.0
    """The reader abstains when `null_score_diff` exceeds this; fitted on held-out data."""
    threshold_fitted_on: str = ""
    """A description of the data that the threshold was fitted on; empty if it was not."""
    calibration: Calibration = Calibration()
    """How logits become probabilities."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _check_type(field.name, value, field.type)
            if field.type == "int" and value < 1:
                raise ConfigError(f"{field.name} is {value}, expected at least 1")
        if not abs(self.no_answer_threshold) <= 1e9:  # also refuses NaN, which JSON cannot hold
            raise ConfigError(
                f"no_answer_threshold is {str(self.no_answer_threshold)[:20]}, expected a logit; "
                "9999 always answers, -9999 never"
            )
        # Windows that overlap by 2 x max_answer_length tokens never split an answer:
        #   overlap 4, answers of 2:  a b c d e f         the answer "d e" is whole in window 0,
        #                                 c d e f g h     the answer "f g" is whole in window 1
        if self.overlap < 2 * self.max_answer_length:
            raise ConfigError(
                f"overlap is {self.overlap}, expected at least 2 x max_answer_length = "
                f"{2 * self.max_answer_length}, so that no window border splits an answer"
            )
        if self.max_length <= self.max_question_length + self.overlap:
            raise ConfigError(
                f"max_length is {self.max_length}, which leaves no room to advance: expected more "
                f"than max_question_length + overlap = {self.max_question_length + self.overlap}"
            )

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> ReaderConfig:
        """Read the content of `reader.json`; an unknown key is an error, a missing one a default.

        `where` names the file in errors. Raises `ConfigError` for a file of a newer format, too.
        """
        try:
            values = dict(values)
            format = values.pop("format", 1)  # pullquote 0.1 wrote no format number
            if not isinstance(format, int) or isinstance(format, bool) or format < 1:
                raise ConfigError(f"format is {format!r}, expected a whole number from 1")
            if format > READER_FORMAT:
                raise ConfigError(
                    f"format {format}, written by a newer pullquote; this one reads formats up to "
                    f"{READER_FORMAT}: pip install --upgrade pullquote"
                )
            _check_known(cls, values)
            calibration = values.get("calibration", {})
            if not isinstance(calibration, Mapping):
                raise ConfigError(f"calibration is {calibration!r}, expected an object")
            _check_known(Calibration, calibration)
            return cls(**{**values, "calibration": Calibration(**calibration)})
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The content of `reader.json`, which `from_json` reads."""
        return {"format": READER_FORMAT, **asdict(self)}


def _check_known(
    settings: type[ReaderConfig] | type[Calibration], values: Mapping[str, Any]
) -> None:
    """Raise `ConfigError` for keys that are no fields of the dataclass."""
    known = {field.name for field in fields(settings)}
    if unknown := sorted(set(values) - known):
        raise ConfigError(
            f"unknown setting {', '.join(unknown)}. Known: {', '.join(sorted(known))}"
        )
