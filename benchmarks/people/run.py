"""How well the models answer questions as people ask them. Prints Markdown, writes JSON.

    python benchmarks/people/run.py --split tune --model small

Every decision about a reader is made on `--split tune`; `test` is for reporting. README.md says
what the questions are and defines the figures. Run with pullquote's environment.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asking import Asked, Asking, ask_folders, ask_texts, from_pipeline, on_text
from figures import change, grouped, quality
from forms import FORMS, made
from outside import SETS, fetch, sample
from questions import HERE, SPLITS, Question, load
from tables import FIRST, by_group, column, percent, table

from pullquote import Reader
from pullquote.checkpoints.directory import open_model
from pullquote.errors import DownloadError, ModelError
from pullquote.files import write_json

sys.path.append(str(HERE.parent))
from machine import machine

KINDS_OF_GROUPS = {
    "kind": lambda a: a.kind,
    "wording": lambda a: a.wording,
    "sort": lambda a: a.sort,
}


def main() -> None:
    """Ask everything of every model, print the tables, write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--model", action="append", default=[], help="repeatable: small and tiny")
    parser.add_argument("--hf4-python", help="interpreter with transformers 4.57.6")
    parser.add_argument(
        "--outside", type=Path, metavar="DIR", help="where the public sets are, or are fetched to"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--texts", type=int, help="for a try: only so many texts, and folders")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="every answer, as JSON Lines")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # for the pipeline
    questions = [q for q in load() if q.split == arguments.split]
    texts = _some([q for q in questions if q.kind != "folder"], arguments.texts)
    folders = _some([q for q in questions if q.kind == "folder"], arguments.texts)
    outside, left_out = _outside(arguments.outside)
    if not arguments.hf4_python:
        left_out.append("transformers' pipeline was left out: no --hf4-python.")

    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    git = ["git", "-C", HERE, "describe", "--always", "--dirty"]
    result: dict[str, Any] = {
        "date": date,
        "command": shlex.join(["python", *sys.argv]),
        "commit": subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip(),
        "machine": machine(),
        "split": arguments.split,
        "left out": left_out,
        "models": {},
    }
    print(_head(result, texts, folders))
    answers = []
    for model in arguments.model or ["small", "tiny"]:
        asked = ask(model, arguments, texts, folders, outside)
        figures = figures_of(asked)
        result["models"][model] = {"decision": decision(model), **figures}
        print(f"\n## {model}\n\n{decision(model)}\n\n{markdown(figures)}", flush=True)
        answers += [{"model": model, "way": way, **asdict(a)} for way in asked for a in asked[way]]
    file = arguments.out / f"{date[:10]}-people-{arguments.split}.json"
    write_json(file, json.loads(json.dumps(result, default=asdict)))
    print(f"written: {file}", file=sys.stderr)
    if arguments.answers:
        lines = "".join(json.dumps(answer) + "\n" for answer in answers)
        arguments.answers.write_text(lines, encoding="utf-8")


def ask(
    model: str,
    arguments: argparse.Namespace,
    texts: Sequence[Question],
    folders: Sequence[Question],
    outside: dict[str, list[Asking]],
) -> dict[str, list[Asked]]:
    """Everything that is asked of a model, by the way of asking: form, folder, set, pipeline."""
    reader = Reader(model, threads=arguments.threads)
    ways = {}
    # all forms of a question together: the reader remembers the tokens of the last few texts
    forms = [made(q.question, q.id) for q in texts]
    askings = [
        on_text(q, form[name]) for q, form in zip(texts, forms, strict=True) for name in FORMS
    ]
    _progress(model, "single texts", len(askings))
    every = ask_texts(reader, askings)
    for number, form in enumerate(FORMS):
        ways[form] = every[number :: len(FORMS)]
    _progress(model, "folders", len(folders))
    ways["folders"] = ask_folders(reader, folders)
    for name, sampled in outside.items():
        _progress(model, name, len(sampled))
        ways[name] = ask_texts(reader, sampled)
    if arguments.hf4_python:
        _progress(model, "transformers' pipeline", len(texts))
        ways["pipeline"] = ask_pipeline(model, arguments, [on_text(q) for q in texts])
    return ways


def ask_pipeline(
    model: str, arguments: argparse.Namespace, askings: Sequence[Asking]
) -> list[Asked]:
    """The same questions, asked of transformers' pipeline with the same weights."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "questions.json")
        items = [
            {"id": e.id, "question": e.question, "context": e.context}
            for e in (asking.example for asking in askings)
        ]
        file.write_text(json.dumps(items), encoding="utf-8")
        side = [arguments.hf4_python, HERE / "side_hf4.py", "--model", checkpoint(model, directory)]
        side += ["--questions", file, "--threads", str(arguments.threads)]
        said = subprocess.run(side, stdout=subprocess.PIPE, check=True).stdout
    return from_pipeline(askings, json.loads(said))


def checkpoint(model: str, directory: str) -> Path:
    """The safetensors of a model, unpacked from its ONNX file if need be."""
    try:
        return open_model(model, onnx=False).path
    except ModelError:
        from pullquote.publishing.unpack import unpack

        return unpack(model, Path(directory, "checkpoint"))


def figures_of(asked: dict[str, list[Asked]]) -> dict[str, Any]:
    """All figures of a model."""
    plain, folders = asked["plain"], asked["folders"]
    return {
        "single texts": quality(plain),
        "pipeline": quality(asked["pipeline"]) if "pipeline" in asked else None,
        "groups": {name: grouped(plain, key) for name, key in KINDS_OF_GROUPS.items()},
        "forms": {
            form: {
                "group": grouped(asked[form], lambda _: "all")["all"],
                "change": change(plain, asked[form]) if form != "plain" else None,
            }
            for form in FORMS
        },
        # five folders are too few to resample
        "folders": quality(folders, [a.id for a in folders]),
        "outside": {
            public.name: quality(asked[public.name]) for public in SETS if public.name in asked
        },
    }


def markdown(figures: dict[str, Any]) -> str:
    """The tables of a model."""
    columns = {"pullquote": column(figures["single texts"])}
    if figures["pipeline"]:
        columns["transformers 4.57.6"] = column(figures["pipeline"])
    parts = [table("single texts, plain questions", columns)]
    for corner, groups in figures["groups"].items():
        parts.append(table(f"single texts by {corner}", by_group(groups, FIRST)))
    forms = figures["forms"]
    by_form = by_group({form: of["group"] for form, of in forms.items()}, FIRST)
    by_form["change of answered, right, %"] = {
        form: percent(of["change"]) for form, of in forms.items()
    }
    parts.append(table("single texts by form", by_form))
    parts.append(table("folders", {"pullquote": column(figures["folders"])}))
    if figures["outside"]:
        outside = {name: column(found) for name, found in figures["outside"].items()}
        parts.append(table("public sets", outside))
    return "\n\n".join(parts)


def decision(model: str) -> str:
    """How the model decides between an answer and none, and on what that was chosen."""
    config = open_model(model).config
    stored = config.decision()
    if stored.threshold is None:
        return f"Decides at answerable {stored.answerable:g} ({config.answerable_chosen_on})."
    return f"Decides at threshold {stored.threshold:.3f} ({config.threshold_fitted_on})."


def _head(result: dict[str, Any], texts: Sequence[Question], folders: Sequence[Question]) -> str:
    box = result["machine"]
    names = len({q.text for q in texts}), len({q.text for q in folders})
    lines = [
        f"Split {result['split']}: {len(texts)} questions on {names[0]} texts, {len(folders)} on "
        f"{names[1]} folders; {result['date'][:10]}, commit {result['commit'] or 'unknown'}, "
        f"{box['cpu']}, Python {box['python']}. `{result['command']}`",
        *result["left out"],
    ]
    return "\n\n".join(lines)


def _some(questions: list[Question], texts: int | None) -> list[Question]:
    chosen = list(dict.fromkeys(q.text for q in questions))[:texts]
    return [q for q in questions if q.text in chosen]


def _outside(directory: Path | None) -> tuple[dict[str, list[Asking]], list[str]]:
    """The samples of the public sets, and which are left out, with the reason."""
    if directory is None:
        return {}, ["The public sets were left out: no --outside."]
    samples, left_out = {}, []
    for public in SETS:
        try:
            samples[public.name] = sample(public, fetch(public, directory))
        except DownloadError as error:
            left_out.append(f"{public.name} was left out: {error}")
    return samples, left_out


def _progress(model: str, what: str, count: int) -> None:
    print(f"{model}: {what}, {count:,} questions", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
