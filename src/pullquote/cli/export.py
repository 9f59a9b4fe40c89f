"""pullquote export: a checkpoint as an ONNX model directory."""

from __future__ import annotations

import click

from pullquote.cli.console import echo_fitted, load_data, printable, progress_bar


@click.command(
    "export",
    epilog="""Examples:

\b
  pullquote export ./checkpoint -o ./reader
  pullquote export ./checkpoint -o ./reader --int8 --data tune.json --fit-threshold
  pullquote export small --onnx -o ./small-onnx
""",
)
@click.argument("model_dir")
@click.option("-o", "--output", required=True, metavar="OUT", help="The directory to write.")
@click.option("--int8", is_flag=True, help="Quantise to int8: a quarter of the bytes.")
@click.option(
    "--onnx",
    is_flag=True,
    help="Write a BERT-like model, packed or a checkpoint, in int8 with standard ONNX operators "
    "only, which OpenVINO and onnxruntime-web read, too; without torch.",
)
@click.option("--fp32", is_flag=True, help="With --onnx: weights in fp32.")
@click.option(
    "--weights",
    is_flag=True,
    help="Copy the fp32 weights, too, for transformers and to train on.",
)
@click.option("--data", metavar="FILE", help="Measure on this data what int8 changes in EM and F1.")
@click.option(
    "--fit-threshold",
    is_flag=True,
    help="Fit the no-answer threshold and the calibration of scores on --data, both kinds of "
    "questions weighted equally, and store them.",
)
@click.option(
    "--answerable-from",
    metavar="FILE",
    help="With --fit-threshold: abstain by the probabilities instead; the expected share of "
    "answerable questions is chosen on FILE, as pullquote calibrate does.",
)
def command(
    model_dir: str,
    output: str,
    int8: bool,
    onnx: bool,
    fp32: bool,
    weights: bool,
    data: str | None,
    fit_threshold: bool,
    answerable_from: str | None,
) -> None:
    """Turn a question-answering model into ONNX, which answers without torch.

    Takes a checkpoint (safetensors); with --onnx, packed weights such as the bundled models', too.
    Runs both forms and refuses to write what differs by more than 1e-4 in a logit (with --onnx
    1e-3, in int8 1). Needs the extra: pip install "pullquote[export]".
    """
    if fp32 and not onnx:
        raise click.UsageError("--fp32 is for --onnx; without it, fp32 is what export writes.")
    if onnx:
        if int8 or weights or data or fit_threshold:
            raise click.UsageError("--onnx takes --fp32 and -o only.")
        from pullquote.publishing.plain_onnx import plain_onnx

        plain = plain_onnx(model_dir, output, precision="fp32" if fp32 else "int8")
        click.echo(f"{printable(str(plain.path))}: {plain.bytes / 2**20:.2f} MiB")
        click.echo(f"largest difference of a logit, engine to ONNX: {plain.difference:.1e}")
        return
    if fit_threshold and not data:
        raise click.UsageError("--fit-threshold needs --data to fit it on.")
    if answerable_from and not fit_threshold:
        raise click.UsageError(
            "--answerable-from needs --fit-threshold, which calibrates the scores first."
        )
    if data and not (int8 or fit_threshold):
        raise click.UsageError("--data is for --int8 or --fit-threshold; give one of them, too.")
    # imported here, so that --help does not load torch (two seconds)
    from pullquote.publishing.quantize import INT8
    from pullquote.publishing.release import release

    examples = load_data(data).examples if data else ()
    use = load_data(answerable_from).examples if answerable_from else ()
    with progress_bar() as progress:
        result = release(
            model_dir,
            output,
            scheme=INT8 if int8 else None,
            weights=weights,
            examples=examples,
            source=data or "",
            fit_threshold=fit_threshold,
            use=use,
            use_source=answerable_from or "",
            progress=progress,
        )
    report = result.report
    click.echo(f"{printable(str(report.path))}: {report.bytes / 2**20:.2f} MiB")
    click.echo(f"largest difference of a logit, torch to fp32 ONNX: {report.fp32_difference:.1e}")
    if report.int8_difference is not None:
        click.echo(f"largest difference of a logit, torch to int8: {report.int8_difference:.2f}")
    if int8 and not data:
        click.echo("pullquote: note: what int8 costs was not measured; give --data", err=True)
    if result.fitted:
        echo_fitted(result.fitted)
    if result.checkpoint and result.exported:
        # Each at its own best threshold: quantisation may shift all null scores alike, which a
        # fitted threshold corrects.
        click.echo(f"{f'best on {data}':32}{'fp32':>8}{'int8':>8}{'change':>8}")
        for name, key in (("EM", "best_exact"), ("F1", "best_f1")):
            before, after = (
                getattr(e.scores, key).score for e in (result.checkpoint, result.exported)
            )
            click.echo(f"{name:32}{before:8.2f}{after:8.2f}{after - before:+8.2f}")
