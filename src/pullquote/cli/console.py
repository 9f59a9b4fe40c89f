"""What the commands share at the terminal: options, progress, reading a text, reporting drops."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pullquote.errors import InputError

if TYPE_CHECKING:
    from pullquote.data import Dataset

T = TypeVar("T")

_PATIENCE = 2.0  # seconds before a progress bar appears
_LISTED = 20  # dropped entries that are listed one by one


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--device and --threads: how a model runs."""
    function = click.option(
        "--threads", type=click.IntRange(min=1), help="Threads for the model [default: all cores]."
    )(function)
    return click.option(
        "--device", default="cpu", show_default=True, help='Where the model runs, such as "cuda:0".'
    )(function)


threshold_option = click.option(
    "--threshold",
    type=float,
    metavar="T",
    help="Abstain when null logit - best span logit exceeds T [default: the model's own].",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@contextlib.contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with how much is done; a bar shows on a terminal after 2 seconds."""
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        bar: Any = None
        shown = 0

        def update(done: int) -> None:
            nonlocal bar, shown
            if bar is None:
                if time.monotonic() - started < _PATIENCE or not sys.stderr.isatty():
                    return
                bar = stack.enter_context(
                    click.progressbar(length=total, label=label, file=sys.stderr, show_pos=True)
                )
            bar.update(done - shown)
            shown = done

        yield update


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Pass items on and show how many have passed."""
    with progress_bar(label, total) as update:
        for done, item in enumerate(items, 1):
            yield item
            update(done)


def read_text(path: str) -> str:
    """The text of a file, or of standard input for "-". Raises `InputError` for what is no text."""
    name = "standard input" if path == "-" else path
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except IsADirectoryError:
        raise InputError(f"{name}: a folder; expected a text file") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from None
    if data[:5] == b"%PDF-":
        raise InputError(f"{name}: a PDF; expected text. Convert it first: pdftotext {path} -")
    try:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "a binary file" if b"\0" in data[:8192] else f"not UTF-8 text (byte {error.start})"
        raise InputError(
            f"{name}: {kind}; expected UTF-8. Convert it first, such as: iconv -f latin1 -t utf8"
        ) from None
    if "\0" in text:
        raise InputError(f"{name}: has NUL characters, so it is probably binary; expected text")
    if not text.strip():
        raise InputError(f"{name}: holds no text to read")
    return text


def load_data(path: str) -> Dataset:
    """Load a data file and say on standard error what had to be dropped."""
    from pullquote.data import load

    dataset = load(path)
    report_dropped(dataset)
    return dataset


def report_dropped(dataset: Dataset, limit: int | None = _LISTED) -> None:
    """List what `load` left out, if anything."""
    if not dataset.dropped:
        return
    click.echo(f"pullquote: note: {dataset.source}: {dataset.summary()}", err=True)
    for dropped in dataset.dropped[:limit]:
        click.echo(f"  {dropped.where}  {dropped.id}: {dropped.reason}", err=True)
    if limit is not None and len(dataset.dropped) > limit:
        more = len(dataset.dropped) - limit
        click.echo(f"  and {more:,} more: pullquote data check {dataset.source}", err=True)
