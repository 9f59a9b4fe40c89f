"""Shared by the commands: options, progress bars, reading a text, reporting dropped rows."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pullquote.errors import DataError, InputError, MissingExtraError, OutputError, TextError
from pullquote.files import cannot_write
from pullquote.progress import Progress, no_progress
from pullquote.text import decode

if TYPE_CHECKING:
    from pullquote.data import Dataset

_PATIENCE = 2.0  # seconds before a progress bar appears
_LISTED = 20  # dropped entries that are listed one by one


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--device and --threads: how a model runs."""
    function = click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="Threads for the model [default: all cores].",
    )(function)
    return click.option(
        "--device",
        default="cpu",
        show_default=True,
        metavar="NAME",
        help='Where the model runs, such as "cuda:0".',
    )(function)


def finite(_context: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):  # which no JSON could hold
        raise click.BadParameter(f"{value} is no finite number; 9999 always answers, -9999 never.")
    return value


threshold_option = click.option(
    "--threshold",
    type=float,
    callback=finite,
    metavar="T",
    help="Abstain when null logit - best span logit exceeds T [default: the model's own].",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def say(kind: str, message: object) -> None:
    """Print one line on standard error, whatever a file's name or a library's message holds."""
    line = re.sub(r"\s*[\r\n]\s*", " ", str(message))
    click.echo(f"pullquote: {kind}: {printable(line)}", err=True)


def printable(text: str) -> str:
    """Replace control characters, so that a text cannot control the terminal that shows it.

    Joiners, soft hyphens and marks of direction stay: they are part of how a script is written.
    """
    return "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text
    )


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 document", "1,200 documents"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def one_line(text: str) -> str:
    """Text for the terminal with its blanks and line breaks as one blank each."""
    return printable(" ".join(text.split()))


def sentence(context: str, start: int, end: int) -> str:
    """The sentence around a quote, on one line, with the quote marked."""
    from pullquote.reading.sentences import sentence_around

    around = sentence_around(context, start, end)
    quote = click.style(one_line(context[start:end]), fg="black", bg="yellow")
    return _blanks(context[around.start : start]) + quote + _blanks(context[end : around.end])


def _blanks(text: str) -> str:
    """Line breaks and runs of blanks as one blank each, those at the ends kept."""
    return one_line(f"|{text}|")[1:-1]


def echo_abstention(where: str, no_answer_score: float, top_k: int, nearest: str) -> None:
    """Say that there is no answer in `where`, and what the nearest quote is, if there is one."""
    likely = no_answer_score >= 0.5
    click.secho(f"No answer in {where}." if likely else "No sure answer.", bold=True)
    line = f"  no-answer score {no_answer_score:.2f}"
    if not likely:
        line += ", but the threshold asks for a surer answer"
    if nearest:
        line += f"; the nearest quote is {nearest}" if top_k == 1 else "; the nearest quotes:\n"
    click.echo(line)


