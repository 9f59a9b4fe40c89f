"""Measures asking whole folders: retrieval and answers over SQuAD's paragraphs, and large indexes.

    python benchmarks/folder.py answers DATA --model small -o FILE     # no paragraph is given
    python benchmarks/folder.py recall DATA                            # of all questions
    python benchmarks/folder.py scale TRAIN --engine tantivy --vectors 100000 -o FILE
    python benchmarks/folder.py server TUNE postgresql://HOST/DATABASE/NEW --questions 2000
    python benchmarks/folder.py server TUNE build/new.db --engine opensearch --questions 2000
    python benchmarks/folder.py people --split tune                    # recall in people's words
    python benchmarks/folder.py rows --model small                     # of rows of tables
    python benchmarks/folder.py times DEV --model small -o FILE        # how long a question takes
    python benchmarks/folder.py fusion TUNE --questions 2000
    python benchmarks/folder.py weights TUNE --model small --questions 1000

`answers` puts all paragraphs of DATA into one index and asks every question of it. It goes on where
it was stopped, from FILE. `recall` only retrieves, by words, by vectors, and by both. `scale` makes
passages of the training paragraphs with their sentences shuffled, and vectors of some of them.
`server` asks an index on a server and a file with FTS5 the same questions, by words and in turns.
`people` finds the evidence of `benchmarks/people` in each folder, and in all texts and folders of
the split together, with vectors and without. `rows` finds rows of tables among prose and other
tables, and asks for their cells; its questions are a tune set. `times` asks random questions of
DATA over all its paragraphs, and all questions of `benchmarks/people` in each folder; no answer is
looked at. `fusion` is how the constants of `searching.fusion`
were chosen, `weights` how `Ranking` was; never run these two on data that results are reported on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pullquote import Example, Index, Reader, Searcher
from pullquote.data import load
from pullquote.reading.evaluate import evaluate
from pullquote.reading.vectors import TextEncoder
from pullquote.scoring.squad import score_questions
from pullquote.searching import fusion
from pullquote.searching.engines import Match
from pullquote.searching.index import BUNDLED, Encoder, RetrievedPassage
from pullquote.searching.search import Ranking

DEPTHS = (1, 5, 20)
HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    commands = parser.add_subparsers(required=True)
    answers = commands.add_parser("answers", help="recall, EM/F1 and abstention over a data set")
    answers.add_argument("data")
    answers.add_argument("--model", default="small")
    answers.add_argument("--engine", default="fts5")
    answers.add_argument("--questions", type=int, help="only so many, chosen at random (seed 0)")
    answers.add_argument("-o", "--output", required=True, help="JSON Lines, a question a line")
    answers.set_defaults(run=run_answers)
    recall = commands.add_parser("recall", help="recall by words, by vectors, and by both")
    recall.add_argument("data")
    recall.add_argument("--engine", default="fts5")
    recall.set_defaults(run=run_recall)
    scale = commands.add_parser("scale", help="time and size of a large index")
    scale.add_argument("data")
    scale.add_argument("--passages", type=int, default=100_000)
    scale.add_argument("--engine", default="fts5")
    scale.add_argument(
        "--vectors",
        type=int,
        default=0,
        help="make so many vectors; the other passages get copies of these with noise (0: none)",
    )
    scale.add_argument("--questions", type=int, default=1000)
    scale.add_argument("--model", help="also answer a tenth of the questions with it")
    scale.add_argument("-o", "--output", required=True, help="a JSON file for the figures")
    scale.set_defaults(run=run_scale)
    server = commands.add_parser("server", help="recall and time of an index on a server")
    server.add_argument("data")
    server.add_argument("place", help="URL or path of an index that is not there yet")
    server.add_argument("--engine", help="of this index")
    server.add_argument("--questions", type=int, help="only so many, chosen at random (seed 0)")
    server.add_argument("--copies", type=int, default=1, help="with so many shuffled copies")
    server.set_defaults(run=run_server)
    people = commands.add_parser("people", help="recall for questions in people's words")
    people.add_argument("--split", choices=("tune", "test"), required=True)
    people.set_defaults(run=run_people)
    rows = commands.add_parser("rows", help="recall and best quotes for rows of tables")
    rows.add_argument("--model", default="small")
    rows.set_defaults(run=run_rows)
    times = commands.add_parser("times", help="time of a question, on paragraphs and in folders")
    times.add_argument("data")
    times.add_argument("--model", default="small")
    times.add_argument("--threads", type=int, default=2)
    times.add_argument("--questions", type=int, default=500)
    times.add_argument("-o", "--output", required=True, help="a JSON file for the figures")
    times.set_defaults(run=run_times)
    fusion = commands.add_parser("fusion", help="recall for constants of the fusion")
    fusion.add_argument("data")
    fusion.add_argument("--questions", type=int, default=2000)
    fusion.set_defaults(run=run_fusion)
    weights = commands.add_parser("weights", help="F1 for weights of null logit and retrieval")
    weights.add_argument("data")
    weights.add_argument("--model", default="small")
    weights.add_argument("--questions", type=int, default=1000)
    weights.set_defaults(run=run_weights)
    options = parser.parse_args()
    options.run(options)


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


# ---- answers over a data set


def run_answers(options: argparse.Namespace) -> None:
    every = load(options.data).examples
    examples = _some(every, options.questions)
    output = Path(options.output)
    done = [json.loads(line) for line in _lines(output)]
    output.write_text("".join(json.dumps(row) + "\n" for row in done), encoding="utf-8")
    asked = {row["id"] for row in done}
    reader = Reader(options.model)
    with tempfile.TemporaryDirectory() as folder, open(output, "a", encoding="utf-8") as file:
        index, rows = paragraphs_index(Path(folder), every, options.engine)
        searcher = Searcher(reader, index)
        for number, example in enumerate(examples, 1):
            if example.id in asked:
                continue
            row = ask(searcher, example, rows[example.context])
            done.append(row)
            file.write(json.dumps(row) + "\n")
            if number % 100 == 0:
                file.flush()
                print(f"{number:,} of {len(examples):,}", flush=True)
        index.close()
    chosen = {example.id: example for example in examples}
    done = [row for row in done if row["id"] in chosen]
    given = evaluate(reader, examples)
    print(json.dumps(summary(done, examples, given.scores.f1, len(rows)), indent=2))


def ask(searcher: Searcher, example: Example, row: int) -> dict[str, Any]:
    """One question: where its paragraph was found, what was answered, and how long it took."""
    started = time.perf_counter()
    found = searcher.index.search(example.question, max(DEPTHS))
    retrieved = time.perf_counter()
    result = searcher.search(example.question)
    ended = time.perf_counter()
    lines = [entry.passage.marks[0].number for entry in found]
    return {
        "id": example.id,
        "rank": lines.index(row) + 1 if row in lines else None,
        "quote": result.hits[0].text if result.hits else "",
        "answered": result.answered,
        "no_answer_score": result.no_answer_score,
        "null_score_diff": result.null_score_diff,
        "retrieval_ms": 1000 * (retrieved - started),
        "ms": 1000 * (ended - retrieved),
    }


def summary(
    rows: Sequence[dict[str, Any]], examples: Sequence[Example], given_f1: float, paragraphs: int
) -> dict[str, Any]:
    by_id = {row["id"]: row for row in rows}
    examples = [example for example in examples if example.id in by_id]
    rows = [by_id[example.id] for example in examples]
    answerable = np.array([not example.is_impossible for example in examples])
    quotes = {row["id"]: row["quote"] for row in rows}
    answers = {row["id"]: row["quote"] if row["answered"] else "" for row in rows}
    forced, final = score_questions(examples, quotes), score_questions(examples, answers)
    answered = np.array([row["answered"] for row in rows])
    ranks = np.array([row["rank"] or np.inf for row in rows])

    def mean(marks: Iterable[float], which: Any = answerable) -> float | None:
        values = np.array(list(marks), dtype=float)[which]
        return round(100 * float(values.mean()), 2) if values.size else None

    return {
        "paragraphs": paragraphs,
        "questions": len(rows),
        "answerable": int(answerable.sum()),
        **{f"recall@{k}": mean(ranks <= k) for k in DEPTHS},
        **{f"recall@{k}, all questions": mean(ranks <= k, slice(None)) for k in DEPTHS},
        "EM answerable": mean(mark.exact for mark in final),
        "F1 answerable": mean(mark.f1 for mark in final),
        "EM answerable, never abstaining": mean(mark.exact for mark in forced),
        "F1 answerable, never abstaining": mean(mark.f1 for mark in forced),
        "abstained on unanswerable": mean(~answered, ~answerable),
        "abstained on answerable": mean(~answered),
        "EM all": mean((mark.exact for mark in final), slice(None)),
        "F1 all": mean((mark.f1 for mark in final), slice(None)),
        "F1 all, paragraphs given": round(given_f1, 2),
        "ms a question, median": round(float(np.median([row["ms"] for row in rows])), 2),
        "ms of retrieval, median": round(float(np.median([r["retrieval_ms"] for r in rows])), 3),
    }


def paragraphs_index(
    folder: Path, examples: Sequence[Example], engine: str, encoder: Encoder = BUNDLED
) -> tuple[Index, dict[str, int]]:
    """An index of all paragraphs of some examples, and the line on which each stands."""
    rows = {text: n for n, text in enumerate(dict.fromkeys(e.context for e in examples), 1)}
    with open(folder / "paragraphs.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in rows)
    index = Index.create(folder / "paragraphs.db", engine=engine, encoder=encoder)
    index.add([folder / "paragraphs.jsonl"])
    return index, rows


def run_recall(options: argparse.Namespace) -> None:
    """The share of questions whose paragraph is among the first ones that a search finds."""
    examples = load(options.data).examples
    answerable = np.array([not example.is_impossible for example in examples])
    encoder = TextEncoder.open()
    with tempfile.TemporaryDirectory() as folder:
        index, rows = paragraphs_index(Path(folder), examples, options.engine)
        words = Index.open(index.path, encoder=None)
        vectors = encoder.encode(list(rows))  # (n, d), of the first 256 tokens

        def lines(found: Sequence[RetrievedPassage]) -> list[int]:
            return [entry.passage.marks[0].number for entry in found]

        def nearest(question: str) -> list[int]:
            return (1 + np.argsort(-(vectors @ encoder.encode([question])[0]))).tolist()

        ways: dict[str, Callable[[str], list[int]]] = {
            "words": lambda question: lines(words.search(question, max(DEPTHS))),
            "vectors": lambda question: nearest(question)[: max(DEPTHS)],
            "both": lambda question: lines(index.search(question, max(DEPTHS))),
        }
        for way, find in ways.items():
            started, ranks = time.process_time(), []
            for example in examples:
                found, row = find(example.question), rows[example.context]
                ranks.append(found.index(row) + 1 if row in found else np.inf)
            used = time.process_time() - started
            figures = {
                kind: {f"@{k}": round(float((np.array(ranks)[of] <= k).mean()), 4) for k in DEPTHS}
                for kind, of in (("answerable", answerable), ("all questions", slice(None)))
            }
            figures["ms of processor time"] = round(1000 * used / len(examples), 2)
            print(json.dumps({way: figures}), flush=True)
        words.close()
        index.close()


def run_server(options: argparse.Namespace) -> None:
    """Recall by words, and time, of an index on a server beside a file with FTS5."""
    every = load(options.data).examples
    examples = [e for e in _some(every, options.questions) if not e.is_impossible]
    texts = list(dict.fromkeys(e.context for e in every))
    lines = list(itertools.islice(shuffled(every), options.copies * len(texts)))
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        corpus, file = Path(folder, "paragraphs.jsonl"), Path(folder, "paragraphs.db")
        corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in lines))
        rows = {text: number for number, text in enumerate(texts, 1)}
        indexes = {}
        for place, engine in ((str(file), "fts5"), (options.place, options.engine)):
            started = time.perf_counter()
            index = Index.create(place, engine=engine, encoder=None)
            index.add([corpus])
            figures[index.engine_name] = {
                "passages": len(index),
                "seconds to index": round(time.perf_counter() - started, 2),
            }
            indexes[index.engine_name] = index
        if "tsvector" in indexes:
            ((size,),) = indexes["tsvector"]._store.rows(
                "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
                "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
            )
            figures["tsvector"]["MB"] = round(float(size) / 1e6, 1)
        ranks: dict[str, list[float]] = {name: [] for name in indexes}
        times: dict[str, list[float]] = {name: [] for name in indexes}
        for example in examples:
            for name, index in indexes.items():
                started = time.perf_counter()
                found = index.search(example.question, max(DEPTHS))
                times[name].append(1000 * (time.perf_counter() - started))
                numbers = [entry.passage.marks[0].number for entry in found]
                row = rows[example.context]
                ranks[name].append(numbers.index(row) + 1 if row in numbers else np.inf)
        for name, index in indexes.items():
            median, late = np.percentile(times[name], [50, 99]).round(2)
            figures[name] |= {
                "questions": len(examples),
                **{f"@{k}": round(float((np.array(ranks[name]) <= k).mean()), 4) for k in DEPTHS},
                "ms, median": float(median),
                "ms, p99": float(late),
            }
            index.close()
        figures["fts5"]["MB"] = round(file.stat().st_size / 1e6, 1)  # without a log, when closed
    print(json.dumps(figures, indent=2))


# ---- large indexes


def run_scale(options: argparse.Namespace) -> None:
    output = Path(options.output)
    figures = json.loads(output.read_text()) if output.is_file() else {}
    name = f"{options.engine}, {options.passages:,} texts, {options.vectors:,} vectors made"
    encoder = NoisyCopies(options.vectors) if options.vectors else None
    if name in figures:
        print(f"{name}: measured already, see {output}")
        return
    examples = load(options.data).examples
    questions = [e.question for e in _some(examples, options.questions)]
    with tempfile.TemporaryDirectory() as folder:
        corpus, file = Path(folder, "corpus.jsonl"), Path(folder, "i.db")
        with open(corpus, "w", encoding="utf-8") as lines:
            for text in itertools.islice(shuffled(examples), options.passages):
                lines.write(json.dumps({"text": text}) + "\n")
        started = time.perf_counter()
        with Index.create(file, engine=options.engine, encoder=encoder) as index:
            index.add([corpus], vectors=False)
            seconds = time.perf_counter() - started
            index.make_vectors()
        files = [f for f in Path(folder).rglob("*") if f.is_file() and f != corpus]
        sizes = {True: 0, False: 0}  # whether it holds vectors
        for f in files:
            sizes[f.suffix == ".vectors"] += f.stat().st_size
        with Index.open(file, encoder=encoder) as index:
            figures[name] = {
                "passages": len(index),
                "seconds to index": round(seconds, 1),
                "seconds a thousand vectors": round(encoder.seconds_a_thousand, 2)
                if encoder
                else None,
                "MiB of texts and words": round(sizes[False] / 2**20, 1),
                "MiB of vectors": round(sizes[True] / 2**20, 1),
                "cold": milliseconds(lambda question: index.search(question, 20), questions[:20]),
                "retrieval": milliseconds(lambda question: index.search(question, 20), questions),
            }
            if options.model:
                searcher = Searcher(Reader(options.model), index)
                some = questions[: len(questions) // 10]
                figures[name][f"answers of {options.model}"] = milliseconds(searcher.search, some)
    output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: figures[name]}, indent=2))


def milliseconds(ask: Callable[[Any], object], questions: Sequence[Any]) -> dict[str, float]:
    """How long it takes to ask each of some questions, by the clock and of processor time."""
    times = []
    for question in questions:
        started, used = time.perf_counter(), time.process_time()
        ask(question)
        times.append((time.perf_counter() - started, time.process_time() - used))
    (median, used), (late, used_late) = (1000 * np.percentile(times, [50, 99], axis=0)).round(2)
    return {
        "median": float(median),
        "p99": float(late),
        "processor time, median": float(used),
        "processor time, p99": float(used_late),
        "questions": len(times),
    }


class NoisyCopies:
    """The bundled encoder for the first texts; later ones get vectors of those with noise.

    An exact search takes the same time whatever the vectors are, and a million take hours to make.
    No two are equal: the noise takes the cosine with the copied one to about .95.
    """

    def __init__(self, made: int) -> None:
        self.encoder = TextEncoder.open()
        self.name, self.dimensions = self.encoder.name, self.encoder.dimensions
        self.chance = np.random.default_rng(0)
        self.known = np.empty((made, self.dimensions), np.float32)
        self.count, self.seconds = 0, 0.0

    @property
    def seconds_a_thousand(self) -> float:
        return 1000 * self.seconds / self.count

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if len(texts) == 1:  # a question
            return self.encoder.encode(texts)
        if (room := len(self.known) - self.count) > 0:
            started = time.perf_counter()
            vectors = self.encoder.encode(texts)
            self.seconds += time.perf_counter() - started
            self.known[self.count : self.count + len(vectors)] = vectors[:room]
            self.count = min(self.count + len(vectors), len(self.known))
            return vectors
        copied = self.known[self.chance.integers(len(self.known), size=len(texts))]
        vectors = copied + self.chance.normal(0, 0.02, copied.shape).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def shuffled(examples: Sequence[Example], seed: int = 0) -> Iterator[str]:
    """Without end: the paragraphs as they are, then again and again with sentences exchanged."""
    paragraphs = list(dict.fromkeys(example.context for example in examples))
    yield from paragraphs
    chance = random.Random(seed)
    sentences = [s for text in paragraphs for s in re.split(r"(?<=[.!?]) +", text)]
    while True:
        for text in paragraphs:
            count = len(re.split(r"(?<=[.!?]) +", text))
            yield " ".join(chance.choices(sentences, k=count))


# ---- questions in people's words


def run_people(options: argparse.Namespace) -> None:
    sys.path.append(str(HERE / "people"))
    from asking import place_in_document
    from questions import evidence_place
    from questions import load as load_questions

    people = HERE / "people"
    chosen = [q for q in load_questions() if q.split == options.split and q.answers]
    evidence: dict[str, tuple[str, tuple[int, int]]] = {}
    for q in chosen:
        path = people / q.text
        if q.document:
            evidence[q.id] = str(path / q.document), place_in_document(q, path)
        else:
            evidence[q.id] = str(path), evidence_place(q, path.read_text(encoding="utf-8"))
    corpora = {name: [people / name] for name in {q.text for q in chosen if q.document}}
    together = [people / name for name in sorted({q.text for q in chosen})]
    figures = {}
    for encoder in (None, BUNDLED):
        each: dict[str, list[float]] = {}
        for name, paths in [*sorted(corpora.items()), ("all together", together)]:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "i.db")
                started = time.perf_counter()
                with Index.create(file, encoder=encoder) as index:
                    index.add(paths)
                    made = time.perf_counter() - started
                    size = sum(f.stat().st_size for f in Path(folder).iterdir())
                    for q in chosen:
                        if name not in (q.text, "all together"):
                            continue
                        started = time.perf_counter()
                        found = index.search(q.question, max(DEPTHS))
                        took = 1000 * (time.perf_counter() - started)
                        where = "all together" if name == "all together" else "folders"
                        rank = _rank_of(found, *evidence[q.id])
                        each.setdefault(f"{where}, {q.wording}", []).append(rank)
                        each.setdefault(f"{where}, ms", []).append(took)
                    if name == "all together":
                        each["all together, passages"] = [len(index)]
                        each["all together, index seconds"] = [made]
                        each["all together, KiB of index"] = [size / 1024]
        figures["words alone" if encoder is None else "with vectors"] = {
            key: {f"recall@{k}": round(float((np.array(values) <= k).mean()), 3) for k in DEPTHS}
            | {"questions": len(values)}
            if key.endswith(("own", "paraphrase"))
            else round(float(np.median(values)), 2)
            for key, values in each.items()
        }
    print(json.dumps(figures, indent=2))


def _rank_of(found: Sequence[RetrievedPassage], path: str, place: tuple[int, int]) -> float:
    """The rank of the first passage with the evidence, from 1; infinite if there is none."""
    for rank, passage in enumerate((entry.passage for entry in found), 1):
        if passage.document.path == path and passage.start <= place[0] and place[1] <= passage.end:
            return rank
    return float("inf")


# ---- rows of tables


def run_rows(options: argparse.Namespace) -> None:
    """Recall of rows, and how often the best quote is that cell, with vectors and without."""
    sys.path.append(str(HERE / "people"))
    from asking import is_right, place_in_document
    from questions import questions_in

    chosen = list(questions_in(HERE / "rows" / "questions.jsonl"))
    reader, figures = Reader(options.model), {}
    for way, encoder in (("words alone", None), ("with vectors", BUNDLED)):
        ranks, right, answered = [], [], []
        for name in dict.fromkeys(q.text for q in chosen):
            folder = (HERE / "rows" / name).resolve()
            with Index.in_memory(encoder=encoder) as index:
                index.add([folder])
                searcher = Searcher(reader, index)
                for q in (q for q in chosen if q.text == name):
                    path, place = str(folder / q.document), place_in_document(q, folder)
                    found = index.search(q.question, max(DEPTHS))
                    ranks.append(_rank_of(found, path, place))
                    result = searcher.search(q.question)
                    right.append(
                        any(
                            best.place.path == path
                            and is_right(best.text, best.start, best.end, q.answers, [place])
                            for best in result.hits[:1]
                        )
                    )
                    answered.append(result.answered)
        figures[way] = {
            "questions": len(ranks),
            **{f"recall@{k}": round(float((np.array(ranks) <= k).mean()), 3) for k in DEPTHS},
            "best quote right": sum(right),
            "answered, right": sum(a and r for a, r in zip(answered, right, strict=True)),
        }
    print(json.dumps(figures, indent=2))


# ---- time of a question


def run_times(options: argparse.Namespace) -> None:
    """Milliseconds of a question, and of finding its passages alone."""
    sys.path.append(str(HERE / "people"))
    from machine import machine
    from questions import load as load_questions

    reader = Reader(options.model, threads=options.threads)
    every = load(options.data).examples
    with tempfile.TemporaryDirectory() as directory:
        index, _ = paragraphs_index(Path(directory), every, "fts5")
        paragraphs = Searcher(reader, index)
        asked = {"paragraphs": [(paragraphs, e.question) for e in _some(every, options.questions)]}
        folders: dict[str, Searcher] = {}
        asked["folders of files"] = []
        for q in load_questions():
            if q.kind == "folder":
                if q.text not in folders:
                    folders[q.text] = Searcher(reader, Index.in_memory())
                    folders[q.text].index.add([HERE / "people" / q.text])
                asked["folders of files"].append((folders[q.text], q.question))
        figures: dict[str, Any] = {"machine": machine(), "model": options.model}
        for name, pairs in asked.items():
            milliseconds(lambda one: one[0].search(one[1]), pairs[:10])  # not counted: the first
            figures[name] = {
                "passages": [len(i) for i in dict.fromkeys(one.index for one, _ in pairs)],
                "finding": milliseconds(lambda one: one[0].retrieve(one[1]), pairs),
                "finding and reading": milliseconds(lambda one: one[0].search(one[1]), pairs),
            }
        index.close()
    Path(options.output).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


# ---- constants of the fusion


def run_fusion(options: argparse.Namespace) -> None:
    """Recall over the answerable questions, for ranks that keep their BM25 and for weights."""
    every = load(options.data).examples
    examples = [e for e in _some(every, options.questions) if not e.is_impossible]
    encoder = TextEncoder.open()
    with tempfile.TemporaryDirectory() as folder:
        index, rows = paragraphs_index(Path(folder), every, "fts5", encoder=None)
        vectors = encoder.encode(list(rows))  # (n, d)
        known = []
        for example in examples:
            found = index.search(example.question, len(rows))
            # a long paragraph has several passages; the first one found is its best
            by_words = {one.passage.marks[0].number: one.score for one in reversed(found)}
            matches = [Match(n, by_words[n]) for n in sorted(by_words, key=lambda n: -by_words[n])]
            cosines = (vectors @ encoder.encode([example.question])[0]).tolist()
            near = dict(zip(rows.values(), cosines, strict=True))
            known.append((rows[example.context], matches, near))
        index.close()
    lengths = {number: len(text.encode()) for text, number in rows.items()}
    for floor, weight in itertools.product((10, 20, 30, 50, 1000), (10.0, 15.0, 20.0, 30.0, 40.0)):
        fusion.FLOOR, fusion.COSINE = floor, weight
        ranks = np.array(
            [
                [one.id for one in fusion.fuse(matches, cosines, lengths, len(rows))].index(row) + 1
                for row, matches, cosines in known
            ]
        )
        recall = "  ".join(f"@{k} {(ranks <= k).mean():.3f}" for k in DEPTHS)
        print(f"floor {floor:4}  weight {weight:.0f}  {recall}", flush=True)


# ---- weights


def run_weights(options: argparse.Namespace) -> None:
    """F1 over the answerable questions, never abstaining, for weights of `Ranking`."""
    every = load(options.data).examples
    examples = [e for e in _some(every, options.questions) if not e.is_impossible]
    reader = Reader(options.model)
    with tempfile.TemporaryDirectory() as folder:
        index, _ = paragraphs_index(Path(folder), every, "fts5")
        cached = [_Remembered(reader, index, example) for example in examples]
    for passages in (1, 3, 5, 10, 20):
        for null, retrieval in itertools.product(
            (0.0, 0.25, 0.5, 0.75, 1.0), (0, 0.5, 0.75, 1, 1.5)
        ):
            ranking = Ranking(passages=passages, null=null, retrieval=retrieval)
            quotes = {e.id: known.best(ranking) for e, known in zip(examples, cached, strict=True)}
            marks = score_questions(examples, quotes)
            f1 = 100 * float(np.mean([mark.f1 for mark in marks]))
            print(f"passages {passages:2}  null {null:.2f}  retrieval {retrieval:.2f}  F1 {f1:.2f}")


class _Remembered:
    """What a reader says of a question's passages, weighed again without reading again."""

    def __init__(self, reader: Reader, index: Index, example: Example) -> None:
        self.reader = reader
        self.index = index
        searcher = Searcher(reader, index, ranking=Ranking(margin=1000.0))
        self.found = searcher.retrieve(example.question)
        contexts = (Example("", self.found.read_as, f.passage.text) for f in self.found.passages)
        self.windows = list(reader.read_all(contexts))

    def best(self, ranking: Ranking) -> str:
        searcher = Searcher(self.reader, self.index, ranking=ranking)
        n = ranking.passages
        found = replace(self.found, passages=self.found.passages[:n])
        result = searcher.decide(found, self.windows[:n], 1, threshold=9999.0)
        return result.hits[0].text if result.hits else ""


def _some(examples: Sequence[Example], count: int | None) -> list[Example]:
    chosen = list(examples)
    random.Random(0).shuffle(chosen)
    return chosen[:count]


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    # a line that a kill cut in two is asked again
    return [line for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]


if __name__ == "__main__":
    main()
