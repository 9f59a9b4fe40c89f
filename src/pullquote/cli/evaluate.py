"""pullquote evaluate: a model's scores on labelled data."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pullquote.cli.console import (
    answerable_option,
    check_one_decision,
    count,
    decision_words,
    echo_json,
    ensure_folder,
    ensure_writable,
    json_option,
    load_data,
    model_options,
    note_unlabelled,
    printable,
    progress_bar,
    spelling_option,
    threshold_option,
)
from pullquote.files import write_json
from pullquote.reading.evaluate import Evaluation, evaluate
from pullquote.reading.reader import Reader
from pullquote.scoring.figures import ensure_matplotlib
from pullquote.scoring.report import FILES, write_report
from pullquote.scoring.squad import MeanScores
from pullquote.settings import Decision


@click.command(
    "evaluate",
    epilog="""Examples:

\b
  pullquote evaluate small dev-v2.0.json.gz
  pullquote evaluate ./run tune.json --report report
  pullquote evaluate small questions.csv --answerable 90% --no-spelling
""",
)
@click.argument("model")
@click.argument("data")
@answerable_option
@threshold_option
@spelling_option
@click.option("-o", "--output", metavar="FILE", help="Write the scores to FILE as JSON, too.")
@click.option(
    "--report",
    metavar="DIR",
    help="Write DIR/index.html: intervals, curves, calibration, kinds of questions, mistakes.",
)
@model_options
@json_option
def command(
    model: str,
    data: str,
    answerable: float | None,
    threshold: float | None,
    spelling: bool | None,
    output: str | None,
    report: str | None,
    device: str,
    precision: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Answer every question of DATA with MODEL and score it with SQuAD 2.0's official arithmetic.

    Questions are answered as `pullquote ask` answers them, with the settings stored with the
    model. "Best" figures choose when to abstain on this same data: an upper bound, not a result.
    """
    check_one_decision(threshold, answerable)
    if output:
        ensure_writable(output)
    if report:
        ensure_matplotlib()
        ensure_folder(report, FILES)
    reader = Reader(model, device=device, precision=precision, threads=threads, spelling=spelling)
    dataset = load_data(data)
    with progress_bar("answering") as progress:
        evaluation = evaluate(
            reader,
            dataset.examples,
            threshold=threshold,
            answerable=answerable,
            top_k=reader.config.n_best_size if report else 1,
            progress=progress,
        )
    note_unlabelled(dataset, data)
    result = _as_dict(evaluation, model, data, reader.config.spelling, len(dataset.dropped))
    if as_json:
        echo_json(result)
    else:
        click.echo(_table(evaluation, printable(model), printable(data), reader.config.spelling))
    # written last, so that a full disk does not lose the printed scores
    if output:
        write_json(output, result)
    if report:
        analysis = evaluation.analyse(dataset.examples)
        page, *_ = write_report(report, analysis, model=model, data=Path(data).name)
        if not as_json:
            click.echo(f"report: {printable(str(page))}")


def _as_dict(
    evaluation: Evaluation, model: str, data: str, spelling: bool, dropped: int
) -> dict[str, Any]:
    return {
        "model": model,
        "data": data,
        **evaluation.scores.as_dict(),
        "avna": evaluation.scores.avna,
        **evaluation.average_precisions,
        "threshold": evaluation.decision.threshold,
        "answerable": evaluation.decision.answerable,
        "spelling": spelling,
        "fitted_threshold": evaluation.fitted.threshold if evaluation.fitted else None,
        "fitted_f1": evaluation.fitted.score if evaluation.fitted else None,  # classes weighted
        "trust": {kind: asdict(trust) for kind, trust in evaluation.calibration_metrics.items()},
        "dropped": dropped,
        "seconds": evaluation.seconds,
    }


def _table(evaluation: Evaluation, model: str, data: str, spelling: bool) -> str:
    scores = evaluation.scores
    rows: list[tuple[str, MeanScores | None]] = [
        ("all", MeanScores(scores.exact, scores.f1, scores.total)),
        ("answerable", scores.has_answer),
        ("unanswerable", scores.no_answer),
    ]
    lines = [f"{model} on {data}", f"{'':14}{'EM':>8}{'F1':>8}{'questions':>12}"]
    lines += [
        f"{name:14}{marks.exact:8.2f}{marks.f1:8.2f}{marks.total:12,}"
        for name, marks in rows
        if marks
    ]
    lines.append(f"decision: {_decision(evaluation)}")
    respelt = sum(bool(prediction.corrections) for prediction in evaluation.predictions)
    corrected = f"corrected (in {count(respelt, 'question')})"
    lines.append(f"spelling: {corrected if spelling else 'as written'}")
    lines.append(f"answer or not, decided rightly: {scores.avna:.2f} %")
    best, share = scores.best_f1, evaluation.decision.answerable
    if best and scores.has_answer and scores.no_answer and share < 1:
        lines.append(
            f"best for this data itself (an oracle): F1 {best.score:.2f} at "
            f"{_limit(evaluation.decision, best.threshold)}"
        )
    metrics = evaluation.calibration_metrics["decisions"]
    lines.append(f"scores as probabilities of being right: off by {100 * metrics.ece:.1f} % (ECE)")
    reach = [f"{100 * a:.0f} % right on {100 * c:.1f} %" for a, c in metrics.coverage.items()]
    lines.append(f"of the questions, the most confident first: {', '.join(reach)}")
    lines.append(
        f"{evaluation.seconds:.1f} s, {evaluation.questions_per_second:,.1f} questions a second"
    )
    return "\n".join(lines)


def _decision(evaluation: Evaluation) -> str:
    decision = evaluation.decision
    words = decision_words(decision)
    if decision.threshold is not None:
        return f"{words} (null logit - best span logit)"
    found = evaluation.scores.has_answer
    share = found.total / evaluation.scores.total if found else 0.0
    return f"{words} (of these questions, {100 * share:.0f} % are)"


def _limit(decision: Decision, limit: float) -> str:
    """A limit of `Prediction.decision_value` in the words of the decision."""
    if decision.threshold is not None:
        return f"threshold {limit:.4g}"
    # where a share a is expected, the log odds of no answer are lower by log(a / (1 - a))
    odds = math.exp(limit) * decision.answerable / (1 - decision.answerable)
    return f"answerable {100 * odds / (1 + odds):.4g} %"
