"""pullquote models: what is bundled."""

from __future__ import annotations

import click

from pullquote.cli.console import printable
from pullquote.errors import ModelError
from pullquote.reading.directory import bundled_models, open_model


@click.command(
    "models",
    epilog="""Examples:

\b
  pullquote models
  pullquote models small
""",
)
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the bundled models, or print the model card of NAME."""
    if name is None:
        click.echo(f"{'name':12}{'MiB':>8}{'window':>8}{'threshold':>11}  directory")
        for model in map(open_model, bundled_models()):
            size = sum(file.stat().st_size for file in model.path.iterdir() if file.is_file())
            config = model.config
            click.echo(
                f"{model.name:12}{size / 2**20:8.2f}{config.max_length:8}"
                f"{config.no_answer_threshold:11.3f}  {model.path}"
            )
        return
    card = open_model(name).path / "README.md"
    if not card.is_file():
        raise ModelError(f"{name}: has no model card (README.md)")
    click.echo(printable(card.read_text(encoding="utf-8", errors="replace")).rstrip())
