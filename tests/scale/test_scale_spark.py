"""Spark: the answers of the reader, from two workers, with Arrow (`make test-scale`)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pullquote import Reader
from pullquote.errors import InputError

pytest.importorskip("pyspark")
pytestmark = pytest.mark.filterwarnings("default")  # Spark has warnings of its own

CONTEXT = "The Norse, led by Rollo, came by sea in 911. \U0001f6a2 They stayed."
QUESTIONS = ["Who led the Norse?", "When did they come?", "Who stayed?", "Why?"]
READER = Reader("tiny", threads=1)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if not shutil.which("java"):
        pytest.skip("Spark needs Java")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "64")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_the_answers_of_the_reader_and_errors_in_their_rows(spark: Any) -> None:
    from pullquote.scale.spark import answer_udf

    rows = [(n, QUESTIONS[n % 4], f"{CONTEXT} {n}.") for n in range(300)]
    rows += [(300, None, CONTEXT), (301, " ", CONTEXT), (302, "Who?", None), (303, "Who?", "")]
    table = spark.createDataFrame(rows, "id long, question string, context string").repartition(4)
    answer = answer_udf(READER.directory.path, top_k=2)
    found = table.select("id", answer("question", "context").alias("a")).select("id", "a.*")
    results = {row["id"]: row.asDict(recursive=True) for row in found.collect()}
    assert sorted(results) == list(range(304))
    for n, question, context in rows[:300]:
        wanted, got = READER.answer(question, context, top_k=2), results[n]
        span = wanted.answer and (wanted.answer.text, wanted.answer.start, wanted.answer.end)
        assert (span or (None, None, None)) == (got["answer"], got["start"], got["end"])
        assert got["no_answer_score"] == pytest.approx(wanted.no_answer_score, abs=1e-6)
        assert [one["text"] for one in got["answers"]] == [one.text for one in wanted.answers[:2]]
        assert got["error"] is None
    assert "no question" in results[300]["error"]
    assert "blank" in results[301]["error"]
    for n in (302, 303):  # no text has no answer
        assert (results[n]["no_answer_score"], results[n]["error"]) == (1.0, None)


def test_each_worker_loads_the_reader_once(spark: Any) -> None:
    """Two workers answer many batches; the second use of a worker finds its reader."""
    from pyspark.sql.functions import pandas_udf

    from pullquote.scale.spark import answer_udf

    answer = answer_udf(READER.directory.path)
    table = spark.range(2000).selectExpr("id", "'Who led?' q", f"'{CONTEXT}' c").repartition(8)
    for _ in range(2):
        assert table.select(answer("q", "c").alias("a")).where("a.answer = 'Rollo'").count() == 2000

    def readers(numbers: Any) -> Any:
        import pandas as pd

        from pullquote.reading.reader import _READERS

        return pd.Series([f"{os.getpid()} {len(_READERS)}"] * len(numbers))

    import pandas as pd

    readers.__annotations__ = {"numbers": pd.Series, "return": pd.Series}
    seen = table.select(pandas_udf(readers, "string")("id").alias("r")).distinct().collect()
    assert {row["r"].split()[1] for row in seen} == {"1"}


def test_options_are_checked_before_there_is_any_work(spark: Any) -> None:
    from pullquote.scale.spark import answer_udf

    with pytest.raises(InputError, match="top_k is 50"):
        answer_udf("tiny", top_k=50)
