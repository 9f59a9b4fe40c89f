"""Writes the reference pages: docs/cli.md, docs/http.md and docs/api.md.

python docs/generate.py [--check]

They come from the commands' own help, the server's OpenAPI document and the docstrings. With
--check, says whether they are up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import api
import click

from pullquote import Reader
from pullquote.cli import cli
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.serving.app import create_app
from pullquote.serving.reference import markdown

FOLDER = Path(__file__).parent
CLI_HEAD = """# Command line

Written by `make docs` from the commands' own help; do not edit by hand.

Exit codes: 0 (also when a text has no answer), 1 for an error (one line on standard error), 2 for
wrong usage, 130 after Ctrl-C.
"""
HTTP_HEAD = """# HTTP reference

Written by `make docs` from the server's own OpenAPI document; do not edit by hand. How to run it:
[serving](serving.md). A running server shows this page at `/docs`, the document at `/openapi.json`.

Every error has one shape: `{"error": "what was found, what was expected", "code": "a name for
programs", "details": [{"where": "body.question", "message": "..."}]}`.

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
    app = create_app(Reader("tiny", backend=ScriptedBackend(lambda ids: ([], []))))
    pages = {
        "cli.md": "\n".join([CLI_HEAD, *sections(cli, "pullquote")]),
        "http.md": HTTP_HEAD + markdown(app.openapi()),
        "api.md": api.page(),
    }
    for name, page in pages.items():
        file = FOLDER / name
        if "--check" not in sys.argv[1:]:
            file.write_text(page, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != page:
            sys.exit(f"docs/{name} is out of date: run `make docs`")


main()
