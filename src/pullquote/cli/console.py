"""Shared by the commands: options, progress bars, reading a text, reporting dropped rows."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.errors import DataError, InputError, MissingExtraError, OutputError, TextError
from pullquote.files import cannot_write, no_such_path
from pullquote.progress import Progress, no_progress
from pullquote.text import decode
from pullquote.urls import is_url, without_password

if TYPE_CHECKING:
    from pullquote.data import Dataset, Dropped
    from pullquote.reading.reader import Reader
    from pullquote.searching.search import SearchResult
    from pullquote.settings import Decision, ReaderConfig
    from pullquote.types import Correction, Prediction

_BOLD = 0.95  # the share that is suggested to whom a reader gives no answer
_LEAST = 0.01  # the probability from which a near quote is worth a line
_QUOTE = 42  # characters of a near quote that are shown
_PATIENCE = 2.0  # seconds before a progress bar appears
_LISTED = 20  # dropped entries that are listed one by one


model_option = click.option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="MODEL",
    help="A bundled name, a directory or a hub id.",
)


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--device, --precision and --threads: how a model runs."""
    function = click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="Threads for the model [default: all cores].",
    )(function)
    function = click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "int8"]),
        default="auto",
        show_default=True,
        help="int8 is faster, fp32 exact; auto reads checkpoints of BERT-like models in int8, and "
        "says what that changes.",
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


def open_reader(
    model: str,
    *,
    device: str,
    precision: str,
    threads: int | None,
    answerable: float | None = None,
    spelling: bool | None = None,
) -> Reader:
    """The reader of a command that shows scores; says so where they are not calibrated."""
    from pullquote.reading.backends import native_library

    if native_library.available():
        # The engine multiplies, not numpy, whose threads would spin for a tenth of a second first.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pullquote.reading.reader import Reader  # not loaded by --help

    reader = Reader(
        model,
        device=device,
        precision=precision,
        threads=threads,
        answerable=answerable,
        spelling=spelling,
    )
    if reader.note:
        say("note", reader.note)
    return reader


threshold_option = click.option(
    "--threshold",
    type=float,
    callback=finite,
    metavar="T",
    help="Abstain when null logit - best span logit exceeds T, whatever the probabilities.",
)


def share(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Parse a share of questions such as 80% or 0.8, above 0."""
    if value is None:
        return None
    parsed = _share(value)
    if not 0 < parsed <= 1:
        raise click.BadParameter(
            f"{value!r} is not between 0 and 1, nor 0% and 100%; expected one such as 80% or 0.8."
        )
    return parsed


def probability(_context: click.Context, _option: click.Parameter, value: str) -> float:
    """Parse a probability such as 30% or 0.3, from 0 to 1."""
    parsed = _share(value)
    if not 0 <= parsed <= 1:
        raise click.BadParameter(
            f"{value!r} is not between 0 and 1, nor 0% and 100%; expected one such as 30% or 0.3."
        )
    return parsed


def _share(value: str) -> float:
    """80% or 0.8 as a number; -1 if it is none."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*", value)
    return float(match[1]) / (100 if match[2] else 1) if match else -1.0


answerable_option = click.option(
    "--answerable",
    callback=share,
    metavar="P",
    help="Share of the questions that are expected to have an answer, such as 80%; a higher one "
    "answers more often [default: the model's own].",
)

spelling_option = click.option(
    "--spelling/--no-spelling",
    default=None,
    help="Read misspelt words of a question as words of the text, or leave them as they are "
    "[default: the model's own].",
)


def check_one_decision(threshold: float | None, answerable: float | None, of: str = "") -> None:
    """Raise `UsageError` for both options; `of` is the end of their names, such as "-a"."""
    if threshold is not None and answerable is not None:
        raise click.UsageError(
            f"--threshold{of} and --answerable{of} are two ways to decide when to abstain; give "
            "one of them."
        )


verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="List all documents that were not read, or in part, and all files that are no documents.",
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


class Near(NamedTuple):
    """A quote that was not given as the answer, and the words for its place."""

    score: float
    text: str
    place: str


def percent(share: float) -> str:
    """A probability in whole percent; what is not certain is not shown as 0 or 100 %."""
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def decision_words(decision: Decision) -> str:
    """How a reader decides when to abstain."""
    if decision.threshold is not None:
        return f"threshold {decision.threshold:.4g}"
    return f"answerable {100 * decision.answerable:.4g} %"


def abstention(
    where: str, found: Prediction | SearchResult, best: float | None, *, fits: bool = True
) -> str:
    """A sentence: there is no answer in `where`.

    `best` is the score of the best quote; `fits` is whether filters leave anything to be read.
    """
    if not fits:
        return f"No answer in {where}: no document or row of a table in them fits the filters."
    if getattr(found, "passages", 1) == 0:
        return f"No answer in {where}: nothing in them has a word of the question."
    none = percent(found.no_answer_score)
    if found.no_answer_score >= 0.5:
        return f"No answer in {where} ({none})."
    why = ""
    if found.threshold is not None and best is not None and best >= found.no_answer_score:
        why = ", but the threshold asks for a surer answer"
    return f"No sure answer: {none} that there is none in {where}{why}."


