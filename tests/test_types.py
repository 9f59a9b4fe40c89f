"""The JSON forms of predictions and hits, and their derived fields."""

from __future__ import annotations

import json
import math

import pytest

from pullquote import Answer, Document, Hit, Passage, Place, Prediction
from pullquote.types import Correction, Mark

ANSWER = Answer("Rollo", 18, 23, 0.9, 5.0, 4.0)


def test_the_json_form_of_a_prediction() -> None:
    prediction = Prediction(
        *("7", ANSWER, (ANSWER,), 0.1, -3.0),
        windows=2,
        threshold=-1.5,
        answerable=0.75,
        corrections=(Correction("Rolo", "Rollo"),),
    )
    answer = {
        **{"text": "Rollo", "start": 18, "end": 23, "score": 0.9},
        **{"start_logit": 5.0, "end_logit": 4.0},
    }
    assert prediction.to_dict() == {
        "answer": answer,
        "answers": [answer],
        "no_answer_score": 0.1,
        "answerable": 0.75,
        "null_score_diff": -3.0,
        "threshold": -1.5,
        "corrections": [{"word": "Rolo", "read_as": "Rollo"}],
    }
    assert json.loads(json.dumps(prediction.to_dict())) == prediction.to_dict()
    assert prediction.best_text == prediction.text == "Rollo"


def test_a_prediction_that_abstains() -> None:
    prediction = Prediction("7", None, (ANSWER,), 0.9, 3.0)
    assert prediction.to_dict()["answer"] is None
    assert prediction.to_dict()["threshold"] is None
    assert prediction.to_dict()["answers"][0]["text"] == "Rollo"
    assert (prediction.text, prediction.best_text) == ("", "Rollo")
    assert Prediction("7", None, (), 1.0, 9.0).best_text == ""


def test_the_number_that_decides_is_above_its_limit_where_the_reader_abstains() -> None:
    """`null_score_diff` against a threshold, or else log odds against 0."""
    by_threshold = Prediction("7", None, (ANSWER,), 0.01, 3.0, threshold=2.5)
    assert (by_threshold.decision_value, by_threshold.decision_limit) == (3.0, 2.5)
    likely, unlikely = (Prediction("7", None, (ANSWER,), p, 3.0) for p in (0.09, 0.95))  # quote 0.9
    assert (likely.decision_value, likely.decision_limit) == (pytest.approx(math.log(0.1)), 0.0)
    assert unlikely.decision_value > 0
    blank = Prediction("7", None, (), 1.0, 9.0).decision_value
    assert 0 < blank < math.inf


def test_the_json_form_of_a_hit_has_the_keys_of_an_answer() -> None:
    passage = Passage(Document("a/lease.pdf", "page"), "Notice: three months.", 40, (Mark(0, 3),))
    hit = Hit(
        *("three months", 0.6, Place("a/lease.pdf", "page", 3), 48, 60, passage, 8),
        also=(Place("b.txt", "line", 9),),
        sentence="Notice: three months.",
    )
    assert hit.to_dict() == {
        **{"text": "three months", "start": 48, "end": 60, "score": 0.6},
        **{"document": "a/lease.pdf", "page": 3, "link": "a/lease.pdf#page=3"},
        "path": "a/lease.pdf",
        "sentence": "Notice: three months.",
        "passage": "Notice: three months.",
        "passage_start": 40,
        "also": [{"document": "b.txt", "line": 9, "link": "b.txt:9", "path": "b.txt"}],
        "metadata": {},
    }
    shared = {"text", "start", "end", "score"}
    assert shared <= hit.to_dict().keys() & ANSWER.to_dict().keys()
