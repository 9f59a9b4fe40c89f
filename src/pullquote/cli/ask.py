"""pullquote ask: one question, one text."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pullquote.cli.console import (
    json_option,
    model_options,
    progress_bar,
    read_text,
    threshold_option,
)
from pullquote.errors import InputError
from pullquote.reading.reader import Reader
from pullquote.reading.sentences import sentence_around

if TYPE_CHECKING:
    from pullquote.types import Answer, Prediction


@click.command(
    "ask",
    epilog="""Examples:

\b
  pullquote ask "How long is the notice period?" contract.txt
  cat contract.txt | pullquote ask "Who signs?" --json
  pullquote ask "Who led the Norse?" --context "The Norse, led by Rollo, came by sea."
""",
)
@click.argument("question")
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option("--context", metavar="TEXT", help="The text itself, in place of a file.")
@click.option("--model", default="small", show_default=True, help="Name, directory or hub id.")
@click.option("--top-k", type=click.IntRange(min=1), default=1, show_default=True, metavar="K")
@threshold_option
@model_options
@json_option
def command(
    question: str,
    file: str | None,
    context: str | None,
    model: str,
    top_k: int,
    threshold: float | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Answer QUESTION from a text with an exact quote, or say that it has no answer.

    The text is FILE, standard input ("-", or a pipe), or --context. With --top-k, the next best
    quotes follow. A score is in [0, 1].
    """
    if context is not None and file is not None:
        raise click.UsageError("a FILE and --context are two texts; give one of them.")
    if context is None:
        if file is None and sys.stdin.isatty():
            raise click.UsageError("no text: give a FILE, --context TEXT, or pipe one in.")
        context = read_text(file or "-")
    elif not context.strip():
        raise InputError("--context is blank; expected a text")

    reader = Reader(model, device=device, threads=threads)
    with progress_bar("reading", 1000) as update:
        prediction = reader.answer(
            question,
            context,
            top_k=top_k,
            threshold=threshold,
            progress=lambda part: update(int(1000 * part)),
        )
    if as_json:
        click.echo(json.dumps(_as_json(question, prediction), ensure_ascii=False, indent=2))
    else:
        _print(prediction, context, top_k)


def _as_json(question: str, prediction: Prediction) -> dict[str, Any]:
    return {
        "question": question,
        "answer": asdict(prediction.answer) if prediction.answer else None,
        "no_answer_score": prediction.no_answer_score,
        "null_score_diff": prediction.null_score_diff,
        "answers": [asdict(answer) for answer in prediction.answers],
    }


def _print(prediction: Prediction, context: str, top_k: int) -> None:
    if prediction.answer is None:
        click.secho("No answer in this text.", bold=True)
        best = prediction.answers[0] if prediction.answers else None
        nearest = f'; the nearest quote is "{_one_line(best.text)}"' if best else ""
        click.echo(f"  no-answer score {prediction.no_answer_score:.2f}{nearest}")
        if top_k == 1:
            return
    for answer in prediction.answers:
        click.secho(_one_line(answer.text), bold=True)
        click.echo(f"  {_sentence(context, answer)}")
        click.echo(f"  score {answer.score:.2f}, characters {answer.start}-{answer.end}")


def _sentence(context: str, answer: Answer) -> str:
    around = sentence_around(context, answer.start, answer.end)
    before, quote, after = (
        context[around.start : answer.start],
        click.style(_one_line(answer.text), fg="black", bg="yellow"),
        context[answer.end : around.end],
    )
    return _blanks(before) + quote + _blanks(after)


def _one_line(text: str) -> str:
    return " ".join(_printable(text).split())


def _blanks(text: str) -> str:
    """Line breaks and runs of blanks as one blank each, those at the ends kept."""
    return " ".join(_printable(f"|{text}|").split())[1:-1]


def _printable(text: str) -> str:
    """Without control characters: a text must not steer the terminal that shows it."""
    return "".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text)
