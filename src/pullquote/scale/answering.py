"""Answers rows of questions: a result for each row, in order; a bad row is a row with an error.

    for result in answer_rows(reader, read_items("questions.csv"), Columns(keep=("team",))):
        ...     # {"id": "7", "team": "B", "answer": "Rollo", "start": 18, ..., "error": None}

Knows rows and readers, not how results are stored.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pullquote.data.rows import Dropped, question_from_row
from pullquote.errors import ConfigError, DataError
from pullquote.text import without_surrogates

if TYPE_CHECKING:
    from pullquote.data.rows import Item
    from pullquote.reading.reader import Reader
    from pullquote.searching.search import Searcher, SearchResult
    from pullquote.types import Answer, Example, Hit, Prediction

_NAMES = ("id", "answer", "start", "end", "score", "no_answer_score", "answers", "error")
OURS = {
    **dict.fromkeys(_NAMES, "text"),
    **dict.fromkeys(("start", "end"), "integer"),
    **dict.fromkeys(("score", "no_answer_score"), "number"),
    "answers": "quotes",
}
"""The columns of a result and their types.

`answer`, `start`, `end` and `score` are None where there is none.
"""
PLACE = {"document": "text", "sheet": "text", "unit": "text", "number": "integer"}
"""Columns of where a quote stands, between `answer` and `start`: "lease.pdf", None, "page", 3."""


_ASKED = 64  # questions of documents that are held at once


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns results have."""

    keep: tuple[str, ...] = ()
    """Columns of the rows, by their names in lower case, that results have as texts."""
    top_k: int = 1
    """Above 1, `answers` lists so many quotes."""
    place: bool = False
    """Whether results have the columns of `PLACE`."""

    def __post_init__(self) -> None:
        if taken := sorted(set(self.keep) & {*OURS, *PLACE}):
            raise ConfigError(f"{taken[0]} is a column of the results; rename the one to keep")
        if len(set(self.keep)) < len(self.keep):
            raise ConfigError(f"a column is kept twice: {', '.join(self.keep)}")
        if not 1 <= self.top_k <= 100:
            raise ConfigError(f"top_k is {self.top_k}, expected 1 to 100")

    def types(self) -> dict[str, str]:
        """What each column holds, by its name, in order, as `pullquote.scale.output` has it."""
        types = {"id": OURS["id"], **dict.fromkeys(self.keep, "text"), "answer": OURS["answer"]}
        types |= {**(PLACE if self.place else {}), **OURS}
        if self.top_k == 1:
            del types["answers"]
        return types

    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(self.types())


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

    >>> from pullquote import Reader
    >>> from pullquote.scale.answering import Columns, answer_rows
    >>> row = {"question": "Who led the Norse?", "context": "The Norse, led by Rollo, came by sea."}
    >>> (result,) = answer_rows(Reader(), [("line 2", row)], Columns())
    >>> result["id"], result["answer"], result["start"]
    ('1', 'Rollo', 18)

    The first row has the number `first`, which is its id where it has none. Rows are read ahead, as
    far as a batch of questions goes. The decision is that of `Reader.answer_all`.
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


def prediction_row(prediction: Prediction, columns: Columns) -> dict[str, Any]:
    """The result of a question that has been answered; a column without a value is not among it."""
    return {"id": prediction.id} | _filled(prediction, columns)


def ask_rows(
    searcher: Searcher,
    items: Iterable[Item],
    columns: Columns,
    *,
    first: int = 1,
    path: str | None = None,
    where: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    answerable: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a result for each row, whose question is asked of all documents.

    >>> from pullquote import Reader, Searcher
    >>> from pullquote.scale.answering import Columns, ask_rows
    >>> searcher = Searcher(Reader(), ["The rent is 840 crowns.", "Ann built the mill."])
    >>> rows = [("line 2", {"question": "How much is the rent?"})]
    >>> [result["answer"] for result in ask_rows(searcher, rows, Columns(place=True))]
    ['840 crowns']

    `columns` have a place. The first row has the number `first`. The other options are those of
    `Searcher.search_all`.
    """
    numbered = enumerate(items, first)
    while some := list(itertools.islice(numbered, _ASKED)):
        results, questions = [], []
        for number, item in some:
            result = dict.fromkeys(columns.names())
            _keep(result, item, number, columns)
            try:
                questions.append(_example(_without_context(item), number, searcher.reader).question)
            except DataError as error:
                result["error"] = str(error)
            results.append(result)
        found = searcher.search_all(
            questions,
            columns.top_k,
            path=path,
            where=where,
            threshold=threshold,
            answerable=answerable,
        )
        for result in results:
            yield result if result["error"] else result | _found(next(found), columns)


def _without_context(item: Item) -> Item:
    if isinstance(item, Dropped) or not isinstance(item[1], Mapping):
        return item
    return item[0], {**item[1], "context": ""}


def _found(result: SearchResult, columns: Columns) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    if result.answered:
        hit = result.hits[0]
        filled = _quote(hit)
        filled["answer"] = filled.pop("text")
        filled["document"], filled["unit"] = hit.place.path, hit.place.unit
        filled["sheet"], filled["number"] = hit.place.sheet or None, hit.place.number
    if columns.top_k > 1:
        filled["answers"] = [_quote(hit) for hit in result.hits[: columns.top_k]]
    filled["no_answer_score"] = result.no_answer_score
    return filled


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
    row: object = {"id": item.id} if isinstance(item, Dropped) else item[1]
    row = row if isinstance(row, Mapping) else {}
    result["id"] = str(number) if row.get("id") in (None, "") else _text(row["id"])
    for name in columns.keep:
        result[name] = _text(row.get(name))


def _text(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return without_surrogates(value)


def _filled(prediction: Prediction, columns: Columns) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    if answer := prediction.answer:
        filled = _quote(answer)
        filled["answer"] = filled.pop("text")
    if columns.top_k > 1:
        filled["answers"] = [_quote(quote) for quote in prediction.answers[: columns.top_k]]
    filled["no_answer_score"] = prediction.no_answer_score
    return filled


def _quote(quote: Answer | Hit) -> dict[str, Any]:
    return {name: getattr(quote, name) for name in ("text", "start", "end", "score")}
