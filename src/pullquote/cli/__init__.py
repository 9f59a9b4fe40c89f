"""The command `pullquote`: one file a command, each parses, makes one library call and prints.

A command is imported when it is named, so that `--help` and `ask` load only what they need.
Errors of pullquote are one line and exit code 1, errors of usage exit code 2.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pullquote import __version__
from pullquote.cli.console import say
from pullquote.errors import PullquoteError, PullquoteWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "ask": "Ask a question of a text, or of folders of documents.",
    "highlight": "Mark the sentences that bear on a question.",
    "fill": "Fill a table out of documents: a row each, a column a question.",
    "index": "Index folders of documents, to ask them often.",
    "check": "Check the quotes of a draft against their sources.",
    "passages": "Show what is read of documents, and where it stands.",
    "evaluate": "Measure a model on labelled data.",
    "compare": "Measure two models on the same data, and their difference.",
    "calibrate": "Make a model's scores probabilities; choose its threshold.",
    "score": "Score a file of predictions, as evaluate-v2.0.py does.",
    "predict": "Answer a data file and write the predictions.",
    "batch": "Answer files of any size into Parquet files, each row once.",
    "serve": "Answer over HTTP, with a page to ask on.",
    "mcp": "Offer documents as tools to an agent.",
    "train": "Fine-tune a model on questions.",
    "distill": "Train a small model to answer as a larger one does.",
    "label": "Write a teacher's logits for training data to a file.",
    "average": "Average the weights of several runs.",
    "export": "Turn a checkpoint into an ONNX model directory.",
    "quantize": "Make a model fit into so many bytes.",
    "unpack": "Give a quantised model its checkpoint back, to train on.",
    "card": "Write the card of a model.",
    "push": "Upload a model to the Hugging Face hub.",
    "data": "Fetch, check and convert data.",
    "models": "List the bundled models, or show one.",
    "run-squad": "Take run_squad.py's flags, write its files.",
}


ALIASES = {"distil": "distill"}
"""Other names of commands, which no list shows."""


class _LazyGroup(click.Group):
    """Lists the commands by name, and imports one when it is run or its help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pullquote.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Example:  pullquote ask "Who led the Norse?" history.txt',
)
@click.version_option(__version__, "-V", "--version", prog_name="pullquote")
def cli() -> None:
    """Ask a question of texts and documents: an exact quote from them, or "no answer"."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    # Importing makes many objects and no garbage: looking for it took a tenth of the time of `ask`,
    # and another tenth when the interpreter ends.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # characters that the encoding lacks are shown as escapes
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", PullquoteWarning)
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            color = False if os.environ.get("NO_COLOR") else None  # None: on a terminal
            code = cli.main(arguments, prog_name="pullquote", standalone_mode=False, color=color)
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # unknown to click 8.1, which just exits
            error.show()
        else:
            path = error.ctx.command_path if error.ctx else "pullquote"
            say("error", f"{error.format_message()} Try: {path} --help")
        sys.exit(2)
    except (
        SystemExit
    ):  # raised by click when the reader of a pipe has gone, as in `pullquote ... | head`
        sys.exit(0)
    except PullquoteError as error:
        say("error", error)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt, ImportError) as error:
        if isinstance(error, ImportError) and not _was_interrupted(error):
            raise
        click.echo("pullquote: interrupted", err=True)
        sys.exit(130)
    except MemoryError:
        say("error", "the memory is full; split the text or the data, or close other programs")
        sys.exit(1)
    except OSError as error:  # of standard output, which has no name, or not handled before
        where = error.filename or "standard output, which cannot be written"
        say("error", f"{where}: {error.strerror or error}")
        sys.exit(1)
    sys.exit(code or 0)  # a command may return 1 after its own message


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused an error: while a compiled module loads, it is an ImportError."""
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, PullquoteWarning):
        say("note", message)
