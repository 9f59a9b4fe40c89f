"""The command `pullquote`: one file a command, each parses, makes one library call and prints.

A command is imported when it is named, so that `--help` and `ask` load only what they need.
Errors of pullquote are one line and exit code 1, errors of usage exit code 2.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pullquote import __version__
from pullquote.errors import PullquoteError, PullquoteWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "ask": "Ask a question of a text.",
    "evaluate": "Measure a model on labelled data.",
    "score": "Score a file of predictions, as evaluate-v2.0.py does.",
    "predict": "Answer a data file and write the predictions.",
    "export": "Turn a checkpoint into an ONNX model directory.",
    "data": "Fetch, check and convert data.",
    "models": "List the bundled models, or show a model card.",
}


class _LazyGroup(click.Group):
    """Knows the commands' names and first lines; imports one when it runs or is asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pullquote.cli.{cmd_name}")
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
    """Ask a question of a text: an exact quote from it, or "no answer"."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", PullquoteWarning)
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            cli.main(arguments, prog_name="pullquote", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("pullquote: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # `pullquote ... | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (PullquoteError, OSError, MemoryError) as error:
        message = str(error) or type(error).__name__
        click.echo(f"pullquote: error: {message}", err=True)
        sys.exit(1)
    sys.exit(0)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, PullquoteWarning):
        click.echo(f"pullquote: note: {message}", err=True)
