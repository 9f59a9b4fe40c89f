"""`pullquote data`: check, convert there and back, fetch from a server."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import Run

from pullquote.data import load, save
from pullquote.data.download import SQUAD2

FORMATS = ["a.json", "a.json.gz", "a.jsonl", "a.jsonl.gz", "a.csv", "a.csv.gz", "a.parquet"]


def test_check_counts_and_finds_nothing(call: Run, dev60: Path) -> None:
    out = call("data", "check", dev60).succeeded().out
    assert out == f"{dev60}: 60 questions (33 unanswerable), 0 dropped\n"


def test_conversion_there_and_back(call: Run, dev60: Path, tmp_path: Path) -> None:
    examples = load(dev60).examples
    source: object = dev60
    for name in [*FORMATS, "end.json"]:
        assert call("data", "convert", source, name).succeeded().out == f"{name}: 60 questions\n"
        assert load(tmp_path / name).examples == examples
        source = name
    save(examples, "direct.json")
    assert (tmp_path / "end.json").read_bytes() == (tmp_path / "direct.json").read_bytes()
    packed = (tmp_path / "a.jsonl.gz").read_bytes()
    assert packed[:2] == b"\x1f\x8b"


def test_conversion_onto_itself(call: Run, dev60: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(dev60.read_bytes())
    call("data", "convert", path, path).succeeded()
    assert load(path).examples == load(dev60).examples


def test_a_conversion_onto_itself_loses_nothing(call: Run, tmp_path: Path) -> None:
    lines = "id,question,context\n1,Who came?,Rollo came.\n1,Who?,The same id.\n"
    Path(tmp_path, "mine.csv").write_text(lines)
    result = call("data", "convert", "mine.csv", "./mine.csv")
    assert result.code == 1
    assert "is the source itself" in result.err
    assert Path(tmp_path, "mine.csv").read_text() == lines


def test_conversion_to_an_unknown_format_or_folder(call: Run, dev60: Path, tmp_path: Path) -> None:
    call("data", "convert", dev60, "d.xlsx").failed("d.xlsx", "known are .json")
    call("data", "convert", dev60, "new/folder/d.csv").succeeded()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["d.csv", "folder", "new"]


# ---- squad2


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and its address on a server of our own."""
    folder = tmp_path / "mirror"
    folder.mkdir()

    def handler(*arguments: object) -> Quiet:
        return Quiet(*arguments, directory=str(folder))  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def by_hand() -> list[str]:
    """What must be in every message: what to fetch, how large it is, and where it goes."""
    facts = [f"{file.size:,} bytes  sha256 {file.sha256}" for file in SQUAD2]
    return [*facts, "Without a network, fetch by hand, put into data and run again"]


def test_a_mirror_with_other_files(call: Run, mirror: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = mirror
    (folder / "train-v2.0.json").write_text("<html>Please log in</html>")
    result = call("data", "squad2", "data", "--url", url)
    result.failed("has 26 bytes, expected 42,123,633", f"{url}/train-v2.0.json", *by_hand())
    assert list((tmp_path / "data").glob("*.json")) == []


def test_a_mirror_without_the_files(call: Run, mirror: tuple[Path, str]) -> None:
    call("data", "squad2", "data", "--url", mirror[1]).failed("HTTP 404", *by_hand())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "cannot be reached"),
        ("file:///etc", "cannot be reached"),
        ("nonsense", "cannot be reached"),
    ],
)
def test_addresses_that_lead_nowhere(call: Run, url: str, words: str) -> None:
    call("data", "squad2", "data", "--url", url).failed(words, *by_hand())


def test_a_file_of_ones_own_is_not_overwritten(call: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-v2.0.json").write_text("mine")
    result = call("data", "squad2", "data", "--url", "http://127.0.0.1:9")
    result.failed("is another file: 4 bytes", "Move it away and run again")
    assert (tmp_path / "data" / "train-v2.0.json").read_text() == "mine"


def test_files_that_are_there_are_not_fetched(
    call: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two small files in the place of the official ones, which have their own tests."""
    from pullquote.data import download

    content = json.dumps({"data": []}).encode()
    facts = (len(content), hashlib.sha256(content).hexdigest())
    files = tuple(download.RemoteFile(file.name, *facts) for file in SQUAD2)
    options = download.download_squad2.__kwdefaults__
    monkeypatch.setitem(options, "files", files)  # type: ignore[arg-type]
    for file in files:
        Path(tmp_path, file.name).write_bytes(content)
    out = call("data", "squad2", "--url", "http://127.0.0.1:9").succeeded().out
    assert out == "train-v2.0.json\ndev-v2.0.json\n"
