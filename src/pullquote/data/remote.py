"""Files of object stores, by their URLs: s3://, gs://, az://, memory://, …

    with open_url("s3://bucket/questions.jsonl") as file: ...

Every store is reached through fsspec, which is loaded when a URL is first used, never for a path of
this machine. Knows stores, not what their files mean.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from pullquote.errors import DataError, MissingExtraError, PullquoteError, first_line
from pullquote.urls import without_password


def without_file_scheme(path: str | os.PathLike[str]) -> str:
    """The path of a file:// URL; any other path or URL as it is.

    >>> without_file_scheme("file:///data/a%20b.csv"), without_file_scheme("s3://bucket/b.csv")
    ('/data/a b.csv', 's3://bucket/b.csv')
    """
    name = os.fspath(path)
    if not name.lower().startswith("file://"):
        return name
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # loads the network

    return url2pathname(urlsplit(name).path)


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path there.

    Raises `MissingExtraError` without fsspec; `DataError` for a store that it does not know, or
    for which it needs another package.
    """
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError("fsspec", "remote") from None
    with store_errors(url):
        system, path = fsspec.core.url_to_fs(url)
    return system, str(path)


@contextlib.contextmanager
def open_url(url: str) -> Iterator[BinaryIO]:
    """Open a file of a store, to be read from any position. Raises `DataError`."""
    system, path = filesystem(url)
    with store_errors(url), system.open(path, "rb") as file:
        yield file


@contextlib.contextmanager
def store_errors(url: str, kind: type[PullquoteError] = DataError) -> Iterator[None]:
    """Raise the errors of a store as a `DataError`, or another kind, that names the URL."""
    shown = without_password(url)
    try:
        yield
    except PullquoteError:
        raise
    except FileNotFoundError:
        raise kind(f"{shown}: no such file") from None
    except Exception as error:  # each store has errors of its own
        reason = first_line(error).replace(url, shown)
        raise kind(f"{shown}: {reason}") from error
