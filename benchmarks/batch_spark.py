"""A million rows through Spark's workers: each comes back once, and memory stays as it is.

    python benchmarks/batch_spark.py --rows 1000000 --texts 10000

Two workers on this machine, Arrow on. Rows have a question and, `--texts` of them, a short text;
the others have an empty one, which is answered without reading, so that what is measured is how
rows get to the workers and back. Memory is that of the largest worker in the first quarter of the
time, and in all of it. Needs Java 17.
"""

import argparse
import os
import sys
import threading
import time

import psutil
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from pullquote.scale.spark import answer_udf

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--texts", type=int, default=10_000)
options = parser.parse_args()
os.environ["PYSPARK_PYTHON"] = sys.executable
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "1g")
    .config("spark.sql.execution.arrow.maxRecordsPerBatch", "2000")
    .getOrCreate()
)
answer = answer_udf("tiny", answerable=1.0)
text = f.concat(f.lit("In "), f.col("id"), f.lit(" Rollo came by sea."))
every = options.rows // options.texts
table = spark.range(options.rows, numPartitions=8).select(
    "id",
    f.lit("Who came by sea?").alias("question"),
    f.when(f.col("id") % every == 0, text).otherwise("").alias("context"),
)
sizes: list[int] = []
over = threading.Event()


def look() -> None:
    """Note the size of the largest worker, each half second."""
    while not over.wait(0.5):
        workers = [0]
        for process in psutil.Process().children(recursive=True):
            try:
                if "pyspark.daemon" in " ".join(process.cmdline()):
                    workers.append(process.memory_info().rss)
            except psutil.Error:
                continue
        sizes.append(max(workers))


threading.Thread(target=look, daemon=True).start()
began = time.monotonic()
found = table.withColumn("found", answer("question", "context"))
row = found.agg(
    f.count("id"), f.countDistinct("id"), f.count("found.answer"), f.count("found.error")
).collect()[0]
seconds = time.monotonic() - began
over.set()
spark.stop()
rows, distinct, answered, errors = row
print(
    f"{rows:,} rows, {distinct:,} of them distinct, {answered:,} answers, {errors:,} errors; "
    f"{seconds:.0f} s, {rows / seconds:,.0f} rows a second; "
    f"a worker holds at most {max(sizes[: len(sizes) // 4 + 1]) / 2**20:.0f} MiB in the first "
    f"quarter, {max(sizes) / 2**20:.0f} MiB in all; load {os.getloadavg()[0]:.1f}"
)
sys.exit(0 if rows == distinct == options.rows and not errors else 1)
