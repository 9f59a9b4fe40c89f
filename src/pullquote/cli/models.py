"""pullquote models: the bundled models, their cards, and the shapes that train takes."""

from __future__ import annotations

import click

from pullquote.checkpoints import layout
from pullquote.checkpoints.bundled import bundled_models
from pullquote.checkpoints.directory import open_model
from pullquote.cli.console import decision_words, printable, say
from pullquote.training.family import FAMILY


@click.command(
    "models",
    epilog="""Examples:

\b
  pullquote models
  pullquote models small
  pullquote models --family
""",
)
@click.argument("name", required=False)
@click.option("--family", is_flag=True, help="List the shapes that train --model takes.")
def command(name: str | None, family: bool) -> None:
    """List the bundled models, or print the model card of NAME and which weights are read."""
    from pullquote.reading.backends.choose import choose

    if family:
        if name:
            raise click.UsageError("--family lists all shapes; leave NAME out.")
        _list_family()
        return
    if name is None:
        from pullquote.reading.backends import native_library

        click.echo(
            f"{'name':12}{'window':>8}  {'decision':18}  "
            f"{'weights':20}{'MiB':>6}  {'read by':13}{'in':6}directory"
        )
        for model in map(open_model, bundled_models()):
            config, choice = model.config, choose(model)
            size = choice.file.stat().st_size
            click.echo(
                f"{model.name:12}{config.max_length:8}  {decision_words(config.decision()):18}  "
                f"{choice.file.name:20}{size / 2**20:6.2f}  {choice.package:13}"
                f"{choice.precision:6}{model.path}"
            )
        if native_library.missing():
            say("note", native_library.MISSING)
        return
    model = open_model(name)
    card = model.path / layout.CARD
    if card.is_file():
        click.echo(printable(card.read_text(encoding="utf-8", errors="replace")).rstrip() + "\n")
    click.echo(f"weights: {choose(model)}")


def _list_family() -> None:
    click.echo("BERT miniatures as readers; bytes of fp32 weights, operations for 384 tokens\n")
    click.echo(f"{'shape':10}{'parameters':>12}{'MiB':>9}{'MFLOP':>9}  hub id")
    for shape in FAMILY:
        known_as = f"  ({shape.known_as})" if shape.known_as else ""
        click.echo(
            f"{shape.name:10}{shape.parameters / 1e6:10.2f} M{shape.bytes / 2**20:9.2f}"
            f"{shape.flops(384) / 1e6:9,.0f}  {shape.hub_id}{known_as}"
        )