def echo_abstention(
    where: str,
    found: Prediction | SearchResult,
    near: Sequence[Near],
    *,
    top_k: int,
    hint: bool,
    fits: bool = True,
) -> None:
    """Say that there is no answer in `where`, and print the nearest quotes.

    All `top_k` of them are printed, others where their probability is at least 1 %. A `hint` how
    to get more answers is printed on a terminal only.
    """
    click.secho(abstention(where, found, near[0].score if near else None, fits=fits), bold=True)
    echo_read_as(found.corrections)
    shown = [one for rank, one in enumerate(near) if rank < top_k or one.score >= _LEAST]
    if not shown:
        return
    click.echo(f"  nearest {'quotes' if len(shown) > 1 else 'quote'}:")
    for one in shown:
        text = one_line(one.text)
        if len(text) > _QUOTE:
            begin = text[: _QUOTE - 3]
            text = f"{begin.rpartition(' ')[0] or begin}..."
        click.echo(f'  {percent(one.score):>6}  "{text}" ({one.place})')
    bolder = found.threshold is not None or found.answerable < _BOLD
    if hint and bolder and sys.stdout.isatty():
        click.echo(f"  --answerable {100 * _BOLD:.0f}% answers more often, 100% always")


def echo_read_as(corrections: Iterable[Correction]) -> None:
    """Print the words that misspelt words of a question were read as, if there are any."""
    if words := read_as(corrections):
        click.echo(f"  {words}")


def read_as(corrections: Iterable[Correction]) -> str:
    """The words that misspelt words of a question were read as; "" without any."""
    words = ", ".join(printable(correction.read_as) for correction in corrections)
    return f"read as: {words}" if words else ""


def echo_fitted(config: ReaderConfig) -> None:
    """Print what was fitted and stored with a model, on which data, and how it decides now."""
    fitted = [
        (f"threshold {config.no_answer_threshold:.4f}", config.threshold_fitted_on),
        ("calibrated scores", config.calibration.fitted_on),
    ]
    decision = decision_words(config.decision())
    if config.answerable is not None:
        fitted.append((decision, config.answerable_chosen_on))
    for what, how in fitted:
        if how:
            click.echo(f"{what}: {printable(how)}")
    click.echo(f"stored with the model; decision: {decision}")


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
    import tempfile  # not loaded to print an answer

    if is_url(path):
        raise OutputError(f"{without_password(path)}: a URL; expected a file of this machine")
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


def read_text(
    path: str, expected: str = "some to look for the answer in", *, kinds: str = "a text file"
) -> str:
    """The text of a file, or of standard input for "-". Raises `InputError` for what is no text.

    The error for a blank text says what was `expected`, that for a missing file which `kinds` were.
    """
    name = "standard input" if path == "-" else without_password(path)
    try:
        if path != "-":
            data = Path(path).read_bytes()
        else:
            data = sys.stdin.buffer.read() if sys.stdin else b""  # None when it is closed
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(no_such_path(path, f"expected {kinds}, or - for a pipe")) from None
    except IsADirectoryError:
        raise InputError(f"{name}: a folder; expected a text file") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from None
    from pullquote.searching.signatures import recognised

    if what := recognised(data):
        raise InputError(f"{name}: {what}")
    try:
        decoded = decode(data)
    except (TextError, MissingExtraError) as error:
        raise InputError(f"{name}: {error}") from None
    text = decoded.text
    if decoded.encoding.note:
        say("note", f"{name}: {decoded.encoding.note}")
    if not text.strip():
        raise InputError(f"{name}: holds no text; expected {expected}")
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
    echo_dropped(dataset.dropped, path, dataset.summary())
    return dataset


def echo_dropped(dropped: Sequence[Dropped], path: str, summary: str) -> None:
    """Report the rows that were left out of the data at `path` on standard error, if any were."""
    if not dropped:
        return
    say("note", f"{path}: {summary}")
    for one in dropped[:_LISTED]:
        click.echo(f"  {printable(str(one))}", err=True)
    if (more := len(dropped) - _LISTED) > 0:
        click.echo(f"  and {more:,} more: pullquote data check {printable(path)}", err=True)


def note_unlabelled(dataset: Dataset, path: str) -> None:
    """Print a note when no question has an answer: most often the column has another name."""
    if all(example.is_impossible for example in dataset.examples):
        say(
            "note",
            f"{path}: none of its questions has an answer, and abstaining is always right; they "
            "are looked for in answers or answer_text",
        )
