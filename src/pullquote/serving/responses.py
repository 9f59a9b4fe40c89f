"""The JSON of answers: from a `Prediction` for `/v1/answer`, from a `SearchResult` for `/v1/ask`.

Knows the two types; `schema` documents the same keys. No other module writes this JSON.
"""

from __future__ import annotations

from typing import Any

from pullquote.searching.record import record
from pullquote.searching.search import SearchResult
from pullquote.types import Answer, Prediction


def prediction_json(
    question: int, context: int, prediction: Prediction, top_k: int, note: str
) -> dict[str, Any]:
    """One of the `results` of `/v1/answer`; `question` and `context` are positions in the request.

    `answers` holds the best `top_k` quotes; `note` is empty unless the question was cut.
    """
    return {
        "question": question,
        "context": context,
        "answer": prediction.answer and _answer_json(prediction.answer),
        "answers": [_answer_json(answer) for answer in prediction.answers[:top_k]],
        "no_answer_score": prediction.no_answer_score,
        "null_score_diff": prediction.null_score_diff,
        "note": note,
    }


def search_json(result: SearchResult, model: str, note: str) -> dict[str, Any]:
    """The body of `/v1/ask`."""
    return {**record(result, model), "note": note}


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "text": answer.text,
        "start": answer.start,
        "end": answer.end,
        "score": answer.score,
    }
