"""URLs of indexes on a server: what is connected to, and that no message shows a password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pullquote import Index
from pullquote.cli import cli
from pullquote.errors import InputError, PullquoteError
from pullquote.searching.urls import split_url
from pullquote.urls import without_password


def test_the_parts_of_a_url() -> None:
    url = split_url("postgresql://ann:s%40cret@db.lan:5433/library/my%20notes?sslmode=require")
    assert url.database == "postgresql://ann:s%40cret@db.lan:5433/library?sslmode=require"
    assert url.schema == "my notes"
    assert url.shown == "postgresql://ann@db.lan:5433/library/my%20notes"
    assert split_url("postgresql:///library/notes?host=/run").database == (
        "postgresql:///library?host=/run"
    )
    several = split_url("postgres://ann:a?b#c:d@[::1]:5433,db.lan/library/notes")
    assert several.database == "postgres://ann:a?b#c:d@[::1]:5433,db.lan/library"
    assert several.shown == "postgres://ann@[::1]:5433,db.lan/library/notes"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://db.lan/library", "expected postgresql://USER@HOST/DATABASE/INDEX"),
        ("postgresql://db.lan/library/", "expected postgresql://USER@HOST/DATABASE/INDEX"),
        ("postgresql://db.lan/a/b/c", "expected postgresql://USER@HOST/DATABASE/INDEX"),
        ("postgresql://db.lan/library/pg_notes", "no name for an index on a server"),
        ("postgresql://db.lan/library/a%00b", "no name for an index on a server"),
        ("postgresql://db.lan/library/a\udcffb", "no name for an index on a server"),
        (f"postgresql://db.lan/library/{'n' * 64}", "at most 63 bytes"),
        ("postgresql://[db.lan/library/notes", "not the URL of an index"),
    ],
)
def test_a_url_that_names_no_index(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_url(url)


SECRETS = [
    "postgresql://ann:secret@db.lan/x/y",
    "postgresql://ann:secret@db.lan/x/y/z",
    "postgresql://ann:secret@db.lan",
    "postgresql://ann:half/secret@db.lan/x/y",
    "postgresql://ann:/secret@db.lan/x/y",
    "postgresql://ann:5/secret@db.lan/y",  # which might be a port and a database
    "postgresql://ann:5/x?secret@db.lan/x/y",
    "postgresql://ann:half@secret@db.lan/x/y",
    "postgresql://ann:half/se@secret/x@db.lan/x/y",
    "postgresql://ann:secret",
    "postgresql://ann:secret/x/y",
    "postgresql://ann:\u2100secret@db.lan/x/y",
    "postgresql://db.lan/x/y?password=secret",
    "postgresql://db.lan/x/y?password=half@secret/x",
    "postgresql://db.lan/x/y/z?user=ann&password=secret",
    "postgres://db.lan?password=secret",
]
UNREADABLE = [  # for libpq
    "postgresql://ann:se%secret@db.lan/x/y",
    "postgresql://ann:secret%ecret@db.lan/x/y",
    "postgresql://ann:secret%00@db.lan/x/y",
    "postgresql://ann:secret\udcff@db.lan/x/y",
    "postgresql://db.lan/x/y?password=%secret",
    "postgresql://db.lan/x/y?password=secret%ec",
    "postgresql://db.lan/x/y?passwort=secret",
    "postgresql://db.lan/x/y?secret",
    "postgresql://db.lan/x/y?connect_timeout=secret",
]


def error_of(*arguments: object) -> str:
    """What a command that fails says."""
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    told = "pullquote: error: " in done.output  # by check, which returns its exit code
    assert told or isinstance(done.exception, (SystemExit, PullquoteError)), done.exception
    return f"{done.output} {done.exception}"


@pytest.mark.parametrize("url", [*SECRETS, *UNREADABLE])
def test_no_message_shows_a_password(url: str, tmp_path: Path) -> None:
    shown = without_password(url)
    assert "secret" not in shown
    assert "half" not in shown
    questions = tmp_path / "questions.toml"
    questions.write_text('[[question]]\nname = "rent"\nask = "How much is the rent?"\n')
    (tmp_path / "folder").mkdir()
    for arguments in (
        ["highlight", "Who?", url],
        ["fill", questions, url, "-o", tmp_path / "table.csv"],
        ["fill", url, tmp_path / "folder", "-o", tmp_path / "table.csv"],
        ["fill", questions, tmp_path / "folder", "-o", url],
        ["ask", "Who?", url, tmp_path / "folder"],
        ["index", url, "-o", tmp_path / "notes.db"],
        ["check", url, tmp_path / "folder"],
    ):
        told = error_of(*arguments)
        assert "secret" not in told
        assert "half" not in told
        assert shown in told


@pytest.mark.parametrize("url", UNREADABLE)
def test_a_url_that_libpq_cannot_read_is_told_in_our_words(url: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(InputError, match=re.escape("not a URL that libpq reads")) as raised:
        Index.open(url)
    assert "secret" not in str(raised.value)
    assert "secret" not in error_of("ask", "Who?", url)
