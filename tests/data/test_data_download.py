"""The download over real HTTP on this machine: whole, broken off, wrong, and without a network."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pullquote.data.download import OFFICIAL, SQUAD2, RemoteFile, download_squad2
from pullquote.errors import DownloadError, OutputError

CONTENT = random.Random(0).randbytes(200_000)
FILE = RemoteFile("dev.json", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Server(ThreadingHTTPServer):
    """Serves `content`; the switches below make it a bad server."""

    daemon_threads = True
    content = CONTENT
    ranges = True  # answer a range with 206 and the rest, not with 200 and everything
    length = True  # say how long the answer is
    breaks_after: int | None = None  # bytes of a body, then the connection is closed
    stalled: threading.Event | None = None  # until it is set, connections stay open and silent

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []  # the Range header of each request
        self.sent = 0

    def handle_error(self, *args: object) -> None:
        """Say nothing of clients that hang up, as some tests have them do."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/dataset"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"]
        server.asked.append(asked)
        start = int(asked[len("bytes=") : -1]) if asked and server.ranges else 0
        body = server.content[start:]
        status = 200 if not start else 206 if body else 416
        self.send_response(status if self.path == "/dataset/dev.json" else 404)
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: server.breaks_after]
        server.sent += len(body)  # before the client has them, and the test looks
        self.wfile.write(body)
        if server.stalled:
            server.stalled.wait(10)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server: Server, directory: Path, **options: object) -> bytes:
    options = {"base_url": server.url, "files": [FILE], **options}
    (path,) = download_squad2(directory, **options)  # type: ignore[arg-type]
    assert path == directory / "dev.json"
    assert not (directory / "dev.json.part").exists()
    return path.read_bytes()


def test_the_official_files_are_pinned() -> None:
    assert OFFICIAL.startswith("https://")
    assert [(file.name, file.size) for file in SQUAD2] == [
        ("train-v2.0.json", 42_123_633),
        ("dev-v2.0.json", 4_370_528),
    ]
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in SQUAD2)


def test_a_file_is_fetched_once_with_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def progress(done: int, total: int, name: str) -> None:
        seen.append((name, done, total))

    assert fetch(server, tmp_path / "new" / "folder", progress=progress) == CONTENT
    assert seen[-1] == ("dev.json", FILE.size, FILE.size)
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert fetch(server, tmp_path / "new" / "folder") == CONTENT
    assert server.asked == [None]


@pytest.mark.parametrize("length", [True, False])
def test_a_broken_download_asks_only_for_the_rest(
    server: Server, tmp_path: Path, length: bool
) -> None:
    server.breaks_after, server.length = 120_000, length
    with pytest.raises(DownloadError, match=r"broke off at 120,000 of 200,000 bytes. Run again"):
        fetch(server, tmp_path)
    server.breaks_after = None
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked == [None, "bytes=120000-"]
    assert server.sent == FILE.size


def test_a_stalled_download_is_given_up_and_resumed(server: Server, tmp_path: Path) -> None:
    server.breaks_after, server.stalled = 120_000, threading.Event()
    with pytest.raises(DownloadError, match="broke off at 120,000"):
        fetch(server, tmp_path, timeout=0.3)
    server.stalled.set()
    server.breaks_after = None
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked == [None, "bytes=120000-"]


def test_ctrl_c_leaves_the_part_to_resume_from(server: Server, tmp_path: Path) -> None:
    def interrupt(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, progress=interrupt)
    have = (tmp_path / "dev.json.part").stat().st_size
    assert 0 < have < FILE.size
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked == [None, f"bytes={have}-"]


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dev.json.part").write_bytes(CONTENT[:70_000])
    server.ranges = False
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked == ["bytes=70000-"]


def test_a_complete_part_needs_no_request(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dev.json.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("part", [b"x" * FILE.size, CONTENT + b"x"])
def test_a_part_that_cannot_be_right_is_fetched_anew(
    server: Server, tmp_path: Path, part: bytes
) -> None:
    (tmp_path / "dev.json.part").write_bytes(part)
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked == [None]


def test_wrong_bytes_are_removed_and_never_take_the_name(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=f"another file: sha256 .*expected {FILE.sha256}"):
        fetch(server, tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_wrong_length_keeps_what_was_fetched_before(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dev.json.part").write_bytes(CONTENT[:70_000])
    server.content, server.ranges = b"<html>Please log in</html>", False
    with pytest.raises(DownloadError, match=r"has 26 bytes, expected 200,000: .* log-in page"):
        fetch(server, tmp_path)
    server.content, server.ranges = CONTENT, True
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked[-1] == "bytes=70000-"


def test_a_range_beyond_the_servers_file_asks_for_the_whole(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dev.json.part").write_bytes(CONTENT[:70_000])
    server.content = CONTENT[:50_000]
    with pytest.raises(DownloadError, match="has 50,000 bytes, expected 200,000"):
        fetch(server, tmp_path)
    assert server.asked == ["bytes=70000-", None]


def test_an_endless_answer_is_cut_off(server: Server, tmp_path: Path) -> None:
    server.content, server.length = b"x" * (FILE.size * 20), False
    with pytest.raises(DownloadError, match="another file: sha256"):
        fetch(server, tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_file_of_the_same_name_is_never_overwritten(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dev.json").write_text("my notes")
    with pytest.raises(DownloadError, match=r"another file: 8 bytes, expected 200,000. Move it"):
        fetch(server, tmp_path)
    assert (tmp_path / "dev.json").read_text() == "my notes"
    assert server.asked == []


def test_offline_says_what_to_fetch_by_hand_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:  # bound and never listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        (tmp_path / "here.json").write_bytes(CONTENT)
        here = RemoteFile("here.json", FILE.size, FILE.sha256)
        with pytest.raises(DownloadError) as caught:
            download_squad2(tmp_path, base_url=url, files=[here, FILE])
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(f"{url}dev.json cannot be reached (")
    assert rest == [
        f"Without a network, fetch by hand, put into {tmp_path} and run again:",
        f"  {url}dev.json  200,000 bytes  sha256 {FILE.sha256}",
    ]


def test_a_server_that_says_nothing_times_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(DownloadError, match=r"cannot be reached .*timed out"):
            download_squad2(tmp_path, base_url=url, files=[FILE], timeout=0.1)


def test_http_errors_and_odd_addresses_are_download_errors(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="HTTP 404 Not Found"):
        fetch(server, tmp_path, base_url=f"{server.url}/elsewhere")
    for odd in ("nonsense", "file:///etc", "http://[", "http://a b/"):
        with pytest.raises(DownloadError, match="cannot be reached"):
            fetch(server, tmp_path, base_url=odd)


def test_a_folder_that_cannot_be_written_is_an_output_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        fetch(server, tmp_path / "file")
    assert server.asked == []


def test_a_full_disk_is_an_output_error_and_the_part_is_kept(
    server: Server, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
    try:
        with pytest.raises(OutputError, match="make room, and run again"):
            fetch(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert fetch(server, tmp_path) == CONTENT
    assert server.asked[-1] is not None
