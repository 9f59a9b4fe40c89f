"""pullquote distill: training with a teacher."""

from __future__ import annotations

from typing import Any

import click

from pullquote.cli.train import recipe_options, resolve, run, run_options


@click.command(
    "distill",
    epilog="""Examples:

\b
  pullquote distill --teacher small --model L2-H128 --embeddings tiny --train train.json -o run
  pullquote distill recipes/tiny-1.toml --teacher ./large --teacher small -o run
""",
)
@run_options
@recipe_options
def command(recipe: str | None, output: str, resume: bool, **flags: Any) -> None:
    """Train a small model to answer as a larger one does: `train`, with a teacher.

    Student and teacher must share a vocabulary. The teachers' logits are kept in a cache
    (PULLQUOTE_CACHE, or ~/.cache/pullquote), and made once for each data, windowing and teacher.
    Needs the extra: pip install "pullquote[train]".
    """
    resolved = resolve(recipe, flags)
    if not resolved.teacher:
        raise click.UsageError("distill needs a teacher; give --teacher, or a recipe with one.")
    run(resolved, output, resume=resume)
