"""JSON, and text that must be UTF-8, as Python values. What is neither raises `DataError`.

    parse_json(decode_text(data))

Knows neither files nor what a value means, so that a model's settings are read without what reads
data files.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from pullquote.errors import DataError, TextError
from pullquote.text import decode_utf8


def decode_text(data: bytes) -> str:
    """The text of a file of our own: UTF-8, or as its byte order mark says. Raises `DataError`."""
    try:
        return decode_utf8(data)
    except TextError as error:
        raise DataError(str(error)) from None


def parse_json(text: str, *, unique_keys: bool = False) -> Any:
    """JSON as Python values. Raises `DataError`; with `unique_keys` also for keys that repeat."""
    try:
        return json.loads(text, object_pairs_hook=_unique if unique_keys else None)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # RecursionError: a hundred thousand brackets
        raise DataError(f"not JSON ({error})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):  # json.loads would silently keep the last
        counts = Counter(key for key, _ in pairs)
        raise DataError(f"the key {counts.most_common(1)[0][0]!r} occurs twice, expected it once")
    return result
