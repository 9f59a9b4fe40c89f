"""Files are whole under their name, or not there at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pullquote.errors import OutputError
from pullquote.files import (
    atomic_write,
    no_such_path,
    open_file,
    replacing,
    write_all_json,
    write_json,
)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """A file that must be whole afterwards, alone in its folder."""
    path = tmp_path / "notes.txt"
    path.write_text("old")
    yield path
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_is_replaced_when_it_is_whole(old: Path) -> None:
    with atomic_write(old) as file:
        file.write("n\u00e9w\n")
        file.flush()
        assert old.read_text() == "old"
    assert old.read_bytes() == "n\u00e9w\n".encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_or_ctrl_c_leaves_the_old_file(old: Path, error: type[BaseException]) -> None:
    def half() -> None:
        with atomic_write(old) as file:
            file.write("half")
            file.flush()
            raise error

    with pytest.raises(error):
        half()
    assert old.read_text() == "old"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(
    old: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*paths: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with (
        pytest.raises(OutputError, match=r"notes.txt: cannot be written \(No space left"),
        atomic_write(old) as file,
    ):
        file.write("new")
    assert old.read_text() == "old"


def test_json_that_cannot_be_written_leaves_the_old_file(old: Path) -> None:
    with pytest.raises(TypeError):
        write_json(old, {"a": [1, {2}]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(old, [float("nan")])
    assert old.read_text() == "old"


def test_json_is_readable_text_that_reads_back_as_it_was(tmp_path: Path) -> None:
    value = {"text": "naïve 東京 שָׁ \u2028", "lone": "\ud83d!", "n": 1.5}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert "東京" in text
    assert text.endswith("}\n")
    assert json.loads(text) == value


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b" / "x.json", [])
    assert (tmp_path / "a" / "b" / "x.json").read_text() == "[]\n"


@pytest.mark.parametrize("place", ["{file}/x.json", "/proc/x.json", "/proc/a/b.json", "{folder}"])
def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    path = place.format(file=tmp_path / "file", folder=tmp_path / "folder")
    with pytest.raises(OutputError, match="cannot be written"):
        write_json(path, [])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_json(tmp_path / "x.json", [])
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_a_replaced_file_keeps_its_permissions(old: Path, mode: int) -> None:
    old.chmod(mode)
    with atomic_write(old) as file:
        file.write("new")
    assert stat.S_IMODE(old.stat().st_mode) == mode


@pytest.mark.parametrize(
    "name",
    [
        *("a b", "-o", ".hidden", "line\nbreak", "東京 é", "*?%s{}", "a.", "\udcff"),
        *("x" * 255, "a." + "x" * 253),
    ],
)
def test_a_name_that_the_file_system_takes_is_taken(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / name, [1])
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_temporary_file_keeps_the_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "plot.svg") as temporary:
        assert temporary.suffix == ".svg"
        assert temporary.parent == tmp_path


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_json(tmp_path / "link.json", [])
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "[]\n"


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    # (a device is the same to the code, but a mistake there would cost root their /dev/null)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_json(tmp_path / "pipe", [1], indent=None)
        assert os.read(reader, 100) == b"[1]\n"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("what", ["pipe", "link", "loop", "dangling"])
def test_a_name_of_pullquotes_own_is_replaced_whatever_it_was(tmp_path: Path, what: str) -> None:
    """What is written neither goes where a link leads, nor waits for who reads a pipe."""
    (tmp_path / "other").write_text("mine")
    path = tmp_path / "notes.db.vectors"
    if what == "pipe":
        os.mkfifo(path)
    else:
        # no link to a device: a mistake would cost root their /dev/null
        names = {"link": "other", "loop": path.name, "dangling": "new"}
        path.symlink_to(names[what])
    with atomic_write(path, links=False) as file:
        file.write("whole")
    assert (path.read_text(), path.is_symlink()) == ("whole", False)
    assert (tmp_path / "other").read_text() == "mine"
    assert path.stat().st_mode & 0o777 == (tmp_path / "other").stat().st_mode & 0o777
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["notes.db.vectors", "other"]


def test_a_pipe_that_nobody_reads_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullquote.files.PATIENCE", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match=r"pipe: cannot be written \(a pipe that nobody reads"):
        write_json(tmp_path / "pipe", [1])
    assert (tmp_path / "pipe").is_fifo()


def test_a_pipe_may_be_read_a_little_later(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Timer(0.2, lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_json(tmp_path / "pipe", [1], indent=None)
    reader.join()
    assert read == ["[1]\n"]


def test_of_several_files_none_appears_when_one_does_not_fit(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")  # not on Windows
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the first stays in memory until it is flushed, and is the one that is too large
    contents = {tmp_path / "first.json": "x" * 2000, tmp_path / "second.json": "y"}
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"first\.json: cannot be written"):
            write_all_json(contents)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    write_all_json(contents)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.json", "second.json"]


@pytest.mark.skipif(os.name == "nt", reason="has no pipes with names in folders")
def test_a_file_that_pullquote_names_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "link"):
        with open_file(tmp_path / name) as file:
            assert file.read() == b"1"
    for name, what in (("pipe", "a pipe"), ("device", "a device or socket"), (".", "a folder")):
        for mode in ("rb", "ab", "r"):
            with pytest.raises(OSError, match=f"{what}, not a file"):
                open_file(tmp_path / name, mode)
    with pytest.raises(OSError, match="a link, not a file"):
        open_file(tmp_path / "link", "ab", links=False)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "none")
    with open_file(tmp_path / "new", "w", links=False) as file:
        file.write("é")
    assert (tmp_path / "new").read_bytes() == "é".encode()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("lease.pdf", "lease.pdf: no such file or folder; expected documents"),
        ("https://a.example/b?key=1", "https://a.example/b?...: a URL, which is not fetched; save"),
        ("https://ann:pw@a.example/b", "https://ann@a.example/b: a URL, which is not fetched; "),
        ("s3://bucket/b", "s3://bucket/b: a URL, which is not fetched; copy its files here"),
        ("file:///b", "file:///b: a URL; give the path alone"),
        ("*.pdf", "*.pdf: no file or folder matches this pattern; check it, or give a whole"),
        ("n*.txt", "n*.txt: a pattern; expected the paths that match it, such as notes.txt (the"),
        ("no\0*.txt", "matches this pattern"),
        ("Who signs?", "Who signs?: no such file or folder; a question stands before the paths"),
        ("my note?.txt", "no file or folder matches this pattern"),
        ("~/lease.pdf", "no such file or folder; the shell replaces ~ only outside quotation"),
    ],
)
def test_what_to_do_about_a_path_at_which_there_is_nothing(
    old: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.chdir(old.parent)
    assert said in no_such_path(path, "expected documents")
