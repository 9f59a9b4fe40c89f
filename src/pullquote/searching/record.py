"""What a search gave as plain values: what `pullquote ask --json` prints and the server answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pullquote.reading.sentences import sentence_around

if TYPE_CHECKING:
    from pullquote.searching.search import SearchResult
    from pullquote.types import Hit, Place


def record(result: SearchResult, model: str) -> dict[str, Any]:
    """A search result for JSON."""
    hits = [_hit(hit) for hit in result.hits]
    return {
        "question": result.question,
        "model": model,
        "threshold": result.threshold,
        "answer": hits[0] if result.answered else None,
        "no_answer_score": result.no_answer_score,
        "null_score_diff": result.null_score_diff,
        "passages": result.passages,
        "answers": hits,
    }


def _hit(hit: Hit) -> dict[str, Any]:
    around = sentence_around(hit.passage.text, hit.offset, hit.offset + len(hit.text))
    return {
        "text": hit.text,
        "score": hit.score,
        **_place(hit.place),
        "start": hit.start,
        "end": hit.end,
        "sentence": around.text,
        "passage": hit.passage.text,
        "passage_start": hit.passage.start,
        "also": [_place(place) for place in hit.also],
    }


def _place(place: Place) -> dict[str, Any]:
    return {"path": place.path, place.unit: place.number, "link": place.link}
