"""The review of a filled table: one HTML page, and the decisions that a person saves from it.

    write_review("review.html", review(keys, sources, filling))
    left_out = decide(read_decisions("decisions.json"), keys, sources, filling)

The page needs nothing else, and its content security policy lets it load nothing: what documents
say is shown as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from pullquote.data.formats import read_bytes
from pullquote.errors import DataError, shown
from pullquote.files import atomic_write
from pullquote.json_text import decode_text, parse_json
from pullquote.scale.fill import (
    DECISIONS,
    LOW,
    Decided,
    Filling,
    Source,
    place_of,
    quote_of,
    table,
)
from pullquote.scale.wanted import ERROR, Wanted

FORMAT = 1


def review(
    keys: Mapping[Wanted, str], sources: Iterable[Source], filling: Filling, *, low: float = LOW
) -> Iterator[dict[str, Any]]:
    """What the page shows of each document: its cells with the passages of their quotes."""
    sources = list(sources)
    for source, row in zip(sources, table(keys, sources, filling, low=low), strict=True):
        found = filling.cells(source)
        cells = []
        for one, key in keys.items():
            if (cell := found.get(key)) is None:
                continue
            value, _, _, _, note = (row[column] for column in one.columns())
            shown = {
                "question": one.name,
                "kind": one.kind,
                "asked": cell["asked"],
                "answered": cell["answered"],
                "value": value,
                "note": note,
                "quote": "",
                "decision": "",
            }
            if cell["quote"]:
                quote = quote_of(one, cell)
                start = cell["sentence_offset" if one.kind == "yes/no" else "offset"]
                shown |= {
                    "quote": quote,
                    # not offsets, which JavaScript counts in another unit
                    "before": cell["passage"][:start],
                    "after": cell["passage"][start + len(quote) :],
                    "place": place_of(cell),
                    "score": cell["score"],
                    "decision": filling.decision(source, one.name, quote),
                }
            cells.append(shown)
        yield {"document": source.name, "error": row[ERROR], "cells": cells}


def write_review(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the page, whole or not at all. Raises `OutputError`."""
    folder = resources.files(__package__ or "pullquote.scale")
    page, style, script = (
        folder.joinpath(f"review.{ending}").read_text("utf-8") for ending in ("html", "css", "js")
    )
    data = json.dumps(list(rows), ensure_ascii=False)
    parts = {
        "style": _digest(style),
        "script": _digest(script),
        "css": style,
        "code": script,
        # the last, since it may hold anything; "<" could end the element
        "data": data.replace("<", "\\u003c"),
    }
    for name, text in parts.items():
        page = page.replace(f"{{{{{name}}}}}", text, 1)
    with atomic_write(path) as file:
        file.write(page)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def read_decisions(path: str | os.PathLike[str]) -> list[Decided]:
    """The decisions of a file that the page saved. Raises `DataError` for another file."""
    try:
        values = parse_json(decode_text(read_bytes(path)))
        if not isinstance(values, dict) or not {"format", "decisions"} <= set(values):
            raise TypeError("another file")
        if values["format"] > FORMAT:
            raise DataError(f"has format {values['format']}, of a newer pullquote")
        decisions = [Decided(**entry) for entry in values["decisions"]]
        texts = [text for one in decisions for text in (*one.cell, one.quote, one.decision)]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a value that is no text")
        for one in decisions:
            if one.decision not in ("", *DECISIONS):
                raise DataError(
                    f"a decision is {shown(one.decision)}, expected {', '.join(DECISIONS)}"
                )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, TypeError):
        raise DataError(
            f"{path}: no decisions of a review; expected the file that its page saves: a format, "
            "and decisions, each with document, question, quote and decision"
        ) from None
    return decisions
