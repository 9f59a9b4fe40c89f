"""pullquote serve: a model over HTTP, with a page to ask it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.cli.console import model_options, say, share, spelling_option
from pullquote.errors import InputError
from pullquote.serving.settings import Settings

_USUAL = Settings()
_FROM_1 = click.IntRange(min=1)
_NEAR = ("127.0.0.1", "localhost", "::1")
_NAMES = ("127.0.0.1", "localhost", "[::1]")  # as they stand in a browser's Host header


def _limit(
    flag: str,
    default: float,
    unit: str,
    help: str,
    kind: click.IntRange | click.FloatRange = _FROM_1,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option for a limit of `Settings`."""
    return click.option(
        flag, type=kind, default=default, show_default=True, metavar=unit, help=help
    )


@click.command(
    "serve",
    epilog="""Examples:

\b
  pullquote serve
  pullquote serve tiny --port 9000
  pullquote serve --index notes.db
  pullquote serve --index notes.db --mcp
  pullquote serve --answerable 90%
  PULLQUOTE_TOKEN=$(openssl rand -hex 32) pullquote serve --host 0.0.0.0
""",
)
@click.argument("model", default=DEFAULT_MODEL)
@click.option(
    "--index",
    metavar="INDEX",
    help="An index of documents, to ask them at /v1/ask and on the page.",
)
@click.option(
    "--mcp",
    is_flag=True,
    help="Offer these documents to agents, too: the Model Context Protocol at /mcp.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 takes any that is free.",
)
@click.option(
    "--answerable",
    callback=share,
    metavar="P",
    help="The share of questions that you expect to have an answer, such as 80% or 0.8: the higher "
    "it is, the more rarely it abstains. A request may name its own [default: the model's own].",
)
@spelling_option
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that share the port, each with the model.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    help="Ask for the token in FILE [default: that in PULLQUOTE_TOKEN, if any].",
)
@click.option(
    "--allow-origin",
    multiple=True,
    metavar="URL",
    help="A site whose pages may ask from a browser. Repeatable.",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Another name under which it answers. Without a token, a server that listens on this "
    "machine alone answers under localhost, 127.0.0.1 and [::1] only. Repeatable.",
)
@_limit(
    "--max-batch", _USUAL.max_batch, "N", "Questions read together; 1 reads one after the other."
)
@_limit(
    "--max-wait",
    _USUAL.max_wait_ms,
    "MS",
    "How long a question waits for others while some are read.",
    click.FloatRange(0, 1000),
)
@_limit("--max-queue", _USUAL.max_queue, "N", "Questions that may wait; more get 503.")
@_limit("--max-body", _USUAL.max_body, "BYTES", "The largest request.")
@_limit(
    "--max-file",
    _USUAL.max_file,
    "BYTES",
    "The largest document that is dropped on the page, or sent to /v1/text.",
)
@_limit("--max-question", _USUAL.max_question, "N", "Characters of the longest question.")
@_limit("--max-context", _USUAL.max_context, "N", "Characters of the longest text.")
@_limit("--max-pairs", _USUAL.max_pairs, "N", "Questions times texts of one request.")
@_limit(
    "--max-seconds",
    _USUAL.max_seconds,
    "S",
    "How long a request may take; then it gets 504.",
    click.FloatRange(min=0, min_open=True, max=86_400),
)
@click.option("--log-requests", is_flag=True, help="Print a line for each request.")
@model_options
def command(
    model: str,
    index: str | None,
    mcp: bool,
    host: str,
    port: int,
    answerable: float | None,
    spelling: bool | None,
    workers: int,
    token_file: str | None,
    allow_origin: tuple[str, ...],
    allow_host: tuple[str, ...],
    max_batch: int,
    max_wait: float,
    max_queue: int,
    max_body: int,
    max_file: int,
    max_question: int,
    max_context: int,
    max_pairs: int,
    max_seconds: float,
    log_requests: bool,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    """Serve MODEL over HTTP: a page at /, an API at /v1/answer, and at / that of Hugging Face.

    With --index, /v1/ask and the page ask all documents of an index; what they show of a path
    begins with the folder that was indexed.

    Concurrent questions are read together. It listens on this machine alone unless --host says
    otherwise. SIGTERM and Ctrl-C let it finish what is in flight. /docs describes the API,
    /metrics is for Prometheus. Needs the extra: pip install "pullquote[serve]".
    """
    if mcp and index is None:
        raise click.UsageError("--mcp offers the documents of an index; name it with --index.")
    token = _token(token_file)
    guarded = allow_host or (host in _NEAR and not token)
    settings = Settings(
        max_batch=max_batch,
        max_wait_ms=max_wait,
        max_queue=max_queue,
        max_body=max_body,
        max_file=max_file,
        max_question=max_question,
        max_context=max_context,
        max_pairs=max_pairs,
        max_seconds=max_seconds,
        token=token,
        hosts=(*_NAMES, *(name.lower() for name in allow_host)) if guarded else (),
        origins=allow_origin,
    )
    from pullquote.serving.run import Serving, serve

    def on_ready(url: str) -> None:
        if host not in _NEAR and not settings.token:
            say("note", f"anyone who can reach {host} may ask; --token-file lets in who has one")
        click.echo(f"{model} answers on {url} (Ctrl-C ends it)")

    serve(
        Serving(
            model=model,
            index=index,
            agents=mcp,
            device=device,
            precision=precision,
            threads=threads,
            host=host,
            port=port,
            workers=workers,
            log_requests=log_requests,
            answerable=answerable,
            spelling=spelling,
        ),
        settings,
        on_ready=on_ready,
    )


def _token(file: str | None) -> str:
    """The token from a file or PULLQUOTE_TOKEN: other users can see a command's arguments."""
    if file is None:
        given = os.environ.get("PULLQUOTE_TOKEN")
        if given is not None and not given.strip():
            raise InputError("PULLQUOTE_TOKEN is set and empty; give it a token, or unset it")
        return (given or "").strip()
    try:
        words = Path(file).read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "it is not UTF-8"
        raise InputError(f"{file}: no token can be read from it ({why.lower()})") from None
    if len(words) != 1:
        raise InputError(f"{file}: holds {len(words)} words, expected one, the token")
    return words[0]
