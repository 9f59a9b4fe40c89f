"""Texts that are no files: strings, dicts and rows of DataFrames, each a document by itself.

    list(texts(["The rent is due.", {"id": "7", "text": "Dogs are welcome.", "year": 2024}]))
    # [Text("", "The rent is due.", {}), Text("7", "Dogs are welcome.", {"year": 2024})]

Of a dict or row, `text` is the text and `id` its name; all that is left is metadata. Knows no
index.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pullquote.data.tables import is_missing
from pullquote.errors import InputError
from pullquote.searching.passages import passages
from pullquote.searching.text import paragraphs
from pullquote.text import without_surrogates
from pullquote.types import Document, Passage

_DEEPEST = 100  # lists and dicts in each other; SQLite reads a thousand
_LONGEST_NUMBER = 3322  # bits, as 1,000 digits have; Python writes 4,300

Source: TypeAlias = "str | Mapping[str, Any]"
"""A text, or a dict with a text and metadata."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text with its name, "" if it has none, and metadata as JSON can hold it."""

    name: str
    text: str
    metadata: Mapping[str, Any]
    problem: str = ""
    """Why it has no passages; "" if it has some."""

    @property
    def stamp(self) -> tuple[int, int, int]:
        """What tells whether a text has changed, in the form of a file's stamp."""
        held = json.dumps([self.text, self.metadata]).encode()
        digest = hashlib.sha256(held).digest()
        return len(held), int.from_bytes(digest[:8], "little", signed=True), 0

    def passages(self) -> Iterator[Passage]:
        """The passages of the text."""
        return passages(Document(self.name, "line"), paragraphs([self.text]))


def texts(sources: Iterable[Source]) -> Iterator[Text]:
    """The texts of strings, of dicts, or of the rows of a pandas or polars DataFrame.

    One whose text is blank, None or NaN has a `problem`. Raises `InputError` for what is no text at
    all, and says which.
    """
    for number, source in enumerate(_rows(sources)):
        fields = {"text": source} if isinstance(source, str) else source
        if not isinstance(fields, Mapping):
            found = type(source).__name__
            raise InputError(f"texts[{number}]: found {found}, expected a text or a dict")
        if "text" not in fields:
            keys = ", ".join(map(str, fields))[:80] or "nothing"
            raise InputError(f'texts[{number}]: found {keys}, expected "text" among its keys')
        text = "" if plain(fields["text"]) is None else fields["text"]
        if not isinstance(text, str):
            found = type(text).__name__
            raise InputError(f"texts[{number}]: its text is {found}, expected words")
        problem = "" if text.strip() else f"texts[{number}]: its text is blank, expected words"
        metadata = {str(key): plain(value) for key, value in fields.items()}
        name = metadata.pop("id", None)
        del metadata["text"]
        name = "" if name is None else str(name)
        # SQLite cannot store lone surrogates; replaced one by one, offsets stay
        name, text = (without_surrogates(string) for string in (name, text))
        yield Text(name, text, metadata, problem)


def _rows(sources: Any) -> Iterable[Any]:
    """The sources one by one, a DataFrame's rows as dicts; neither library is imported for it."""
    if isinstance(sources, (str, Mapping)):
        raise InputError(f"texts: found one {type(sources).__name__}, expected a list of them")
    if hasattr(sources, "iter_rows"):
        return sources.iter_rows(named=True)  # type: ignore[no-any-return]  # polars
    if hasattr(sources, "columns") and hasattr(sources, "itertuples"):  # pandas
        names = [str(column) for column in sources.columns]
        tuples = sources.itertuples(index=False, name=None)
        return (dict(zip(names, values, strict=True)) for values in tuples)
    return sources  # type: ignore[no-any-return]


def plain(value: Any, *, depth: int = 0) -> Any:
    """A value as JSON can hold it: numpy's numbers as Python's, dates as texts, NaN as None.

    Raises `InputError` for what databases cannot read in JSON.
    """
    if depth > _DEEPEST:
        raise InputError(f"metadata: more than {_DEEPEST} levels of lists and dicts in each other")
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        raise InputError("metadata: a whole number of over 1,000 digits; give it as text")
    if hasattr(value, "tolist") and not isinstance(value, (str, Mapping)):
        value = value.tolist()
    if is_missing(value) or (isinstance(value, float) and math.isinf(value)):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one, depth=depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one, depth=depth + 1) for one in value]
    return str(value)
