"""A function for Spark: answers columns of questions and texts, with one reader in each worker.

    answer = answer_udf("small")
    table.select("*", answer("question", "context").alias("found")).select("*", "found.*")

Knows Spark's columns. Spark itself sees to files, blocks, and what was lost on the way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.data.tables import clean
from pullquote.errors import MissingExtraError
from pullquote.reading.reader import Reader
from pullquote.scale.answering import Columns, answer_rows
from pullquote.scale.output import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable


def answer_udf(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    top_k: int = 1,
    answerable: float | None = None,
    threshold: float | None = None,
    spelling: bool | None = None,
    precision: str = "auto",
    threads: int = 1,
) -> Callable[..., Any]:
    """A pandas UDF of the columns question and context.

    It gives a struct: answer, start, end, score, no_answer_score, answers (with `top_k` above 1)
    and error. `start` and `end` count Unicode characters. A row that cannot be asked has an error,
    and stops nothing. Each Python worker loads the reader once, whose weights the workers of a
    machine share. `model` and the options are those of `Reader` and `Reader.answer_all`; machines
    need pullquote and the model under the same path.

    >>> from pullquote.scale.spark import answer_udf
    >>> answer = answer_udf("tiny", answerable=0.9)  # doctest: +SKIP
    >>> table.select(answer("question", "context").alias("found"))  # doctest: +SKIP
    """
    try:
        import pandas as pd
        from pyspark.sql.functions import pandas_udf
        from pyspark.sql.pandas.types import from_arrow_schema
    except ImportError:
        raise MissingExtraError("pyspark or pandas", "spark") from None
    reader = Reader(model, spelling=spelling, precision=precision, threads=threads)
    columns = Columns(top_k=top_k)
    options: dict[str, Any] = {"answerable": answerable, "threshold": threshold}
    reader.answer_all((), top_k=top_k, **options)  # raises an error before there is any work
    schema = from_arrow_schema(arrow_schema(columns).remove(0))  # the id, which rows have or not

    def answer(batches: Any) -> Any:
        for questions, contexts in batches:
            rows = (
                ("this row", clean({"question": question, "context": context}))
                for question, context in zip(questions, contexts, strict=True)
            )
            yield pd.DataFrame(answer_rows(reader, rows, columns, **options), columns=schema.names)

    answer.__annotations__ = {  # by which Spark tells what kind of function it is
        "batches": Iterator[tuple[pd.Series, pd.Series]],
        "return": Iterator[pd.DataFrame],
    }
    udf: Callable[..., Any] = pandas_udf(answer, schema)
    return udf
