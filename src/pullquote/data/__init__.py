"""Examples from files and back: SQuAD JSON, JSON Lines, CSV, Parquet, Hugging Face columns.

    from pullquote.data import load, save
    dataset = load("dev-v2.0.json.gz")
    dataset.summary()  # "11,873 questions (5,945 unanswerable), 0 dropped"
    save(dataset.examples, "dev.jsonl")

Knows files and text, never a model. Every answer is checked against its context; what fails is
left out and listed in `dataset.dropped`. The official files come from `pullquote.data.download`.
"""

from pullquote.data.formats import load, save
from pullquote.data.rows import (
    Dataset,
    Dropped,
    examples_from_rows,
    question_from_row,
    row_from_example,
)

__all__ = [
    "load",
    "save",
    "Dataset",
    "Dropped",
    "examples_from_rows",
    "question_from_row",
    "row_from_example",
]
