"""Predictions as a pandas DataFrame: a row for each, with the columns of `pullquote batch`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pullquote.scale.answering import Columns, prediction_row

if TYPE_CHECKING:
    import pandas

    from pullquote.types import Prediction


def predictions_to_frame(predictions: Iterable[Prediction], *, top_k: int = 1) -> pandas.DataFrame:
    """A row for each prediction, in order: `id`, `answer`, `start`, `end`, `score`,
    `no_answer_score`.

    Where the text has no answer, the four in the middle are missing. With `top_k` above 1, the
    column `answers` lists so many quotes, each a dictionary. Needs pandas.
    """
    import pandas

    columns = Columns(top_k=top_k)
    rows = [prediction_row(prediction, columns) for prediction in predictions]
    names = [name for name in columns.names() if name != "error"]
    return pandas.DataFrame(rows, columns=names).astype({"start": "Int64", "end": "Int64"})