def echo_json(value: object) -> None:
    """Print JSON: in the characters themselves, or escaped where standard output cannot hold them.

    Control characters that JSON allows (U+009B starts a command on some terminals) are escaped too.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    click.echo(re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text))


def ensure_writable(path: str | Path) -> None:
    """Raise `OutputError` for a file that cannot be written: before long work, not after it."""
    path = Path(path).resolve()
    if path.is_dir():
        raise OutputError(f"{path}: a folder; expected the name of a file to write")
    if path.exists() and not path.is_file():  # /dev/stdout, whose folder need not be writable
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise cannot_write(path, error) from None


def ensure_folder(path: str | Path, names: Iterable[str] = ("x",)) -> None:
    """Raise `OutputError` for a folder in which files of these names cannot be written."""
    if Path(path).is_file():
        raise OutputError(f"{path}: a file; expected a folder to write to")
    for name in names:
        ensure_writable(Path(path) / name)


@contextlib.contextmanager
def progress_bar(label: str = "", *, words: bool = False) -> Iterator[Progress]:
    """Yield a `Progress` that draws a bar on a terminal once work has taken 2 seconds.

    Without a label, what is being done is the label, and each thing has a bar of its own. With
    `words` it stands beside the bar instead, which shows at once and without the time left.
    """
    if not (sys.stderr and sys.stderr.isatty()):
        yield no_progress
        return
    with contextlib.ExitStack() as stack:
        bar: Progress | None = stack.enter_context(_bar(label, words)) if label else None
        shown = label

        def update(done: int, total: int, doing: str) -> None:
            nonlocal bar, shown
            if bar is None or (not label and doing != shown):
                stack.close()
                bar, shown = stack.enter_context(_bar(printable(doing), words)), doing
            bar(done, total, doing)

        yield update


@contextlib.contextmanager
def _bar(label: str, words: bool) -> Iterator[Progress]:
    doing = ""
    bar: Any = click.progressbar(
        length=1,
        label=label,
        file=sys.stderr,
        show_eta=not words,
        item_show_func=(lambda _: doing) if words else None,
    )
    lock = threading.Lock()
    shown = over = False

    def show() -> None:  # from a thread, since the first step may take a minute
        nonlocal shown
        with lock:
            if not over:
                shown = True
                bar.render_progress()

    def update(done: int, total: int, what: str) -> None:
        nonlocal doing
        with lock:
            doing = what
            bar.length = max(total, 1)
            bar.make_step(done - bar.pos)
            if shown:
                bar.render_progress()

    timer = threading.Timer(_PATIENCE, show)
    timer.daemon = True
    try:
        if words:
            show()
        else:
            timer.start()
        yield update
    finally:
        timer.cancel()
        with lock:
            over = True
            if shown:
                bar.render_finish()


def read_text(path: str) -> str:
    """The text of a file, or of standard input for "-". Raises `InputError` for what is no text."""
    name = "standard input" if path == "-" else path
    try:
        if path != "-":
            data = Path(path).read_bytes()
        else:
            data = sys.stdin.buffer.read() if sys.stdin else b""  # None when it is closed
    except FileNotFoundError:
        raise InputError(
            f"{name}: no such file or folder; expected a text file, a folder, or - for a pipe"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{name}: a folder; expected a text file") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from None
    if data[:5] == b"%PDF-":
        raise InputError(f"{name}: a PDF; expected text. Convert it first: pdftotext {path} -")
    try:
        decoded = decode(data)
    except (TextError, MissingExtraError) as error:
        raise InputError(f"{name}: {error}") from None
    text = decoded.text
    if decoded.encoding.note:
        say("note", f"{name}: {decoded.encoding.note}")
    if not text.strip():
        raise InputError(f"{name}: holds no text; expected some to look for the answer in")
    return text


def read_data(path: str) -> Dataset:
    """Load a data file."""
    from pullquote.data import load

    with progress_bar(f"reading {printable(Path(path).name)}"):
        return load(path)


def load_data(path: str) -> Dataset:
    """Load questions and report dropped rows on standard error. No questions is an error."""
    dataset = read_data(path)
    if not dataset.examples:
        raise DataError(f"{path}: holds no questions")
    if dataset.dropped:
        say("note", f"{path}: {dataset.summary()}")
        for dropped in dataset.dropped[:_LISTED]:
            click.echo(f"  {printable(str(dropped))}", err=True)
        if (more := len(dataset.dropped) - _LISTED) > 0:
            click.echo(f"  and {more:,} more: pullquote data check {printable(path)}", err=True)
    return dataset


def note_unlabelled(dataset: Dataset, path: str) -> None:
    """Print a note when no question has an answer: most often the column has another name."""
    if all(example.is_impossible for example in dataset.examples):
        say(
            "note",
            f"{path}: none of its questions has an answer, and abstaining is always right; they "
            "are looked for in answers or answer_text",
        )
