"""pullquote compare: two models on the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from pullquote.cli.console import (
    check_one_decision,
    decision_words,
    echo_json,
    ensure_writable,
    finite,
    json_option,
    load_data,
    model_options,
    note_unlabelled,
    printable,
    progress_bar,
    share,
    spelling_option,
)
from pullquote.files import write_json
from pullquote.reading.evaluate import evaluate
from pullquote.reading.reader import Reader
from pullquote.scoring.compare import Answers, Comparison, Disagreement, compare
from pullquote.types import Example

_ROWS = {
    "exact match": "exact",
    "F1": "f1",
    "answerable: exact": "HasAns_exact",
    "answerable: F1": "HasAns_f1",
    "unanswerable": "NoAns_f1",
}


@dataclass(frozen=True, slots=True)
class _Side:
    """A model with the options for it, or (without a reader) a file of predictions."""

    name: str
    reader: Reader | None
    threshold: float | None
    answerable: float | None

    def answers(self, examples: Sequence[Example]) -> Answers:
        if self.reader is None:
            return Answers.of_file(examples, self.name)
        with progress_bar(f"answering by {printable(self.name)}") as progress:
            return evaluate(
                self.reader,
                examples,
                threshold=self.threshold,
                answerable=self.answerable,
                progress=progress,
            ).answers

    def settings(self) -> dict[str, Any] | None:
        """How the model answers; None for predictions."""
        if self.reader is None:
            return None
        config = self.reader.config
        decision = config.decision(self.threshold, self.answerable)
        return {**asdict(decision), "spelling": config.spelling}

    def __str__(self) -> str:
        if self.reader is None:
            return printable(self.name)
        config = self.reader.config
        decision = config.decision(self.threshold, self.answerable)
        return (
            f"{printable(self.name)} ({decision_words(decision)}, "
            f"spelling {'corrected' if config.spelling else 'as written'})"
        )


@click.command(
    "compare",
    epilog="""Examples:

\b
  pullquote compare small tiny tune.json
  pullquote compare ./run out/predictions.json tune.json --show 3
""",
)
@click.argument("a")
@click.argument("b")
@click.argument("data")
@click.option(
    "--answerable-a",
    callback=share,
    metavar="P",
    help="Share of the questions that A expects to have an answer, such as 80% [default: the "
    "model's own].",
)
@click.option("--answerable-b", callback=share, metavar="P", help="The same of B.")
@click.option(
    "--threshold-a",
    type=float,
    callback=finite,
    metavar="T",
    help="Let A abstain by the no-answer threshold T, whatever the probabilities.",
)
@click.option("--threshold-b", type=float, callback=finite, metavar="T", help="The same of B.")
@spelling_option
@click.option(
    "--show",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="Questions to print that only A has right, and that only B has.",
)
@click.option("-o", "--output", metavar="FILE", help="Write all of it to FILE as JSON, too.")
@model_options
@json_option
def command(
    a: str,
    b: str,
    data: str,
    answerable_a: float | None,
    answerable_b: float | None,
    threshold_a: float | None,
    threshold_b: float | None,
    spelling: bool | None,
    show: int,
    output: str | None,
    device: str,
    precision: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure A and B on DATA and say whether their difference is more than chance.

    A and B are models, each with the settings stored with it, or files of predictions (id to text).
    The 95 % intervals are of a paired bootstrap over paragraphs: both answer the same questions.
    """
    check_one_decision(threshold_a, answerable_a, "-a")
    check_one_decision(threshold_b, answerable_b, "-b")
    given = ((a, threshold_a, answerable_a), (b, threshold_b, answerable_b))
    for name, *options in given:
        if options != [None, None] and Path(name).is_file():
            raise click.UsageError(
                f"{name} holds predictions; --answerable and --threshold are for models."
            )
    if output:
        ensure_writable(output)
    readers = [
        None
        if Path(name).is_file()
        else Reader(name, device=device, precision=precision, threads=threads, spelling=spelling)
        for name in (a, b)
    ]
    sides = (
        _Side(a, readers[0], threshold_a, answerable_a),
        _Side(b, readers[1], threshold_b, answerable_b),
    )
    examples = (dataset := load_data(data)).examples
    comparison = compare(examples, *(side.answers(examples) for side in sides))
    note_unlabelled(dataset, data)
    result = _as_dict(comparison, sides, data)
    if as_json:
        echo_json(result)
    else:
        click.echo(_table(comparison, sides, printable(data)))
        for name, found in (("A", comparison.only_a), ("B", comparison.only_b)):
            if found and show:
                click.echo(_examples(name, found, show))
    # written last, so that a full disk does not lose the printed scores
    if output:
        write_json(output, result)


def _as_dict(comparison: Comparison, sides: Sequence[_Side], data: str) -> dict[str, Any]:
    a, b = sides

    def estimates(which: str) -> dict[str, Any]:
        return {name: asdict(found) for name, found in getattr(comparison, which).items()}

    def listed(found: Sequence[Disagreement]) -> list[dict[str, Any]]:
        return [
            {
                "id": one.example.id,
                "question": one.example.question,
                "gold": [answer.text for answer in one.example.answers],
                "a": one.a,
                "b": one.b,
            }
            for one in found
        ]

    return {
        "a": a.name,
        "b": b.name,
        "data": data,
        "settings_a": a.settings(),
        "settings_b": b.settings(),
        "scores_a": estimates("a"),
        "scores_b": estimates("b"),
        "difference": estimates("difference"),
        "verdict": comparison.sentence(a.name, b.name),
        "both_right": comparison.both_right,
        "both_wrong": comparison.both_wrong,
        "only_a_right": listed(comparison.only_a),
        "only_b_right": listed(comparison.only_b),
    }


def _table(comparison: Comparison, sides: Sequence[_Side], data: str) -> str:
    a, b = sides
    lines = [
        f"A: {a}",
        f"B: {b}",
        f"on {data}, {comparison.a['f1'].total:,} questions",
        f"{'':18}{'A':>8}{'B':>8}{'B - A':>9}   95 % interval",
    ]
    for name, key in _ROWS.items():
        if key not in comparison.a:
            continue
        difference = comparison.difference[key]
        interval = "-"
        if difference.low is not None:
            interval = f"{difference.low:+.2f} to {difference.high:+.2f}"
        values = f"{comparison.a[key].value:8.2f}{comparison.b[key].value:8.2f}"
        lines.append(f"{name:18}{values}{difference.value:+9.2f}   {interval}")
    lines.append(comparison.sentence(printable(a.name), printable(b.name)))
    lines.append(
        f"right: both {comparison.both_right:,}, only A {len(comparison.only_a):,}, "
        f"only B {len(comparison.only_b):,}, neither {comparison.both_wrong:,}"
    )
    return "\n".join(lines)


def _examples(name: str, found: Sequence[Disagreement], show: int) -> str:
    """A few of them, spread evenly over the data."""
    few = [found[i * len(found) // show] for i in range(show)] if show < len(found) else found
    lines = [f"\nonly {name} is right, {len(few):,} of {len(found):,}:"]
    for one in few:
        gold = " | ".join(dict.fromkeys(answer.text for answer in one.example.answers))
        lines.append(f"  {_line(one.example.question)}")
        lines.append(f"    gold: {_line(gold)}   A: {_line(one.a)}   B: {_line(one.b)}")
    return "\n".join(lines)


def _line(text: str) -> str:
    """On one line, and no answer as a dash."""
    return printable(" ".join(text.split())) or "-"
