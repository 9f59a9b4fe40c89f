"""Measures highlights and pruned contexts.

    python benchmarks/highlight/run.py several --split test       # questions with several answers
    python benchmarks/highlight/run.py prune DATA -o FILE         # SQuAD, 20 passages a question
    python benchmarks/highlight/run.py report FILE                # its tables, also in between
    python benchmarks/highlight/run.py weights FILE               # how the weights were chosen

`several` counts an answer as found where a highlighted sentence has at least half of the characters
of a good quote, and a highlighted sentence as right where it has such a quote. Beside `highlight`
stand the quotes of `Reader.answer(top_k=5)` and the two sentences nearest by their vectors. Scores
are also compared with outcomes, on the questions with one answer and with none of `people`.

`prune` asks questions of SQuAD JSON, chosen at random (seed 0), of an index of all paragraphs, and
prunes the 20 paragraphs found. An answer is kept where a marked answer is whole in what is left,
in one sentence of the right paragraph; the share is of the questions whose paragraph was found.
Beside `prune` stand sentences by BM25 and by vectors: so many of the best, or all that are near the
best, whichever removes more. FILE has a line for each question; `weights` fits the weights of
`searching/prune.py` to it. Never run `weights` on data that results are reported on.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import random
import sys
import time
from dataclasses import asdict
from types import ModuleType
from typing import Any

import numpy as np
import questions as several

from pullquote import Index, Reader, prune
from pullquote.data import load
from pullquote.files import write_json
from pullquote.reading.highlight import SPANS, read_pieces
from pullquote.reading.sentences import pieces
from pullquote.scoring.bootstrap import estimates
from pullquote.searching.index import bundled
from pullquote.searching.prune import KEEP, evidence, shares_of
from pullquote.types import Example

KEPT = 0.97
KEEPS = (0.8, 0.9, 0.95, 0.97, 0.99)
FOUND, TIMED = 20, 50

Place = tuple[int, int]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("several")
    command.add_argument("--split", choices=("tune", "test"), required=True)
    command.add_argument("--model", default="small")
    command.add_argument("--json", metavar="FILE", help="write the figures, too")
    command.set_defaults(run=run_several)
    command = commands.add_parser("prune")
    command.add_argument("data")
    command.add_argument("--model", default="small")
    command.add_argument("--questions", type=int, default=1000)
    command.add_argument("--threads", type=int)
    command.add_argument("-o", "--output", required=True)
    command.set_defaults(run=run_prune)
    command = commands.add_parser("report")
    command.add_argument("file")
    command.add_argument("--json", metavar="FILE", help="write the figures, too")
    command.set_defaults(run=run_report)
    command = commands.add_parser("weights")
    command.add_argument("file")
    command.set_defaults(run=run_weights)
    arguments = parser.parse_args()
    arguments.run(arguments)


# --- several answers


def run_several(arguments: argparse.Namespace) -> None:
    reader, encoder = Reader(arguments.model), bundled()
    asked = several.load(arguments.split)
    ways: dict[str, list[tuple[list[bool], int, int]]] = {}
    scores: dict[str, list[tuple[float, bool]]] = {"several": [], "one": [], "none": []}
    for question in asked:
        context = question.context()
        places = question.places(context)
        marked = reader.highlight(question.question, context, least=0)
        scores["several"] += [(one.score, bool(_held(one, places))) for one in marked]
        answers = reader.answer(question.question, context, top_k=5, answerable=1.0).answers
        found = {
            f"highlight, least {least}": [one for one in marked if one.score >= least]
            for least in (0.2, 0.3, 0.5)
        }
        found["answer, one quote"] = list(answers[:1])
        found["answer, five quotes"] = list(answers)
        if encoder is not None:
            inside = list(pieces(context))
            vectors = encoder.encode([question.question, *(one.text for one in inside)])
            near = np.argsort(-(vectors[1:] @ vectors[0]))[:2]
            found["vectors, two sentences"] = [inside[n] for n in near]
        for way, spans in found.items():
            held = [_held(span, places) for span in spans]
            all_held = {item for items in held for item in items}
            row = [bool(items) for items in held], len(all_held), len(places)
            ways.setdefault(way, []).append(row)
    print(f"{arguments.split}, {arguments.model}: {len(asked)} questions, several answers each\n")
    print("| | spans | precision | recall |\n|---|---:|---:|---:|")
    figures: dict[str, dict[str, float]] = {}
    for way, rows in ways.items():
        right = [one for row, *_ in rows for one in row]
        recall = sum(row[1] for row in rows) / sum(row[2] for row in rows)
        spans, precision = len(right) / len(rows), float(np.mean(right))
        print(f"| {way} | {spans:.1f} | {precision:.2f} | {recall:.2f} |")
        figures[way] = {"spans": spans, "precision": precision, "recall": recall}
    people = _people()
    for one in people.load():
        if one.split == arguments.split and one.kind != "folder":
            context = (people.HERE / one.text).read_text(encoding="utf-8")
            places = [[]]
            if one.answers:
                start, end = people.evidence_place(one, context)
                starts = [(context.index(quote, start, end), quote) for quote in one.answers]
                places = [[(at, at + len(quote)) for at, quote in starts]]
            marked = reader.highlight(one.question, context, least=0)
            kind = "one" if one.answers else "none"
            scores[kind] += [(found.score, bool(_held(found, places))) for found in marked]
    print("\n| answers | sentences | mean score | right | ECE, 15 bins |")
    print("|---|---:|---:|---:|---:|")
    for kind, pairs in (*scores.items(), ("all", [*itertools.chain(*scores.values())])):
        score, right = np.array(pairs).T
        one = {"mean score": score.mean(), "right": right.mean(), "ece": _ece(score, right)}
        print(
            f"| {kind} | {len(pairs):,} | {' | '.join(f'{value:.3f}' for value in one.values())} |"
        )
        figures[f"scores, {kind}"] = {"sentences": len(pairs), **one}
    if arguments.json:
        write_json(arguments.json, figures)


def _held(span: Any, places: list[list[Place]]) -> set[int]:
    """The answers of which a span has at least half of a good quote."""
    return {
        number
        for number, quotes in enumerate(places)
        for start, end in quotes
        if 2 * (min(span.end, end) - max(span.start, start)) >= end - start
    }


def _ece(score: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((score * 15).astype(int), 14)
    used = [bins == number for number in range(15) if (bins == number).any()]
    return float(sum(abs(score[one].mean() - right[one].mean()) * one.mean() for one in used))


def _people() -> ModuleType:
    """The module of the people benchmark that has the same name as ours."""
    path = several.TEXTS / "questions.py"
    spec = importlib.util.spec_from_file_location("people_questions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- pruned contexts


def run_prune(arguments: argparse.Namespace) -> None:
    examples = load(arguments.data).examples
    paragraphs = list(dict.fromkeys(example.context for example in examples))
    where = {context: n for n, context in enumerate(paragraphs)}
    asked = [example for example in examples if example.answers]
    asked = random.Random(0).sample(asked, min(arguments.questions, len(asked)))
    reader = Reader(arguments.model, threads=arguments.threads)
    index = Index.in_memory()
    index.add_texts([{"id": str(n), "text": text} for n, text in enumerate(paragraphs)])
    by_words = Index.in_memory(encoder=None)
    by_words.add_texts(
        {"id": f"{n} {piece.start}", "text": piece.text}
        for n, text in enumerate(paragraphs)
        for piece in pieces(text)
    )
    rows, seconds, every = [], 0.0, len(by_words)
    began = time.monotonic()
    for number, example in enumerate(asked, 1):
        names = (hit.passage.document.path for hit in index.search(example.question, FOUND))
        chosen = list(dict.fromkeys(map(int, names)))
        if where[example.context] in chosen:
            row = _row(example, chosen, where[example.context], paragraphs, reader)
            scored = by_words.search(example.question, every)
            found = {hit.passage.document.path: hit.score for hit in scored}
            row["bm25"] = [found.get(name, 0.0) for name in row.pop("names")]
            rows.append(row)
            if len(rows) <= TIMED:  # what the rows say is what `prune` does
                start = time.perf_counter()
                texts = [paragraphs[n] for n in chosen]
                pruned = prune(example.question, texts, reader=reader)
                seconds += time.perf_counter() - start
                assert pruned.words[0] == _left(row, KEEP)[1], example.id
        if number % 50 == 0:
            print(f"{number}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            _write(arguments.output, rows)
    _write(arguments.output, rows)
    print(f"{arguments.data}: {len(asked)} questions, seed 0; paragraph found: {len(rows)}")
    print(f"{arguments.model}: {seconds / min(len(rows), TIMED):.2f} s a question\n")
    report(rows)


def run_report(arguments: argparse.Namespace) -> None:
    with open(arguments.file, encoding="utf-8") as file:
        found = report([json.loads(line) for line in file])
    if arguments.json:
        write_json(arguments.json, found)


def report(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Print how much is kept and removed at several `keep`, and what each way removes.

    Intervals are of 95 %, over resampled articles.
    """
    articles = [row["title"] for row in rows]
    words = np.array([sum(row["words"]) for row in rows], float)
    print(f"{len(rows)} questions whose paragraph was found, {len(set(articles))} articles\n")
    print("| | answers kept | words removed |\n|---|---:|---:|")
    found: dict[str, Any] = {"questions": len(rows), "articles": len(set(articles))}
    for keep in KEEPS:
        held, left = zip(*(_left(row, keep) for row in rows), strict=True)
        found[f"keep {keep}"] = _intervals(articles, np.array(held, float), np.array(left), words)
        kept, removed = map(_shown, found[f"keep {keep}"].values())
        print(f"| prune, keep {keep} | {kept} | {removed} |")
    whole = [any(row["holds"]) for row in rows]  # the answer is in one sentence
    rows = list(itertools.compress(rows, whole))
    articles, words = list(itertools.compress(articles, whole)), words[whole]
    for way in ("prune", "bm25", "vectors"):
        left, rule = min(
            (_fewest(rows, way, nearest) for nearest in (False, True)), key=lambda one: one[0].sum()
        )
        one = _intervals(articles, None, left, words)
        found[f"{way} at {KEPT}"] = one
        print(f"| {way}, {rule} | {KEPT} | {_shown(one['removed'])} |")
    return found


