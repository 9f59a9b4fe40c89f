"""Answers a table on a Spark cluster, and writes it with the answers beside the questions.

    spark-submit examples/spark_batch.py s3a://bucket/questions s3a://bucket/answers
    spark-submit --master "local[2]" examples/spark_batch.py questions.parquet answers

The table is Parquet with the columns question and context; all its columns are kept. Every machine
needs Python with pullquote, pyspark and pandas, by an archive, a container image or the cluster's
own way.
"""

import sys

from pyspark.sql import SparkSession

from pullquote.scale.spark import answer_udf

source, out = sys.argv[1:3]
spark = SparkSession.builder.appName("pullquote").getOrCreate()
# rows that Python gets at once: a few seconds of work
spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "2000")
answer = answer_udf("small")
table = spark.read.parquet(source)
found = table.withColumn("found", answer("question", "context")).select(*table.columns, "found.*")
found.write.mode("errorifexists").parquet(out)
