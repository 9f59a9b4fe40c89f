"""pullquote train: trains a model by a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from pullquote.checkpoints.directory import open_model
from pullquote.cli.console import count, echo_fitted, ensure_folder, printable, progress_bar, say
from pullquote.data.toml import read_toml
from pullquote.training.recipe import Recipe

if TYPE_CHECKING:
    from pullquote.training.train import TrainingReport

_KINDS = {str: str, int: int, float: float, tuple: str}


def recipe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add a flag for each key of a recipe; a flag that is not given leaves the recipe's value."""
    for spec in reversed(fields(Recipe)):
        several = isinstance(spec.default, tuple)
        words = spec.metadata["help"].removesuffix(".")
        shown = ", ".join(spec.default) if several else spec.default
        choices = spec.metadata["choices"]
        function = click.option(
            f"--{spec.name.replace('_', '-')}",
            multiple=several,
            type=click.Choice(choices) if choices else _KINDS[type(spec.default)],
            metavar=None if choices else _metavar(spec.default),
            help=f"{words} [default: {shown}]." if shown not in ("", ()) else f"{words}.",
        )(function)
    return function


def _metavar(default: Any) -> str:
    return {int: "N", float: "X"}.get(type(default), "NAME")


def run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """RECIPE, --output and --resume."""
    function = click.option(
        "--resume", is_flag=True, help="Go on with the run in OUT, to the same weights."
    )(function)
    function = click.option(
        "-o", "--output", required=True, metavar="OUT", help="The directory to write."
    )(function)
    return click.argument("recipe", required=False, metavar="[RECIPE.toml]")(function)


def resolve(recipe: str | None, flags: dict[str, Any]) -> Recipe:
    """The recipe of a file, with the given flags in place of its values."""
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in flags.items()
        if value is not None and value != ()
    }
    values = read_toml(recipe) if recipe else {}
    return Recipe.from_values({**values, **given}, recipe or "the options")


def run(
    recipe: Recipe,
    output: str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    cpu: bool = False,
) -> TrainingReport:
    """Train with a progress bar and print the result; the options are those of `train`."""
    from pullquote.training.train import train

    ensure_folder(output)
    with progress_bar("training", words=True) as progress:
        report = train(
            recipe, output, resume=resume, overwrite=overwrite, cpu=cpu, progress=progress
        )
    if not report.main:
        return report  # only the main process prints
    minutes = report.seconds / 60
    click.echo(
        f"{printable(str(report.path))}: {count(report.steps, 'step')} in {minutes:.1f} minutes"
    )
    if evaluation := report.evaluation:
        scores = evaluation.scores
        click.echo(
            f"tune: EM {scores.exact:.2f}, F1 {scores.f1:.2f} at threshold {evaluation.limit:.3f}"
        )
        if fitted := evaluation.fitted:
            click.echo(f"tune, both kinds weighted equally: F1 {fitted.score:.2f}")
            echo_fitted(open_model(report.path).config)
    else:
        say("note", "no tune data was given: the last checkpoint is kept, its threshold is 0")
    return report


@click.command(
    "train",
    epilog="""Examples:

\b
  pullquote train --model tiny --train train.json --tune tune.json -o run
  pullquote train recipes/tiny-1.toml -o run --learning-rate 3e-4
  pullquote train recipes/tiny-1.toml -o run --resume
  accelerate launch --num_processes 2 -m pullquote train recipes/tiny-1.toml -o run
""",
)
@run_options
@recipe_options
def command(recipe: str | None, output: str, resume: bool, **flags: Any) -> None:
    """Fine-tune a model on questions, by a recipe, by flags, or by both.

    OUT becomes a model directory with the best checkpoint; its recipe.toml, log.jsonl and
    curve.png tell how it was made, OUT/last holds what --resume needs. Lengths are tokens. Needs
    the extra: pip install "pullquote[train]".
    """
    run(resolve(recipe, flags), output, resume=resume)
