"""Measures LanceDB's full-text search beside tantivy, over the same passages and questions.

    pip install lancedb
    python benchmarks/full_text.py train.json.gz --passages 1100000 --questions 1000 -o FILE

Passages are the paragraphs of the data, and then paragraphs of their sentences in other places, as
`folder.py scale` makes them (seed 0). Both engines get the same words of a passage and of a
question, stem English, and keep no positions. Questions are asked of both in turns. LanceDB is not
an engine of pullquote: this is how that was decided (EXPERIMENTS.md).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from folder import DEPTHS, shuffled

from pullquote.data import load
from pullquote.searching.engines import IndexedPassage
from pullquote.searching.engines.tantivy import TantivyEngine
from pullquote.searching.words import indexed, query_words

MOST = max(DEPTHS)
MORE = 1000  # passages that are added to a large index


class Tantivy:
    """As pullquote uses it."""

    packages = ("tantivy",)
    files = "*"

    def __init__(self, folder: Path) -> None:
        self.engine = TantivyEngine(folder)
        self.generation = 0

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        self.engine.add(rows)
        self.generation += 1
        self.engine.commit(self.generation)
        self.engine.settle(1.0)

    def search(self, words: Sequence[str]) -> list[int]:
        self.engine.refresh(self.generation)
        return [match.id for match in self.engine.search(words, MOST, None)]


class Lance:
    """A table of LanceDB with a full-text index, and nothing else in it."""

    packages = ("lancedb", "lance-namespace", "lance-namespace-urllib3-client", "pyarrow")
    files = "_indices/**/*"

    def __init__(self, folder: Path) -> None:
        import lancedb
        import pyarrow as pa
        from lancedb.index import FTS
        from lancedb.query import MatchQuery

        fields = [("id", pa.int64()), ("document", pa.int64()), ("text", pa.string())]
        self.schema = pa.schema(fields)
        self.batch = pa.RecordBatch.from_pylist
        self.query: Callable[..., Any] = MatchQuery
        self.index = FTS(language="English", stem=True, remove_stop_words=False)
        self.table = lancedb.connect(folder).create_table("passages", schema=self.schema)
        self.is_new = True

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        self.table.add(self._batches(iter(rows)))
        if self.is_new:
            self.is_new = False
            self.table.create_index("text", config=self.index)
        else:
            self.table.optimize()  # else the new rows are searched without the index

    def _batches(self, rows: Iterator[IndexedPassage]) -> Iterator[Any]:
        while some := list(islice(rows, 10_000)):
            made = [{"id": r.id, "document": r.document, "text": r.words} for r in some]
            yield self.batch(made, schema=self.schema)

    def search(self, words: Sequence[str]) -> list[int]:
        query = self.query(indexed(" ".join(words)), "text")
        found = self.table.search(query).select(["id", "_score"]).limit(MOST)
        return found.to_arrow()["id"].to_pylist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--passages", type=int, default=1_100_000)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("-o", "--output", required=True, help="a JSON file for the figures")
    options = parser.parse_args()
    examples = load(options.data).examples
    answerable = [example for example in examples if not example.is_impossible]
    asked = random.Random(0).sample(answerable, options.questions)
    own = {text: id for id, text in enumerate(dict.fromkeys(e.context for e in examples), 1)}
    texts = shuffled(examples)
    rows = [IndexedPassage(id, id, next(texts)) for id in range(1, options.passages + 1)]
    more = [IndexedPassage(len(rows) + id, id, next(texts)) for id in range(1, MORE + 1)]
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        engines: dict[str, Any] = {}
        for kind in (Tantivy, Lance):
            name = kind.__name__.lower()
            place = Path(folder, name)
            engine = engines[name] = kind(place)
            figures[name] = {
                "passages": len(rows),
                "seconds to index": seconds(engine.add, rows),
                "MB": megabytes(place.rglob("*")),
                "MB without a table of texts": megabytes(place.rglob(kind.files)),
                f"seconds to add {MORE}": seconds(engine.add, more),
                "MB of the packages": {p: megabytes(files_of(p)) for p in kind.packages},
            }
            print(json.dumps({name: figures[name]}), flush=True)
        ranks: dict[str, list[float]] = {name: [] for name in engines}
        times: dict[str, list[float]] = {name: [] for name in engines}
        for example in asked:
            words = query_words(example.question)
            for name, engine in engines.items():
                started = time.perf_counter()
                found = engine.search(words)
                times[name].append(1000 * (time.perf_counter() - started))
                id = own[example.context]
                ranks[name].append(found.index(id) + 1 if id in found else np.inf)
        for name in engines:
            median, late = np.percentile(times[name], [50, 99]).round(2)
            figures[name] |= {
                "questions": len(asked),
                **{f"@{k}": round(float((np.array(ranks[name]) <= k).mean()), 4) for k in DEPTHS},
                "ms, median": float(median),
                "ms, p99": float(late),
            }
    Path(options.output).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


def seconds(work: Callable[[Any], object], argument: object) -> float:
    started = time.perf_counter()
    work(argument)
    return round(time.perf_counter() - started, 1)


def megabytes(files: Iterable[Path]) -> float:
    return round(sum(file.stat().st_size for file in files if file.is_file()) / 1e6, 1)


def files_of(package: str) -> list[Path]:
    return [Path(str(file.locate())) for file in metadata.files(package) or []]


main()
