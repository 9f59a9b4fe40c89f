"""URLs in messages: without the passwords that stand in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pullquote.cli import cli
from pullquote.data.formats import load, read_items
from pullquote.errors import DataError, OutputError, PullquoteError
from pullquote.scale.folders import folder_at
from pullquote.scale.plan import find
from pullquote.urls import without_password


@pytest.mark.parametrize(
    "path",
    [
        *("notes.db", "a:b@c/d.db", "c:/data/ann:x@y.csv", "?.csv"),
        *("s3://bucket/2026-11-27T10:30:00/q?.csv", "s3://bucket/ann@db.lan/q.csv"),
        *("abfs://questions@account.dfs.core.windows.net/in/*.csv", "ftp://db.lan:21/q.csv"),
        *("https://db.lan/q.csv", "memory://in/a.jsonl"),
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(path: str) -> None:
    assert without_password(path) == path


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ftp://ann:secret@127.0.0.1:1/q.csv", "ftp://ann@127.0.0.1:1/q.csv"),
        ("nonsense://ann:secret@db.lan/in/?.csv", "nonsense://ann@db.lan/in/?.csv"),
        ("nonsense://key:half/secret@bucket/q.csv", "nonsense://..."),
        ("nonsense://key:5/secret@bucket/q.csv", "nonsense://..."),  # which might be a port
        ("http://ann:secret@127.0.0.1:1/q.csv?key=secret", "http://ann@127.0.0.1:1/q.csv?..."),
        ("HTTP://127.0.0.1:1/q.csv?key=secret", "HTTP://127.0.0.1:1/q.csv?..."),
        ("postgresql://ann:secret@db.lan/library/notes", "postgresql://ann@db.lan/library/notes"),
    ],
)
def test_no_message_about_files_of_questions_shows_a_password(
    url: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert without_password(url) == shown
    for reading in (find, load, lambda url: list(read_items(url, format="csv"))):
        with pytest.raises(DataError) as raised:
            reading(url)
        assert shown in str(raised.value)
        assert "secret" not in str(raised.value)
    with pytest.raises(OutputError) as refused:
        folder_at(url)
    assert str(refused.value).startswith(f"{shown}: ")
    Path("q.csv").write_text("question,context\nWho?,Rollo led.\n")
    for arguments in (["batch", url, "out"], ["batch", "q.csv", url]):
        done = CliRunner().invoke(cli, [*arguments, "--model", "tiny"])
        assert isinstance(done.exception, PullquoteError)
        assert "secret" not in f"{done.output} {done.exception}"


def test_a_name_with_colon_and_at_is_a_file_of_its_kind() -> None:
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://d/10:30@x.csv", "w") as file:
        file.write("question,context\nWho?,Rollo led.\n")
    assert len(list(read_items("memory://d/10:30@x.csv"))) == 1


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/t.csv", "https://ann:secret@db.lan/t.csv"])
def test_a_url_is_no_file_to_write_to(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a path, it would be that of a folder `s3:` of this machine."""
    monkeypatch.chdir(tmp_path)
    Path("q.csv").write_text("id,question,context\n1,Who?,Rollo led.\n")
    for arguments in (
        ["index", "q.csv", "-o", url, "--no-vectors"],
        ["check", "q.csv", "q.csv", "--report", url],
        ["data", "convert", "q.csv", url],
    ):
        done = CliRunner().invoke(cli, arguments)
        assert "secret" not in f"{done.output} {done.exception}"
    assert [path.name for path in tmp_path.iterdir()] == ["q.csv"]
