"""Runs Spark SQL for the tests, with the Python of Spark's own environment: a line of JSON in, one out.

Arguments: the folder of the jars, the gateway's address, and its access key. In comes {"sql": TEXT}, or {"stream": URL,
"into": FOLDER}; out goes {"columns": [...], "rows": [[...]]}, or {"error": TEXT}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def session(jars: Path, endpoint: str, key_id: str, secret: str) -> Any:
    """A session on this machine. One partition for all: the tables of tests are small."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.jars": ",".join(str(jar) for jar in sorted(jars.glob("*.jar"))),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.access.key": key_id,
        "spark.hadoop.fs.s3a.secret.key": secret,
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def streamed(spark: Any, url: str, into: Path) -> Any:
    """What a stream of the table has written so far; it goes on from where it stopped, and passes over versions that
    take rows away, as streams of tables that are corrected do."""
    source = spark.readStream.format("delta").option("skipChangeCommits", "true").load(url)
    written, state = str(into / "out"), str(into / "state")
    sink = source.writeStream.option("checkpointLocation", state).trigger(availableNow=True)
    sink.format("parquet").start(written).awaitTermination()
    return spark.read.parquet(written)


def main() -> None:
    """Answers line by line until the input ends."""
    jars, endpoint, key_id, secret = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Spark itself prints: how many files a vacuum deleted
    spark = session(Path(jars), endpoint, key_id, secret)
    spark.sparkContext.setLogLevel("ERROR")
    print(json.dumps({"ready": spark.version}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            is_stream = "stream" in asked
            found = streamed(spark, asked["stream"], Path(asked["into"])) if is_stream else spark.sql(asked["sql"])
            answer = {"columns": found.columns, "rows": [list(row) for row in found.collect()]}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            answer = {"error": str(error)}
        print(json.dumps(answer, default=str), file=answers, flush=True)


if __name__ == "__main__":
    main()
