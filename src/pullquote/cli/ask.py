"""pullquote ask: one question, one text."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pullquote.cli.console import (
    echo_json,
    json_option,
    model_options,
    printable,
    progress_bar,
    read_text,
    threshold_option,
)
from pullquote.errors import InputError
from pullquote.reading.directory import DEFAULT_MODEL
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
@click.option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="MODEL",
    help="A bundled name, a directory or a hub id.",
)
@click.option(
    "--top-k",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="K",
    help="Print the K best quotes.",
)
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

    The text is FILE, standard input ("-", or a pipe), or --context. Scores are in [0, 1]. A model
    abstains where its threshold says so; --threshold 0 is less careful, 9999 always answers.
    """
    if context is not None and file is not None:
        raise click.UsageError("a FILE and --context are two texts; give one of them.")
    if context is None:
        if file is None and (sys.stdin is None or sys.stdin.isatty()):
            raise click.UsageError("no text: give a FILE, --context TEXT, or pipe one in.")
        context = read_text(file or "-")
    elif not context.strip():
        raise InputError("--context is blank; expected a text to look for the answer in")

    reader = Reader(model, device=device, threads=threads)
    with progress_bar("reading", 1000) as update:
        prediction = reader.answer(
            question,
            context,
            top_k=top_k,
            threshold=threshold,
            progress=lambda part: update(int(1000 * part)),
        )
    limit = reader.config.no_answer_threshold if threshold is None else threshold
    if as_json:
        echo_json(_as_json(question, prediction, model, limit))
    else:
        _print(prediction, context, top_k)


def _as_json(question: str, prediction: Prediction, model: str, threshold: float) -> dict[str, Any]:
    return {
        "question": question,
        "model": model,
        "threshold": threshold,
        "answer": asdict(prediction.answer) if prediction.answer else None,
        "no_answer_score": prediction.no_answer_score,
        "null_score_diff": prediction.null_score_diff,
        "answers": [asdict(answer) for answer in prediction.answers],
    }


def _print(prediction: Prediction, context: str, top_k: int) -> None:
    answers = prediction.answers
    if prediction.answer is None:
        likely = prediction.no_answer_score >= 0.5
        click.secho("No answer in this text." if likely else "No sure answer.", bold=True)
        line = f"  no-answer score {prediction.no_answer_score:.2f}"
        if not likely:
            line += ", but the threshold asks for a surer answer"
        if top_k == 1 and answers:
            line += f'; the nearest quote is "{_one_line(answers[0].text)}"'
        elif answers:
            line += "; the nearest quotes:\n"
        click.echo(line)
        if top_k == 1:
            return
    for number, answer in enumerate(answers):
        if number:
            click.echo()
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
    return printable(" ".join(text.split()))


def _blanks(text: str) -> str:
    """Line breaks and runs of blanks as one blank each, those at the ends kept."""
    return _one_line(f"|{text}|")[1:-1]
