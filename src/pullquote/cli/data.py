"""pullquote data: fetch, check and convert data files."""

from __future__ import annotations

from pathlib import Path

import click

from pullquote.cli.console import (
    count,
    load_data,
    note_unlabelled,
    printable,
    progress_bar,
    read_data,
)
from pullquote.errors import OutputError


@click.group("data", epilog="Example:  pullquote data check my-questions.csv")
def command() -> None:
    """Fetch, check and convert data: SQuAD JSON, JSON Lines, CSV, Parquet."""


@command.command(
    "squad2",
    short_help="Download SQuAD 2.0 (46 MB).",
    epilog="""Example:

\b
  pullquote data squad2 data/
""",
)
@click.argument("directory", default=".", metavar="[DIR]")
@click.option("--url", metavar="URL", help="A mirror that holds both files under their names.")
def squad2(directory: str, url: str | None) -> None:
    """Download SQuAD 2.0 (46 MB) to DIR, with sizes and checksums verified.

    A broken download is resumed when the command runs again; whole files are not fetched twice.
    """
    from pullquote.data.download import OFFICIAL, download_squad2

    with progress_bar() as progress:
        paths = download_squad2(directory, base_url=url or OFFICIAL, progress=progress)
    for path in paths:
        click.echo(path)


@command.command(
    "check",
    short_help="List what is wrong in a file.",
    epilog="""Example:

\b
  pullquote data check my-questions.csv
""",
)
@click.argument("file")
def check(file: str) -> None:
    """Read FILE as the other commands do, and list everything that would be dropped.

    The exit code is 1 when something would.
    """
    dataset = read_data(file)
    note_unlabelled(dataset, file)
    click.echo(f"{printable(file)}: {dataset.summary()}")
    for dropped in dataset.dropped:
        click.echo(f"  {printable(str(dropped))}")
    if dataset.dropped:
        click.get_current_context().exit(1)


@command.command(
    "convert",
    short_help="Rewrite a file in another format.",
    epilog="""Example:

\b
  pullquote data convert dev-v2.0.json dev.parquet
""",
)
@click.argument("source")
@click.argument("target")
def convert(source: str, target: str) -> None:
    """Rewrite SOURCE as TARGET; the format of each follows from its name (.gz packs)."""
    from pullquote.data import save

    dataset = load_data(source)
    if dataset.dropped and Path(target).exists() and Path(target).samefile(source):
        raise OutputError(
            f"{target}: is the source itself, which would lose what was dropped; choose another "
            "name for the target"
        )
    with progress_bar(f"writing {printable(Path(target).name)}"):
        save(dataset.examples, target)
    click.echo(f"{printable(target)}: {count(len(dataset.examples), 'question')}")
