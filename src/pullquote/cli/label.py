"""pullquote label: a teacher's logits in a file."""

from __future__ import annotations

from typing import Any

import click

from pullquote.cli.console import count, ensure_writable, printable, progress_bar
from pullquote.cli.train import recipe_options, resolve


@click.command(
    "label",
    epilog="""Examples:

\b
  pullquote label --teacher ./large --train train.json -o labels.npz
  pullquote label recipes/tiny-1.toml --teacher ./large --teacher small -o labels.npz
""",
)
@click.argument("recipe", required=False, metavar="[RECIPE.toml]")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write.")
@recipe_options
def command(recipe: str | None, output: str, **flags: Any) -> None:
    """Write the logits of teachers for training windows to a file.

    `train --labels FILE` then distills without the teacher, for instance on another machine. Data,
    augmentation and the lengths of windows must be those of the training to come. Needs the extra:
    pip install "pullquote[train]".
    """
    from pullquote.training.label import label

    resolved = resolve(recipe, flags)
    if not resolved.teacher:
        raise click.UsageError("label needs a teacher; give --teacher, or a recipe with one.")
    ensure_writable(output)
    with progress_bar() as progress:
        report = label(resolved, output, progress=progress)
    name = printable(str(report.path))
    click.echo(f"{name}: {count(report.windows, 'window')}, {report.bytes:,} bytes")
    click.echo(f"train on them: pullquote train ... --labels {name}")
