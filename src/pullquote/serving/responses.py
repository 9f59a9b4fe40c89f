"""The JSON of answers: from a `Prediction` for `/v1/answer`, from a `SearchResult` for `/v1/ask`.

Knows the two types, whose `to_dict` writes the answers; `schema` documents the keys.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pullquote.searching.search import SearchResult
from pullquote.types import Prediction


def prediction_json(
    question: int, context: int, prediction: Prediction, top_k: int, note: str
) -> dict[str, Any]:
    """One of the `results` of `/v1/answer`; `question` and `context` are positions in the request.

    `answers` holds the best `top_k` quotes, and the nearest ones, also if they are more, where
    `answer` is null; `note` is empty unless the question was cut.
    """
    shown = prediction
    if prediction.answer is not None:
        shown = replace(prediction, answers=prediction.answers[:top_k])
    return {"question": question, "context": context, **shown.to_dict(), "note": note}


def search_json(result: SearchResult, model: str, note: str) -> dict[str, Any]:
    """The body of `/v1/ask`."""
    return {"question": result.question, "model": model, **result.to_dict(), "note": note}
