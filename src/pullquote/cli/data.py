"""pullquote data: fetch, check and convert data files."""

from __future__ import annotations

import contextlib

import click

from pullquote.cli.console import load_data, progress_bar, report_dropped


@click.group("data")
def command() -> None:
    """Fetch, check and convert data: SQuAD JSON, JSON Lines, CSV, Parquet."""


@command.command(
    "squad2",
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

    with contextlib.ExitStack() as stack:
        bars: dict[str, object] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in bars:
                stack.close()
                bars[name] = stack.enter_context(progress_bar(name, total))
            bars[name](done)  # type: ignore[operator]

        paths = download_squad2(directory, base_url=url or OFFICIAL, progress=show)
    for path in paths:
        click.echo(path)


@command.command(
    "check",
    epilog="""Example:

\b
  pullquote data check my-questions.csv
""",
)
@click.argument("file")
def check(file: str) -> None:
    """Read FILE as the other commands do, and list everything that would be dropped."""
    from pullquote.data import load

    dataset = load(file)
    report_dropped(dataset, limit=None)
    click.echo(f"{file}: {dataset.summary()}")


@command.command(
    "convert",
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
    save(dataset.examples, target)
    click.echo(f"{target}: {dataset.summary()}")
