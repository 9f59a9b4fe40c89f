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
    """Give a model that has an ONNX file alone its checkpoint back, so that it can be trained on.

    Weights are fp32 and rounded as the ONNX file has them; training heals that. The threshold is
    the ONNX form's: fit it again with pullquote calibrate. Needs the extra: pip install
    "pullquote[export]".
    """
    from pullquote.publishing.unpack import unpack

    out = unpack(model, output)
    click.echo(f"{printable(str(out))}: the checkpoint of {printable(model)}")
