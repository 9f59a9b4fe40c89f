"""Writes docs/cli.md from the commands' own help; with --check, says whether it is up to date.

python docs/generate.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from pullquote.cli import cli

PAGE = Path(__file__).parent / "cli.md"
HEAD = """# Command line

Written by `make docs` from the commands' own help; do not edit by hand.

Exit codes: 0 (also when a text has no answer), 1 for an error (one line on standard error), 2 for
wrong usage, 130 after Ctrl-C.
"""


def sections(command: click.Command, name: str) -> Iterator[str]:
    """A heading and the help text of a command and of all below it."""
    context = click.Context(command, info_name=name, terminal_width=90, max_content_width=90)
    context.help_option_names = ["-h", "--help"]
    yield f"## {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from sections(found, f"{name} {child}")


def main() -> None:
    page = "\n".join([HEAD, *sections(cli, "pullquote")])
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit("docs/cli.md is out of date: run `make docs`")


main()
