"""pullquote average: one model out of several runs."""

from __future__ import annotations

import click

from pullquote.cli.console import printable


@click.command(
    "average",
    epilog="""Example:

\b
  pullquote average ./run1 ./run2 -o ./both
""",
)
@click.argument("model_dirs", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="OUT", help="The directory to write.")
def command(model_dirs: tuple[str, ...], output: str) -> None:
    """Average the weights of checkpoints that were fine-tuned from the same one.

    Their mean often answers better than each of them ("model soups"). Fit its threshold afterwards:
    pullquote calibrate OUT DATA --threshold-for f1. Needs the extra: pip install
    "pullquote[train]".
    """
    from pullquote.publishing.average import average

    out = average(model_dirs, output)
    click.echo(f"{printable(str(out))}: the mean of {len(model_dirs)} checkpoints")
