"""URLs of indexes on a PostgreSQL server, and their parts.

    postgresql://ann:secret@db.lan:5433/library/notes?sslmode=require

Knows no server. Splits as libpq does. A URL of which nobody can tell where its password ends is
refused.
"""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import unquote

from pullquote.errors import InputError
from pullquote.urls import PARTS, without_password

_LONGEST = 63  # bytes of a name on a server
_FORM = "postgresql://USER@HOST/DATABASE/INDEX, such as postgresql://ann@db.lan/library/notes"


class IndexUrl(NamedTuple):
    """The parts of a URL."""

    url: str
    database: str
    """What libpq connects to."""
    schema: str
    shown: str
    """The URL without its password and options."""


def is_index_url(path: str | os.PathLike[str]) -> bool:
    """Whether this names an index on a server."""
    return os.fspath(path).lower().startswith(("postgresql://", "postgres://"))


def split_url(url: str | os.PathLike[str]) -> IndexUrl:
    """The parts of a URL. Raises `InputError` for one that names no index.

    >>> split_url("postgresql://ann:secret@db.lan:5433/library/notes?sslmode=require")[1:]
    ('postgresql://ann:secret@db.lan:5433/library?sslmode=require', 'notes', \
'postgresql://ann@db.lan:5433/library/notes')
    """
    text, shown = os.fspath(url), without_password(url)
    if not (parts := PARTS.fullmatch(text)):
        raise InputError(
            f"{shown}: not the URL of an index; expected {_FORM}; in a password, write %2F for /, "
            "%40 for @ and %25 for %"
        )
    _, *names = parts["path"].split("/")
    if len(names) != 2 or not all(names):
        raise InputError(f"{shown}: no index; expected {_FORM}")
    schema = unquote(names[1])
    printable = schema.isprintable()  # neither NUL nor lone surrogates
    if not printable or len(schema.encode()) > _LONGEST or schema.startswith("pg_"):
        raise InputError(
            f"{shown}: {schema!r} is no name for an index on a server; expected one of at most "
            f"{_LONGEST} bytes, all printable, that does not begin with pg_"
        )
    server = text[: parts.start("path")]
    return IndexUrl(text, f"{server}/{names[0]}{parts['options']}", schema, shown)
