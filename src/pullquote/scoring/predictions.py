"""Prediction files: the JSON objects that run_squad.py writes and evaluate-v2.0.py reads.

Knows the file formats, not the gold answers.

    load_predictions("predictions.json")    load_probabilities("na_prob.json.gz")
    save_predictions("out", predictions)
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pullquote.data.formats import read_bytes
from pullquote.errors import DataError
from pullquote.files import write_all_json
from pullquote.json_text import decode_text, parse_json
from pullquote.types import Prediction

_JSON_NAMES = {str: "a string", dict: "an object", list: "a list", bool: "a boolean"}


def load_predictions(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read `{id: answer text}` from JSON or gzipped JSON; "" means no answer.

    Raises `DataError`, which names the file, what was found and what was expected.
    """
    predictions = _load_object(path)
    for id, text in predictions.items():
        if not isinstance(text, str):
            raise DataError(
                f"{path}: the prediction for {id!r} is {_described(text)}, expected a string "
                '("" for no answer)'
            )
    return predictions


def load_probabilities(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read `{id: no-answer value}` from JSON or gzipped JSON: probabilities, or null odds.

    Values outside [0, 1] are accepted, as null odds are valid here; `pullquote.scoring.squad.score`
    warns where they are used as probabilities. Raises `DataError` as `load_predictions` does.
    """
    values = _load_object(path)
    for id, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(
                f"{path}: the value for {id!r} is {_described(value)}, expected a number"
            )
        try:
            values[id] = float(value)
        except OverflowError:
            values[id] = math.inf
        if not math.isfinite(values[id]):
            raise DataError(f"{path}: the value for {id!r} is {values[id]}, expected it finite")
    return values


def save_predictions(
    directory: str | os.PathLike[str], predictions: Iterable[Prediction]
) -> list[Path]:
    """Write four files into `directory`, each a JSON object with an entry for every question:

    predictions.json        id: the answer's text, "" where the reader abstains
    nbest_predictions.json  id: the best quotes, each with text, place, score and logits
    null_odds.json          id: null logit minus best span logit (a logit, not a probability)
    na_prob.json            id: the probability that there is no answer, in [0, 1]

    Nothing is written before the last prediction has arrived. Raises `OutputError`.
    """
    predictions = list(predictions)
    files: dict[str, dict[str, Any]] = {
        "predictions.json": {p.id: p.text for p in predictions},
        "nbest_predictions.json": {
            p.id: [
                # run_squad.py calls the score "probability"
                {**answer.to_dict(), "probability": answer.score}
                for answer in p.answers
            ]
            for p in predictions
        },
        "null_odds.json": {p.id: p.null_score_diff for p in predictions},
        "na_prob.json": {p.id: p.no_answer_score for p in predictions},
    }
    contents = {Path(directory) / name: content for name, content in files.items()}
    write_all_json(contents)
    return list(contents)


def _load_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        content = parse_json(decode_text(read_bytes(path)), unique_keys=True)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: {_described(content)}, expected an object with an entry per question"
        )
    if not content:
        raise DataError(f"{path}: an empty object, expected an entry per question")
    return content


def _described(value: Any) -> str:
    return _JSON_NAMES.get(type(value), "null" if value is None else f"the number {value}")
