"""Shared types: frozen dataclasses that modules pass to each other.

Needs only the standard library: numpy appears in annotations only, so that `import pullquote` is
fast. All character positions are code points of a Python `str`; ranges are half open.
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
    """A piece of a context: `context[start:end] == text`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """One question on one context; the gold `answers` are empty when the text has none."""

    id: str
    question: str
    context: str
    answers: tuple[Span, ...] = ()
    title: str = ""

    @property
    def is_impossible(self) -> bool:
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
    first: int = 0
    """Index of the first context token of the window among all tokens of the context."""

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

    `score` is the probability that it is right: that it shares most words with what a person would
    mark (F1 above 0.5). Spans of all windows compete with `start_logit + end_logit`.
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
    `null_score_diff` is run_squad.py's number: null logit minus best span logit, with the null
    logit taken as the minimum over windows. `no_answer_score` is the probability that the text has
    no answer. Both probabilities are as good as the model's calibration, and speak of a world in
    which half of the questions have an answer.
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
    """The offset in a passage where a line, page, section or paragraph begins, and its number
    from 1.
    """

    offset: int
    number: int


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read into passages; `unit` is what its places are counted in."""

    path: str
    unit: str
    """"line", "page" (PDF), "section" (EPUB), "paragraph" (DOCX), or "block" where a mark has a
    line of the file, but the lines of the text are not the file's (HTML, CSV, JSON Lines)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands: `print(place)` shows "contract.pdf, page 3"."""

    path: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}, {self.unit} {self.number}"

    @property
    def link(self) -> str:
        """What an editor or a browser opens: `notes.txt:12`, `contract.pdf#page=3`, or the file."""
        if self.unit == "line":
            return f"{self.path}:{self.number}"
        return f"{self.path}#page={self.number}" if self.unit == "page" else self.path

    def to_dict(self) -> dict[str, Any]:
        """`document`, the number under the name of its unit, and `link`.

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
    """A stretch of a document: `text_of_the_document[start : start + len(text)] == text`."""

    document: Document
    text: str
    start: int
    marks: tuple[Mark, ...]
    """Rising; the first stands at 0."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def place(self, offset: int = 0) -> Place:
        """Where the character at `offset` of the passage stands.

        >>> marks = (Mark(0, 7),)
        >>> Passage(Document("a.txt", "line"), "To be,\\nor not", 0, marks).place(10).number
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
    """A quote from one of many documents, and where it stands.

    `score` is the probability that it is right, comparable over all documents.
    `start` and `end` are characters of the document's text; `passage.text[offset:]` begins with
    `text`.
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
        (`document`, `page` or `line` or `section` or `paragraph`, `link`), `sentence`, `passage`,
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

    The defaults do not calibrate: `no_answer_score` is the logistic function of `null_score_diff`,
    and quotes share the rest by a softmax.
    """

    below: float = 1.0
    """Slope of the no-answer log odds where `null_score_diff` is below 0; never negative."""
    above: float = 1.0
    """Slope of the no-answer log odds where `null_score_diff` is above 0; never negative."""
    spread: float = 0.0
    """Weight of the number of quotes that score nearly as high as the best."""
    bias: float = 0.0
    """Constant term of the no-answer log odds."""
    windows: float = 0.0
    """Weight of the logarithm of the number of windows in the no-answer log odds."""
    temperature: float = 1.0
    """Divides the logits of quotes before their softmax."""
    windows_temperature: float = 0.0
    """Exponent of the number of windows, which multiplies the temperature."""
    fitted_on: str = ""
    """A description of the data that these numbers were fitted on; empty when not fitted."""

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
    """How a model reads; stored beside the weights as `reader.json`. The only defaults there are.

    Lengths are tokens.
    """

    max_length: int = 384
    """A window: special tokens, question and context together."""
    overlap: int = 128
    """Context tokens that two neighbouring windows share (Hugging Face's `doc_stride`)."""
    max_question_length: int = 64
    """A longer question is cut to this, with a warning."""
    max_answer_length: int = 30
    """No answer is longer than this."""
    n_best_size: int = 20
    """Candidate answers over which scores are normalised, and the most that `top_k` returns."""
    no_answer_threshold: float = 0.0
    """Abstain when `null_score_diff` exceeds this; fitted on held-out data."""
    threshold_fitted_on: str = ""
    """The data, mix and weights behind the threshold, in words; empty when it was not fitted."""
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
