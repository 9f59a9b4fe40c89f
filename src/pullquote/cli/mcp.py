"""pullquote mcp: documents as tools for agents, over the Model Context Protocol."""

from __future__ import annotations

import click

from pullquote.cli.console import (
    answerable_option,
    model_option,
    model_options,
    open_reader,
    spelling_option,
    verbose_option,
)


@click.command(
    "mcp",
    epilog="""Examples:

\b
  pullquote mcp contracts/
  pullquote mcp notes.db --model tiny
""",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@model_option
@answerable_option
@spelling_option
@verbose_option
@model_options
def command(
    paths: tuple[str, ...],
    model: str,
    answerable: float | None,
    spelling: bool | None,
    verbose: bool,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    """Offer documents to an agent: tools over the Model Context Protocol, on standard input.

    PATH is an index, or folders and files, which are read first. The tools ask, search,
    read_passage, highlight, check_quotes and list_documents see these documents and nothing else
    of the disk. A program such as an editor starts this command; docs/agents.md says how. Over
    HTTP: pullquote serve --index FILE --mcp. Needs the extra: pip install "pullquote[mcp]".
    """
    from pullquote.agents.server import make_server
    from pullquote.agents.tools import Tools
    from pullquote.cli.asking import open_index
    from pullquote.searching.search import Searcher

    with open_index(paths, verbose, private=True) as index:
        reader = open_reader(
            model,
            device=device,
            precision=precision,
            threads=threads,
            answerable=answerable,
            spelling=spelling,
        )
        make_server(Tools(Searcher(reader, index))).run("stdio")
