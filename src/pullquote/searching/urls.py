"""URLs of indexes on a PostgreSQL server: their parts, and how messages show them.

    postgresql://ann:secret@db.lan:5433/library/notes?sslmode=require     as it is given
    postgresql://ann@db.lan:5433/library/notes                            as it is shown

Knows no server. Splits as libpq does. Where a "/" or "@" in a password is not written as %2F or
%40, nobody can tell where it ends: such a URL is refused, and nothing of it is shown.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import unquote

from pullquote.errors import InputError

_LONGEST = 63  # bytes of a name on a server
_HOST = r"(?:[^][:/?@,]*|\[[^][/?@]*\])(?::\d*)?"
_PARTS = re.compile(
    r"(?P<scheme>\w+://)(?:(?P<user>[^:/@]*)(?P<password>:[^/@]*)?(?P<at>@))?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<path>(?:/[^?@]*)?)(?P<options>(?:\?[^@]*)?)"
)
_FORM = "postgresql://USER@HOST/DATABASE/INDEX, such as postgresql://ann@db.lan/library/notes"


class IndexUrl(NamedTuple):
    """The parts of a URL."""

    url: str
    database: str
    """What libpq connects to."""
    schema: str
    shown: str
    """The URL without its password and options."""


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether this names an index on a server."""
    return os.fspath(path).startswith(("postgresql://", "postgres://"))


def without_password(path: str | os.PathLike[str]) -> str:
    """How a message shows a path or URL: of a URL, neither password nor options.

    >>> without_password("postgresql://ann:secret@db.lan/library/notes?sslmode=require")
    'postgresql://ann@db.lan/library/notes'
    >>> without_password("postgresql://ann:half/secret@db.lan/library/notes")
    'postgresql://...'
    >>> without_password("notes.db")
    'notes.db'
    """
    text = os.fspath(path)
    if not is_url(text):
        return text
    if not (parts := _PARTS.fullmatch(text)):
        return f"{text.partition('://')[0]}://..."
    return "".join(parts.group(name) or "" for name in ("scheme", "user", "at", "hosts", "path"))


def split_url(url: str | os.PathLike[str]) -> IndexUrl:
    """The parts of a URL. Raises `InputError` for one that names no index.

    >>> split_url("postgresql://ann:secret@db.lan:5433/library/notes?sslmode=require")[1:]
    ('postgresql://ann:secret@db.lan:5433/library?sslmode=require', 'notes', \
'postgresql://ann@db.lan:5433/library/notes')
    """
    text, shown = os.fspath(url), without_password(url)
    if not (parts := _PARTS.fullmatch(text)):
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
