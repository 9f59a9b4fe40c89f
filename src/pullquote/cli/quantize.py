"""pullquote quantize: a model that fits into so many bytes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

from pullquote.cli.console import ensure_folder, load_data, printable, progress

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def _bytes(_context: click.Context, _option: click.Parameter, value: str) -> int:
    """A size such as 17553162, 16.74MiB or 4.6 MB."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*((?:[kmg]i?)?)b?\s*", value.lower())
    if not match:
        raise click.BadParameter(
            f"{value!r} is no size; expected one such as 16.74MiB, 17.5MB or 17553162."
        )
    return int(float(match[1]) * _UNITS[match[2]])


@click.command(
    "quantize",
    epilog="""Example:

\b
  pullquote quantize ./run -o ./small --max-bytes 16.74MiB --data tune.json
""",
)
@click.argument("model_dir")
@click.option("-o", "--output", required=True, metavar="OUT", help="The directory to write.")
@click.option(
    "--max-bytes",
    callback=_bytes,
    required=True,
    metavar="SIZE",
    help="What the directory may take, such as 16.74MiB.",
)
@click.option("--data", required=True, metavar="FILE", help="Held-out data to measure on.")
@click.option(
    "--max-loss",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    metavar="POINTS",
    help="Refuse what loses more F1.",
)
@click.option(
    "--questions",
    type=click.IntRange(min=0),
    default=2000,
    show_default=True,
    metavar="N",
    help="Compare the forms on so many questions of --data, chosen by chance; 0: all.",
)
def command(
    model_dir: str, output: str, max_bytes: int, data: str, max_loss: float, questions: int
) -> None:
    """Write the form of a checkpoint that answers best in so many bytes.

    Tries words and layers in 3 to 8 bits and shows what each takes and scores. The best that fits
    is measured on all of --data, beside fp32; its threshold is fitted there and stored. Answering
    is as fast as with --int8 of pullquote export, whatever the bits. Needs the extra:
    pip install "pullquote[export]".
    """
    # here, so that --help needs neither torch nor its two seconds
    from pullquote.training.export import check_out, export
    from pullquote.training.release import store_threshold
    from pullquote.training.shrink import best_fit, check_loss, directory_bytes, measure, tries

    examples = load_data(data).examples
    sample = examples
    if 0 < questions < len(examples):
        chosen = np.random.default_rng(0).choice(len(examples), questions, replace=False)
        sample = tuple(examples[index] for index in np.sort(chosen))
    ensure_folder(Path(output).resolve().parent)
    check_out(Path(output))  # before an hour's work

    click.echo(f"{len(sample):,} questions of {printable(data)}, each form at its best threshold")
    click.echo(f"{'':26}{'bytes':>12}{'MiB':>8}{'EM':>8}{'F1':>8}{'questions/s':>13}")
    with tempfile.TemporaryDirectory() as work:
        tried = []
        for form in tries(
            model_dir,
            sample,
            Path(work),
            watch=lambda name, items: progress(items, len(sample), name),
        ):
            tried.append(form)
            scores, speed = form.evaluation.scores, form.evaluation.questions_per_second
            fits = "" if form.bytes <= max_bytes else "  too large"
            click.echo(
                f"{form.name:26}{form.bytes:12,}{form.bytes / 2**20:8.2f}"
                f"{scores.exact:8.2f}{form.f1:8.2f}{speed:13,.0f}{fits}"
            )
        best = best_fit(tried, max_bytes=max_bytes, max_loss=max_loss)

        def watch(name: str, items: Iterable[Any]) -> Iterable[Any]:
            return progress(items, len(examples), f"{name}, all")

        before, after = (measure(form.path, examples, watch) for form in (tried[0], best))
        assert before.fitted is not None
        assert after.fitted is not None
        check_loss(before.fitted.score, after.fitted.score, best.name, max_loss)
    report = export(model_dir, output, scheme=best.scheme)
    threshold = store_threshold(output, after, examples, data)
    size = directory_bytes(report.path) / 2**20
    click.echo(
        f"{printable(str(report.path))}: {best.name}, {size:.2f} MiB; F1 on all "
        f"{len(examples):,} questions {before.fitted.score:.2f} in fp32, "
        f"{after.fitted.score:.2f} now"
    )
    click.echo(f"no-answer threshold {threshold:.4f}, fitted on {printable(data)} and stored")
