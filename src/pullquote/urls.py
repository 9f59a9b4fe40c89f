"""URLs: what is one, and how messages show them.

    postgresql://ann:secret@db.lan:5433/library/notes?sslmode=require     as it is given
    postgresql://ann@db.lan:5433/library/notes                            as it is shown

Where a "/" or "@" in a password is not written as %2F or %40, nobody can tell where it ends: of
such a URL nothing is shown. Knows neither servers nor stores.
"""

from __future__ import annotations

import os
import re

_HOST = r"(?:[^][:/?@,]*|\[[^][/?@]*\])(?::\d*)?"
PARTS = re.compile(
    r"(?P<scheme>\w[\w+.-]*://)(?:(?P<user>[^:/@]*)(?P<password>:[^/@]*)?(?P<at>@))?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<path>(?:/[^?@]*)?)(?P<options>(?:\?[^@]*)?)"
)
"""The parts of a whole URL, as libpq splits it."""

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.I)  # two letters or more: c:// is a drive
# How options are shown that may hold a password or a token. In other URLs, a ? may be of a glob.
_OPTIONS = {"postgresql": "", "postgres": "", "http": "?...", "https": "?..."}


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL.

    >>> is_url("s3://bucket/questions.csv"), is_url("data/questions.csv"), is_url("c:/data")
    (True, False, False)
    """
    return _URL.match(os.fspath(path)) is not None


def without_password(path: str | os.PathLike[str]) -> str:
    """How a message shows a path or URL: without password, and without what options hold.

    >>> without_password("postgresql://ann:secret@db.lan/library/notes?sslmode=require")
    'postgresql://ann@db.lan/library/notes'
    >>> without_password("postgresql://ann:half/secret@db.lan/library/notes")
    'postgresql://...'
    >>> without_password("s3://bucket/2026/*.csv"), without_password("notes.db")
    ('s3://bucket/2026/*.csv', 'notes.db')
    """
    text = os.fspath(path)
    if not is_url(text):
        return text
    scheme, _, rest = text.partition("://")
    options = _OPTIONS.get(scheme.lower())
    if options is None and ":" not in rest:
        return text
    if not (parts := PARTS.fullmatch(text)):
        return f"{scheme}://..."
    if options is None or not parts["options"]:
        options = parts["options"]
    shown = (parts[name] or "" for name in ("scheme", "user", "at", "hosts", "path"))
    return "".join(shown) + options
