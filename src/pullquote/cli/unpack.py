"""pullquote unpack: a checkpoint out of a quantised model."""

from __future__ import annotations

import click

from pullquote.cli.console import printable


@click.command(
    "unpack",
    epilog="""Example:

\b
  pullquote unpack small -o ./small-checkpoint
  pullquote train --model ./small-checkpoint --train mine.json -o ./run
""",
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="OUT", help="The directory to write.")
def command(model: str, output: str) -> None:
    """Write the checkpoint of a model that has only an ONNX file, to train it further.

    Weights are fp32 with the rounding of the ONNX file, which training corrects. The threshold is
    that of the ONNX file: calibrate the new model. Needs the extra: pip install
    "pullquote[export]".
    """
    from pullquote.publishing.unpack import unpack

    out = unpack(model, output)
    click.echo(f"{printable(str(out))}: the checkpoint of {printable(model)}")