def _intervals(
    articles: list[str], held: np.ndarray | None, left: np.ndarray, words: np.ndarray
) -> dict[str, Any]:
    """The share of answers kept, and of words removed, with intervals."""
    share = left.sum() / words.sum()
    # the mean of these is the share that is removed, and they vary as a ratio of two sums does
    removed = 1 - share - (left - share * words) / words.mean()
    columns = {"removed": removed} if held is None else {"kept": held, "removed": removed}
    return {name: asdict(one) for name, one in estimates(columns, articles).items()}


def _shown(one: dict[str, float]) -> str:
    return f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"


def _row(
    example: Example, chosen: list[int], gold: int, paragraphs: list[str], reader: Reader
) -> dict[str, Any]:
    """What is known of each sentence of the paragraphs of a question."""
    texts = [paragraphs[n] for n in chosen]
    question = reader.spelling.correct(example.question, texts).question
    passages = (Example(str(n), question, text) for n, text in enumerate(texts))
    read = zip(texts, reader.read_all(passages, limit=SPANS), strict=True)
    found = [list(read_pieces(text, windows)) for text, windows in read]
    inside = [(n, one.span) for n, pieces in zip(chosen, found, strict=True) for one in pieces]
    answers = [(answer.start, answer.end) for answer in example.answers]
    return {
        "id": example.id,
        "title": example.title,
        "evidence": evidence(question, texts, found).tolist(),
        "names": [f"{n} {span.start}" for n, span in inside],
        "words": [len(span.text.split()) for _, span in inside],
        "holds": [
            n == gold and any(span.start <= a and b <= span.end for a, b in answers)
            for n, span in inside
        ],
    }


