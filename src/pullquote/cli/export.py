"""pullquote export: a checkpoint as an ONNX model directory."""

from __future__ import annotations

from pathlib import Path

import click

from pullquote.cli.console import load_data, printable, progress, progress_bar


@click.command(
    "export",
    epilog="""Examples:

\b
  pullquote export ./checkpoint -o ./reader
  pullquote export ./checkpoint -o ./reader --int8 --data tune.json --fit-threshold
""",
)
@click.argument("model_dir")
@click.option("-o", "--output", required=True, metavar="OUT", help="The directory to write.")
@click.option("--int8", is_flag=True, help="Quantise to int8: a quarter of the bytes.")
@click.option(
    "--weights",
    is_flag=True,
    help="Copy the fp32 weights, too, for transformers and to train on.",
)
@click.option("--data", metavar="FILE", help="Measure on this data what int8 changes in EM and F1.")
@click.option(
    "--fit-threshold",
    is_flag=True,
    help="Fit the no-answer threshold on --data, both classes weighted equally, and store it.",
)
def command(
    model_dir: str,
    output: str,
    int8: bool,
    weights: bool,
    data: str | None,
    fit_threshold: bool,
) -> None:
    """Turn a question-answering checkpoint (safetensors) into ONNX, which answers without torch.

    Runs both and refuses to write what differs by more than 1e-4 in a logit. Needs the extra:
    pip install "pullquote[export]".
    """
    if fit_threshold and not data:
        raise click.UsageError("--fit-threshold needs --data to fit it on.")
    if data and not (int8 or fit_threshold):
        raise click.UsageError("--data is for --int8 or --fit-threshold; give one of them, too.")
    # here, so that --help needs neither torch nor its two seconds
    from pullquote.reading.evaluate import evaluate
    from pullquote.reading.reader import Reader
    from pullquote.training.export import export
    from pullquote.training.quantize import INT8
    from pullquote.training.release import evaluate_checkpoint, store_threshold

    dataset = load_data(data) if data else None
    with progress_bar("exporting", 1) as update:
        report = export(model_dir, output, scheme=INT8 if int8 else None, weights=weights)
        update(1)
    click.echo(f"{printable(str(report.path))}: {report.bytes / 2**20:.2f} MiB")
    click.echo(f"largest difference of a logit, torch to fp32 ONNX: {report.fp32_difference:.1e}")
    if report.int8_difference is not None:
        click.echo(f"largest difference of a logit, torch to int8: {report.int8_difference:.2f}")
    if int8 and dataset is None:
        click.echo("pullquote: note: what int8 costs was not measured; give --data", err=True)
    if dataset is None or data is None:
        return

    examples = dataset.examples
    total = len(examples)
    exported = evaluate(
        Reader(Path(output)), examples, progress=lambda items: progress(items, total, "export")
    )
    if fit_threshold:
        threshold = store_threshold(output, exported, examples, data)
        click.echo(f"no-answer threshold {threshold:.4f}, fitted on {data} and stored")
    if int8:
        source = evaluate_checkpoint(
            model_dir, examples, progress=lambda items: progress(items, total, "checkpoint")
        )
        # Each at the threshold where it is best: quantisation may shift all null scores alike,
        # which a fitted threshold takes back.
        click.echo(f"{'best on ' + data:32}{'fp32':>8}{'int8':>8}{'change':>8}")
        for name, key in (("EM", "best_exact"), ("F1", "best_f1")):
            before, after = (getattr(e.scores, key).score for e in (source, exported))
            click.echo(f"{name:32}{before:8.2f}{after:8.2f}{after - before:+8.2f}")
