"""pullquote quantize: the best quantised model of a given size."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pullquote.checkpoints.directory import open_model
from pullquote.cli.console import echo_fitted, ensure_folder, load_data, printable, progress_bar

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def _bytes(_context: click.Context, _option: click.Parameter, value: str) -> int:
    """Parse a size such as 17553162, 16.74MiB or 4.6 MB."""
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
    help="Compare the forms on so many questions of --data, chosen at random; 0: all.",
)
def command(
    model_dir: str, output: str, max_bytes: int, data: str, max_loss: float, questions: int
) -> None:
    """Write the quantised model with the best F1 that fits in --max-bytes.

    A BERT-like model gets packed weights: words in 8 or 4 bits, layers in 7. Any other model, and
    one for which that is too large, gets an ONNX file with words and layers in 3 to 8 bits; that
    needs the extra: pip install "pullquote[export]". Shows the size and scores of each form. The
    best that fits is measured on all of --data, beside fp32; its threshold and the calibration of
    its scores are fitted there and stored. Layers are rounded by what goes into them when some
    texts of --data are read.
    """
    # imported here, so that --help loads no numpy
    from pullquote.publishing.bit_search import FP32, Candidate, quantize_to_fit

    examples = load_data(data).examples
    ensure_folder(Path(output).resolve().parent)
    compared = min(questions or len(examples), len(examples))

    def show(candidate: Candidate) -> None:
        if candidate.name == FP32:  # the first
            click.echo(
                f"{compared:,} questions of {printable(data)}, each form at its best threshold"
            )
            click.echo(f"{'':26}{'bytes':>12}{'MiB':>8}{'EM':>8}{'F1':>8}{'questions/s':>13}")
        scores, speed = candidate.evaluation.scores, candidate.evaluation.questions_per_second
        fits = "" if candidate.bytes <= max_bytes else "  too large"
        click.echo(
            f"{candidate.name:26}{candidate.bytes:12,}{candidate.bytes / 2**20:8.2f}"
            f"{scores.exact:8.2f}{candidate.f1:8.2f}{speed:13,.0f}{fits}"
        )

    with progress_bar() as progress:
        fit = quantize_to_fit(
            model_dir,
            output,
            examples,
            max_bytes=max_bytes,
            max_loss=max_loss,
            questions=questions,
            source=data,
            on_candidate=show,
            progress=progress,
        )
    click.echo(
        f"{printable(str(fit.path))}: {fit.name}, {fit.bytes / 2**20:.2f} MiB; F1 on all "
        f"{len(examples):,} questions {fit.f1_before:.2f} in fp32, {fit.f1:.2f} now"
    )
    echo_fitted(open_model(fit.path).config)