def _left(row: dict[str, Any], keep: float) -> tuple[bool, int]:
    """Whether the answer is in what `prune` keeps, and the words of that."""
    chosen = -_scores(row, "prune") < keep
    return bool(chosen[np.array(row["holds"])].any()), int(np.array(row["words"])[chosen].sum())


def _write(path: str, rows: list[dict[str, Any]]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _scores(row: dict[str, Any], way: str) -> np.ndarray:
    """The scores of the sentences of a question by one way."""
    known = np.array(row["evidence"])
    if way == "bm25":
        return np.array(row["bm25"])
    if way == "vectors":
        return known[:, 2]
    shares = shares_of(known)
    order = np.argsort(-shares, kind="stable")
    before = np.empty(len(shares))
    before[order] = np.cumsum(shares[order]) - shares[order]
    return -before


def _fewest(rows: list[dict[str, Any]], way: str, nearest: bool) -> tuple[np.ndarray, str]:
    """The words left of each question where `KEPT` of the answers are kept, and the rule."""
    scored = [_scores(row, way) for row in rows]
    if way == "prune":
        rule = "the sum of probabilities"
    elif nearest:
        scored, rule = [scores - scores.max() for scores in scored], "near the best"
    else:
        scored = [-np.argsort(np.argsort(-scores)).astype(float) for scores in scored]
        rule = "so many of the best"
    best = [scores[np.array(row["holds"])].max() for scores, row in zip(scored, rows, strict=True)]
    least = np.quantile(best, 1 - KEPT, method="lower")
    words = [np.array(row["words"]) for row in rows]
    left = [w[s >= least].sum() for w, s in zip(words, scored, strict=True)]
    return np.array(left, float), rule


def run_weights(arguments: argparse.Namespace) -> None:
    """Fit a conditional logistic regression: which sentence of a question holds the answer."""
    with open(arguments.file, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    rows = [row for row in rows if any(row["holds"])]
    for columns in ([0], [0, 1], [0, 2], [1, 2], [0, 1, 2]):
        weights = np.zeros(len(columns))
        data = [
            (np.array(row["evidence"])[:, columns], np.array(row["holds"], float)) for row in rows
        ]
        for _ in range(40):
            gradient, curvature, loss = -1e-3 * weights, 1e-3 * np.eye(len(columns)), 0.0
            for known, holds in data:
                logits = known @ weights
                p = np.exp(logits - logits.max())
                p /= p.sum()
                q = p * holds / (p @ holds)
                mean = p @ known
                gradient += q @ known - mean
                curvature += (known * p[:, None]).T @ known - np.outer(mean, mean)
                loss -= np.log(p @ holds) / len(data)
            weights += np.linalg.solve(curvature, gradient)
        names = [("margin", "passage", "sentence")[column] for column in columns]
        shown = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights, strict=True))
        print(f"{shown}: {loss:.3f} nats a question")


if __name__ == "__main__":
    main()
