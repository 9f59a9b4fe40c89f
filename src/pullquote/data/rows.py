"""Makes examples of rows of question answering data, and checks them: no other module does.

    dataset = examples_from_rows(datasets.load_dataset("squad_v2", split="validation"))

Knows nothing of files: every format, SQuAD JSON included, becomes rows first. A row has
`question` and `context`, and may have `id`, `title`, `is_impossible` and answers in one of three
layouts:

    answers = {"text": ["Rollo"], "answer_start": [18]}      Hugging Face columns; what we write
    answers = [{"text": "Rollo", "answer_start": 18}]        SQuAD
    answer_text = "Rollo", answer_start = 18                 flat; no text means no answer

- An answer is valid if the context has it at `answer_start`, or has it once and there is no
  `answer_start`. Others are dropped. A question all
  of whose answers were dropped is dropped, too: it would look unanswerable.
- A question without answers, and without an `is_impossible` that is false, is an example without
  answers. Unlabelled questions look the same; an `Example` cannot tell them apart.
- An `is_impossible` that contradicts the answers drops the question: run_squad.py would believe
  the flag, the official scorer the answers. `plausible_answers` are no answers and never read.
- A missing `id` becomes the number of the question, counted from 1. Of two questions with one id
  the second is dropped.
- Lone surrogates are dropped: no UTF-8 file holds them and no tokenizer takes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, TypeAlias

from pullquote.data.tables import from_list
from pullquote.errors import DataError
from pullquote.types import Example, Span


@dataclass(frozen=True, slots=True)
class Dropped:
    """An answer, a question or a whole article that was left out, and why."""

    id: str  # of the question; "" where it has none
    where: str  # "line 17", or "article 3, paragraph 2, question 5, answer 1"
    reason: str

    def __str__(self) -> str:
        return f"{self.where}{f' (id {clip(repr(self.id))})' if self.id else ''}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """The examples of a source, in its order, and what was left out of it."""

    examples: tuple[Example, ...]
    dropped: tuple[Dropped, ...]
    source: str

    def summary(self) -> str:
        """One line: `"11,873 questions (5,945 unanswerable), 3 dropped"`."""
        n = len(self.examples)
        unanswerable = sum(example.is_impossible for example in self.examples)
        return (
            f"{n:,} question{'s' * (n != 1)} ({unanswerable:,} unanswerable), "
            f"{len(self.dropped):,} dropped"
        )


# what the formats yield: a row and its place, or an entry that is not a row
Item: TypeAlias = "tuple[str, object] | Dropped"


def row_from_example(example: Example) -> dict[str, Any]:
    """The row of an example, in the column layout of Hugging Face's `squad` and `squad_v2`.

    >>> from pullquote import Example, Span
    >>> from pullquote.data import row_from_example
    >>> row_from_example(Example("7", "Who?", "Rollo led.", (Span("Rollo", 0, 5),)))["answers"]
    {'text': ['Rollo'], 'answer_start': [0]}
    """
    return {
        "id": example.id,
        "title": example.title,
        "question": example.question,
        "context": example.context,
        "answers": {
            "text": [span.text for span in example.answers],
            "answer_start": [span.start for span in example.answers],
        },
    }


def examples_from_rows(rows: Iterable[Mapping[str, Any]]) -> Dataset:
    """Check rows (a list of dicts, a Hugging Face data set) and make examples of them.

    >>> from pullquote.data import examples_from_rows
    >>> rows = [{"question": "Who?", "context": "Rollo led.", "answers": None}]
    >>> examples_from_rows(rows).summary()
    '1 question (1 unanswerable), 0 dropped'

    Raises `DataError` if there are rows and none of them is valid.
    """
    return collect(((row.where, row.value) for row in from_list(rows)), "rows")


def collect(items: Iterable[Item], source: str, *, labels: bool = True) -> Dataset:
    """Turn items into examples; without `labels`, their answers are not looked at.

    Raises `DataError` if all are dropped: it is some other file.
    """
    examples: list[Example] = []
    dropped: list[Dropped] = []
    places: dict[str, str] = {}  # id -> place of its first question
    for number, item in enumerate(items, 1):
        if isinstance(item, Dropped):
            dropped.append(item)
            continue
        where, row = item
        id = ""
        try:
            if isinstance(row, Mapping):
                id = _id(row, number)
            if id in places:
                raise DataError(f"duplicate id, kept at {places[id]}")
            example = question_from_row(row, number)
            misfits: dict[int, str] = {}
            if labels and isinstance(row, Mapping):
                spans, misfits = _spans(row, example.context)
                example = replace(example, answers=spans)
        except DataError as error:
            dropped.append(Dropped(id, where, str(error)))
            continue
        examples.append(example)
        dropped += [Dropped(id, f"{where}, answer {n}", why) for n, why in misfits.items()]
        places[id] = where
    if dropped and not examples:
        raise DataError(
            f"none of its questions can be used ({len(dropped):,} dropped); the first: {dropped[0]}"
        )
    return Dataset(tuple(examples), tuple(dropped), source)


def question_from_row(row: object, number: int) -> Example:
    """The question of a row, without its answers, which are not even looked at.

    `number` becomes its id where it has none. A context that is given and empty is "". Raises
    `DataError` for a row that cannot be asked.

    >>> from pullquote.data import question_from_row
    >>> question_from_row({"question": "Who?", "context": "Rollo led.", "answer": "?"}, 7).id
    '7'
    """
    if not isinstance(row, Mapping):
        raise DataError(f"found {describe(row)}, expected an object")
    context = _text(row, "context", "" if "context" in row else None)
    question = _text(row, "question")
    if not question.strip():
        raise DataError("the question is blank")
    return Example(_id(row, number), question, context, (), _text(row, "title", ""))


def describe(value: object) -> str:
    """A short description of a value that is not what was expected."""
    if isinstance(value, Mapping) and value:
        return f"an object with keys {clip(str(list(value)))}"
    return f"{type(value).__name__} {clip(repr(value))}"


def clip(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _id(row: Mapping[str, object], number: int) -> str:
    id = row.get("id")
    if id is None:
        return str(number)
    if not isinstance(id, bool) and isinstance(id, Integral):
        return str(id)
    if id == "":
        raise DataError("the id is empty")
    return _text(row, "id")


def _text(row: Mapping[str, object], key: str, default: str | None = None) -> str:
    value = row.get(key)
    if value is None:
        if default is None:
            found = [key for key in row if row[key] is not None]
            raise DataError(f"no {key}; found {clip(str(found))}")
        return default
    if not isinstance(value, str):
        raise DataError(f"{key} is {describe(value)}, expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{key} has a lone surrogate, U+{ord(value[error.start]):04X} at {error.start}: "
            "half a character"
        ) from None
    return value


def _spans(row: Mapping[str, object], context: str) -> tuple[tuple[Span, ...], dict[int, str]]:
    """The valid answers, and the reasons why others are not, by their numbers from 1."""
    spans: list[Span] = []
    misfits: dict[int, str] = {}
    for number, (text, start) in enumerate(_pairs(row), 1):
        try:
            spans.append(_span(text, start, context))
        except DataError as error:
            misfits[number] = str(error)
    impossible = row.get("is_impossible")
    if impossible is not None and not isinstance(impossible, bool):
        raise DataError(f"is_impossible is {describe(impossible)}, expected true or false")
    if misfits and not spans:
        raise DataError(f"no answer holds: {'; '.join(misfits.values())}")
    if impossible is not None and impossible == bool(spans):
        raise DataError(f"is_impossible is {str(impossible).lower()}, with {len(spans)} answers")
    return tuple(spans), misfits


def _pairs(row: Mapping[str, object]) -> list[tuple[object, object]]:
    """The texts and starts of a row's answers, in any of the three layouts."""
    answers = row.get("answers")
    if answers is None:
        # or a column that is named `answer` would make every question unanswerable, silently
        named = [key for key in row if str(key).lower().startswith("answer")]
        if named and "answers" not in row and "answer_text" not in row:
            raise DataError(f"found {clip(str(named))}, expected answers or answer_text")
        text = row.get("answer_text")
        return [] if text is None or text == "" else [(text, row.get("answer_start"))]
    if isinstance(answers, Mapping):
        texts, starts = _list(answers.get("text")), _list(answers.get("answer_start"))
        if texts is not None and starts is not None and len(texts) == len(starts):
            return list(zip(texts, starts, strict=True))
    elif (entries := _list(answers)) is not None:
        return [
            (entry.get("text"), entry.get("answer_start"))
            if isinstance(entry, Mapping)
            else (entry, None)
            for entry in entries
        ]
    raise DataError(
        f'answers is {clip(repr(answers))}, expected {{"text": […], "answer_start": […]}} of one '
        'length, or a list of {"text": …, "answer_start": …}'
    )


def _list(value: object) -> list[object] | None:
    """A list, tuple or NumPy array as a list; None for anything else."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return list(value)
    return None


def _span(text: object, start: object, context: str) -> Span:
    if not isinstance(text, str) or not text:
        raise DataError(f"the answer's text is {describe(text)}, expected some text")
    if start is None and 0 <= context.find(text) == context.rfind(text):
        start = context.find(text)
    if isinstance(start, float) and start.is_integer():
        start = int(start)  # pandas turns a column of integers with gaps into floats
    if isinstance(start, bool) or not isinstance(start, Integral) or start < 0:
        found = "missing" if start is None else describe(start)
        raise DataError(f"answer_start is {found}, expected a whole number from 0")
    # context "The Norse, led by Rollo", answer "Rollo" at 17:
    #   found ' Roll', expected 'Rollo', which stands at 18
    begin, end = int(start), int(start) + len(text)
    if context[begin:end] != text:
        stands = context.find(text)
        place = f"stands at {stands}" if stands >= 0 else "is nowhere in the context"
        found, expected = clip(repr(context[begin:end])), clip(repr(text))
        raise DataError(f"answer_start {begin}: found {found}, expected {expected}, which {place}")
    return Span(text, begin, end)
