"""Documents that clients send: their text, what is refused, and that nothing of them stays."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from serving_helpers import MakeClient
from starlette.testclient import TestClient

from pullquote.errors import DocumentError
from pullquote.searching import pool
from pullquote.serving.uploads import read_document

MILL = Path(__file__).parents[2] / "examples" / "mill"
BYTES = {"content-type": "application/octet-stream"}


def send(client: TestClient, name: str, data: bytes, **headers: str) -> tuple[int, dict[str, str]]:
    response = client.post("/v1/text", params={"name": name}, content=data, headers=BYTES | headers)
    return response.status_code, response.json()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lease.pdf", "giving three months’ notice in writing, to the end of a quarter."),
        ("house-rules.docx", "One dog or two cats may live in the house."),
        ("history.epub", "built in 1641 by Hedda Kroon, a carpenter’s daughter who had learned"),
        ("visiting.html", "A ticket costs six crowns; children under twelve pay nothing."),
        ("ferry.csv", "In fog it does not sail.\n\nDoctor"),
    ],
)
def test_a_document_is_read_and_not_kept(
    client: TestClient, temporary: Path, name: str, words: str
) -> None:
    status, found = send(client, name, (MILL / name).read_bytes())
    assert (status, found["is_whole"], found["note"]) == (200, True, "")
    assert words in found["text"]
    assert list(temporary.iterdir()) == []


def test_a_plain_text_stays_as_it_is(client: TestClient) -> None:
    text = "  1. Rent .... 3\n\f\nThe rent\nis 840.  \n"
    for name in ("a.txt", "README", "a.b.unknown", "settings.json"):
        assert send(client, name, text.encode())[1]["text"] == text


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_a_guessed_encoding_is_told(client: TestClient, name: str) -> None:
    _, found = send(client, name, "Das Café schließt früh.".encode("latin-1"))
    assert found["text"] == "Das Café schließt früh."
    assert found["note"] == "not UTF-8; read as Windows-1252, which is a guess"
    broken = "Das Café schließt früh. ".encode() * 40 + b"\xff"
    _, found = send(client, name, broken)
    assert found["note"] == "UTF-8 with broken bytes, which are read as U+FFFD"


def test_what_was_skipped_is_told(client: TestClient) -> None:
    _, found = send(client, "a.jsonl", b'{"text": "Ann built it."}\n{\n')
    assert found["text"] == "Ann built it."
    assert found["note"].startswith("line 2: ")


@pytest.mark.parametrize("name", ["a.txt", "a.html"])
def test_no_more_than_the_longest_context_is_read(make_client: MakeClient, name: str) -> None:
    text = " ".join(f"word{number}" for number in range(500))
    with make_client(max_context=2000) as client:
        _, found = send(client, name, text.encode())
        assert (found["text"], found["is_whole"]) == (text[:2000], False)
        _, found = send(client, name, text[:1997].encode())
        assert (found["text"], found["is_whole"]) == (text[:1997], True)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", b"%PDF-1.4 junk", "not readable as a PDF"),
        ("a.docx", b"PK\x03\x04 junk", "not readable as DOCX"),
        ("a.doc", b"\xd0\xcf\x11\xe0\x00\x00", "an old format; save it as .docx"),
        ("a.png", b"\x89PNG\r\n\x1a\n\x00\x00", ".png is no ending of documents"),
        ("a.txt", b"", "empty (0 bytes)"),
        ("a.txt", b" \n", "there is no text in it"),
        ("a.html", b"<p></p>", "there is no text in it"),
    ],
)
def test_what_cannot_be_read_says_why(
    client: TestClient, name: str, data: bytes, reason: str
) -> None:
    status, error = send(client, name, data)
    assert (status, error["code"]) == (422, "invalid")
    assert error["error"].startswith(reason)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.json", "/etc/passwd", "a\0b.txt", "..", "é" * 400, "\ud800.txt"]
)
def test_a_name_is_no_path(client: TestClient, temporary: Path, name: str) -> None:
    query = quote(name.encode("utf-8", "surrogatepass"))
    response = client.post(f"/v1/text?name={query}", content=b"Ann built it.", headers=BYTES)
    assert response.json()["text"] == "Ann built it."
    assert list(temporary.iterdir()) == []


def test_no_page_of_another_site_can_have_a_document_read(client: TestClient) -> None:
    """Browsers send these types without asking the server before."""
    for kind in ("", "text/plain", "multipart/form-data; boundary=a"):
        status, error = send(client, "a.txt", b"Ann", **{"content-type": kind})
        assert status == 422
        assert "expected application/octet-stream" in error["error"]


def test_a_document_has_a_limit_of_its_own(make_client: MakeClient) -> None:
    with make_client(max_body=100, max_file=1000) as client:
        assert send(client, "a.txt", b"x" * 1000)[0] == 200
        status, error = send(client, "a.txt", b"x" * 1001)
        assert (status, error["code"]) == (413, "too_large")
        assert "over 1,000 bytes" in error["error"]
        asked = {"question": "Who?", "context": "x" * 200}
        assert client.post("/v1/answer", json=asked).status_code == 413


def test_reading_stops_when_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    pool.end_idle()
    hang = "import time; time.sleep(60)"
    monkeypatch.setattr(pool, "_PROGRAM", hang)
    given_up = threading.Event()
    threading.Timer(0.2, given_up.set).start()
    started = time.monotonic()
    with pytest.raises(DocumentError):
        read_document("a.html", b"<p>Ann", most=10, abandoned=given_up.is_set)
    assert time.monotonic() - started < 20


def test_a_server_without_room_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    status, error = send(client, "a.pdf", b"%PDF-")
    assert (status, error["error"]) == (503, "documents cannot be read at the moment")
