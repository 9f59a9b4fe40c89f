"""pullquote index: indexes documents, to ask them often."""

from __future__ import annotations

from pathlib import Path

import click

from pullquote.cli.asking import make_vectors, note_guesses, nothing_in, update
from pullquote.cli.console import count, say, verbose_option
from pullquote.cli.skipped import counted, listed
from pullquote.errors import DocumentError, OutputError

_LISTED = 20  # how many documents that were not read are listed one by one


@click.command(
    "index",
    epilog="""Examples:

\b
  pullquote index contracts/ letters/ -o notes.db
  pullquote index -o notes.db
  pullquote index wiki.jsonl -o wiki.db --engine tantivy
  pullquote index /mnt/shared/contracts -o postgresql://ann@db.lan/library/contracts --read-on ray
  pullquote ask "How long is the notice period?" notes.db
""",
)
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="INDEX",
    help="The index, new or not: a file, or postgresql://USER@HOST/DATABASE/INDEX (an extra).",
)
@click.option(
    "--engine",
    type=click.Choice(["fts5", "tantivy", "tsvector", "opensearch"]),
    help="What searches a new index: SQLite's FTS5, or tantivy (an extra), which is faster for "
    "hundreds of thousands of passages; tsvector on PostgreSQL; for both, opensearch (an extra), "
    "the server of OPENSEARCH_URL [default: fts5, or tsvector].",
)
@click.option(
    "--read-on",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where documents are read: processes of this machine, or a Ray cluster (an extra): the "
    "one at RAY_ADDRESS, or one of this machine.",
)
@click.option(
    "--vectors/--no-vectors",
    default=True,
    show_default=True,
    help="Make the vectors by which passages are found that say it in other words than a question.",
)
@click.option(
    "--drop-missing",
    is_flag=True,
    help="Remove the documents of a PATH of an earlier run that is gone. Without it, those of a "
    "folder stay, since it may be on a drive that is not there at the moment.",
)
@verbose_option
def command(
    paths: tuple[str, ...],
    output: str,
    engine: str | None,
    read_on: str,
    vectors: bool,
    drop_missing: bool,
    verbose: bool,
) -> None:
    """Read the documents at each PATH and in the folders below into an index.

    Text, source code, Markdown, HTML, PDF, Word, PowerPoint, Excel and OpenDocument files, RTF,
    EPUB, e-mail, subtitles, CSV, JSON Lines, JSON lists and Parquet are read. What cannot be read
    is reported, parts of documents and rows of tables, too, and so is what was left out as no
    document by its name. Of an index that exists, only what is new or has changed is read again, at
    its earlier PATHs, too, and what is gone leaves it. Then each new passage gets a vector, which
    takes most of the time. The index can be asked meanwhile, and a kill costs some seconds of work.
    """
    from pullquote.scale.ray_cluster import library
    from pullquote.scale.ray_pool import ray_pool
    from pullquote.searching.documents import existing
    from pullquote.searching.index import Index

    if not paths and not Index.exists(output):
        raise click.UsageError("a new index needs a PATH.")
    for path in paths:
        existing(path)
    if Path(output).is_dir():
        raise OutputError(f"{output}: a folder; expected the name of a file to write")
    pool = ray_pool if read_on == "ray" else None
    if pool and not Index.exists(output):
        library()  # without Ray, no empty index is left
    with Index.open_or_create(output, engine=engine) as index:
        found = update(index, paths, drop_missing=drop_missing, pool=pool)
        if vectors:
            make_vectors(index)
        passages, documents = len(index), sum(1 for _ in index.documents())
    left_out = found.left_out if passages or verbose else ()  # else the error tells it
    for line in listed(found.problems, left_out, most=None if verbose else _LISTED):
        say("note", line)
    note_guesses(found)
    if not passages and not found.removed:
        raise DocumentError(nothing_in(paths or [str(index.path)], found))
    sizes = f"{count(documents, 'document')}, {count(passages, 'passage')}"
    skipped = counted(found.problems, found.left_out)
    click.echo(
        f"{index.path}: {sizes} ({found.added:,} new, "
        f"{found.changed:,} changed, {found.removed:,} removed, {found.unchanged:,} as they were)"
        + (f"; {skipped}" if skipped else "")
    )
