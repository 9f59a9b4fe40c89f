"""pullquote card: the model card of a model directory."""

from __future__ import annotations

from pathlib import Path

import click

from pullquote.checkpoints import layout
from pullquote.cli.console import ensure_writable, load_data, printable, progress_bar, read_text
from pullquote.errors import OutputError
from pullquote.files import atomic_write


@click.command(
    "card",
    epilog="""Example:

\b
  pullquote card ./run --data dev-v2.0.json --data tune.json --dataset rajpurkar/squad_v2
""",
)
@click.argument("model_dir")
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Labelled data to measure on; the first one's scores go into the metadata. Repeatable.",
)
@click.option("--licence", default="apache-2.0", show_default=True, help="Of the weights.")
@click.option("--language", default="en", show_default=True, help="Of the texts it reads.")
@click.option(
    "--dataset", default="", metavar="HUB_ID", help="The data set of training and --data."
)
@click.option("--base-model", default="", metavar="HUB_ID", help="What training started from.")
@click.option("--notes", metavar="FILE", help="Markdown of yours for the section Limits.")
@click.option("--force", is_flag=True, help="Replace a card that is there.")
def command(
    model_dir: str,
    data: tuple[str, ...],
    licence: str,
    language: str,
    dataset: str,
    base_model: str,
    notes: str | None,
    force: bool,
) -> None:
    """Write the model card of MODEL_DIR, its README.md: scores, size, speed, recipe, licence.

    Scores and speed are measured here, with the settings stored with the model.
    """
    from pullquote.publishing.card import Data, card

    file = Path(model_dir) / layout.CARD
    if file.exists() and not force:
        raise OutputError(f"{file}: there is a card; give --force to replace it")
    ensure_writable(file)
    parts = [Data(Path(path).name, load_data(path).examples) for path in data]
    with progress_bar() as progress:
        text = card(
            Path(model_dir),
            parts,
            licence=licence,
            language=language,
            dataset=dataset,
            base_model=base_model,
            notes=read_text(notes, "Markdown for the section Limits") if notes else "",
            progress=progress,
        )
    with atomic_write(file) as out:
        out.write(text)
    click.echo(printable(str(file)))
