"""Answers rows of questions: a result for each row, in order; a bad row is a row with an error.

    for result in answer_rows(reader, read_items("questions.csv"), Columns(keep=("team",))):
        ...     # {"id": "7", "team": "B", "answer": "Rollo", "start": 18, ..., "error": None}

Knows rows and readers, not how results are stored.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pullquote.data.rows import Dropped, question_from_row
from pullquote.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pullquote.data.rows import Item
    from pullquote.reading.reader import Reader
    from pullquote.types import Answer, Example, Prediction

OURS = ("id", "answer", "start", "end", "score", "no_answer_score", "answers", "error")
"""The columns of a result. `answer`, `start`, `end` and `score` are None where there is none."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns results have."""

    keep: tuple[str, ...] = ()
    """Columns of the rows, by their names in lower case, that results have as texts."""
    top_k: int = 1
    """Above 1, `answers` lists so many quotes."""

    def __post_init__(self) -> None:
        if taken := sorted(set(self.keep) & set(OURS)):
            raise ConfigError(f"{taken[0]} is a column of the results; rename the one to keep")
        if len(set(self.keep)) < len(self.keep):
            raise ConfigError(f"a column is kept twice: {', '.join(self.keep)}")
        if not 1 <= self.top_k <= 100:
            raise ConfigError(f"top_k is {self.top_k}, expected 1 to 100")

    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        ours = OURS if self.top_k > 1 else tuple(name for name in OURS if name != "answers")
        return (ours[0], *self.keep, *ours[1:])


def answer_rows(
    reader: Reader,
    items: Iterable[Item],
    columns: Columns,
    *,
    first: int = 1,
    answerable: float | None = None,
    threshold: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a result for each row.

    The first row has the number `first`, which is its id where it has none. Hold no more rows than
    fit into memory: those behind a batch of questions are read ahead. The decision is that of
    `Reader.answer_all`.
    """
    waiting: deque[tuple[dict[str, Any], bool]] = deque()  # results, and whether they are complete

    def examples() -> Iterator[Example]:
        for number, item in enumerate(items, first):
            result = dict.fromkeys(columns.names())
            try:
                example = _example(item, number, reader)
            except DataError as error:
                _keep(result, item, number, columns)
                waiting.append(({**result, "error": str(error)}, True))
                continue
            _keep(result, item, number, columns)
            waiting.append((result, False))
            yield example

    predictions = reader.answer_all(
        examples(), top_k=columns.top_k, answerable=answerable, threshold=threshold
    )
    for prediction in predictions:
        while waiting[0][1]:
            yield waiting.popleft()[0]
        yield waiting.popleft()[0] | _filled(prediction, columns)
    while waiting:
        yield waiting.popleft()[0]


def _example(item: Item, number: int, reader: Reader) -> Example:
    """The question of a row. Raises `DataError` where the reader could not read it."""
    if isinstance(item, Dropped):
        raise DataError(item.reason)
    where, row = item
    try:
        example = question_from_row(row, number)
        if not reader.encoder.count(example.question):
            raise DataError("the question is blank")
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return example


def _keep(result: dict[str, Any], item: Item, number: int, columns: Columns) -> None:
    row = {} if isinstance(item, Dropped) else item[1]
    row = row if isinstance(row, Mapping) else {}
    result["id"] = str(number) if row.get("id") in (None, "") else str(row["id"])
    for name in columns.keep:
        result[name] = _text(row.get(name))


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _filled(prediction: Prediction, columns: Columns) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    if answer := prediction.answer:
        filled = _quote(answer)
        filled["answer"] = filled.pop("text")
    if columns.top_k > 1:
        filled["answers"] = [_quote(quote) for quote in prediction.answers[: columns.top_k]]
    filled["no_answer_score"] = prediction.no_answer_score
    return filled


def _quote(answer: Answer) -> dict[str, Any]:
    values = answer.to_dict()
    return {name: values[name] for name in ("text", "start", "end", "score")}
