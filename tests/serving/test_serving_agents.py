"""The limits of the tools for agents over HTTP: how many read at once, and until when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

pytest.importorskip("mcp")

from pullquote import Index, Reader
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.serving.app import create_app
from pullquote.serving.settings import Settings

SECONDS = 1.0  # of a request
BATCH = 0.1  # seconds that a batch takes


class Slow(ScriptedBackend):
    """Reads slowly, and counts who reads."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.open, self.most, self.last = inner, 0, 0, 0.0
        self._lock = threading.Lock()

    def __call__(self, batch: Any, *, alone: bool = True) -> Any:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        time.sleep(BATCH)
        with self._lock:
            self.open -= 1
            self.last = time.monotonic()
        return self.inner(batch, alone=alone)


@contextmanager
def offered(reader: Reader, text: str, tmp_path: Path) -> Iterator[TestClient]:
    with Index.create(tmp_path / "i.db") as index:
        index.add_texts([{"id": "river", "text": text}])
    app = create_app(
        reader, Settings(max_seconds=SECONDS), index=Index.open(tmp_path / "i.db"), agents=True
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def call(client: TestClient, name: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
    """The status of a call of a tool, and its result."""
    params = {"name": name, "arguments": arguments}
    response = client.post(
        "/mcp",
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        headers={"accept": "application/json, text/event-stream"},
    )
    return response.status_code, response.json().get("result", {})


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "x" * 5000}),
        ("prompts/list", {}),
        ("resources/read", {"uri": "file:///etc/passwd"}),
        ("resources/subscribe", {"uri": "file:///etc/passwd"}),
        ("completion/complete", {"ref": {}, "argument": {"name": "x", "value": "y"}}),
        ("logging/setLevel", {"level": "debug"}),
        ("tools/call", {"name": "x"}),
        ("x", {}),
    ],
)
def test_what_it_does_not_have_fills_no_log(
    reader: Reader,
    tmp_path: Path,
    method: str,
    params: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with offered(reader, "The Norse, led by Rollo, came by sea.", tmp_path) as client:
        response = client.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
            headers={"accept": "application/json, text/event-stream"},
        )
    assert response.status_code < 500
    assert {"error", "result"} & response.json().keys()
    assert len(response.text) < 1000
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert not capfd.readouterr().err


def test_no_more_read_at_once_than_there_are_workers(reader: Reader, tmp_path: Path) -> None:
    slow = reader.backend = Slow(reader.backend)
    text = "The Norse, led by Rollo, came by sea."
    asked = {"question": "Who led?", "document": "river"}
    with offered(reader, text, tmp_path) as client, ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(call, client, "highlight", **asked) for _ in range(12)]
        results = [one.result() for one in calls]
    assert slow.most == slow.workers == 1
    assert {status for status, _ in results} == {200}
    busy = [result for _, result in results if result["isError"]]
    assert 0 < len(busy) < 12
    assert all("is busy" in result["content"][0]["text"] for result in busy)


def test_reading_ends_at_the_deadline(reader: Reader, tmp_path: Path) -> None:
    slow = reader.backend = Slow(reader.backend)
    reader.backend.batch_tokens = 1
    text = "The river rises in the hills. " * 190
    with offered(reader, text, tmp_path) as client:
        started = time.monotonic()
        status, result = call(client, "highlight", question="Who led?", document="river")
        assert status == 504 or "no answer in time" in result["content"][0]["text"]
        time.sleep(3 * BATCH)
        assert slow.open == 0
        assert slow.last - started < SECONDS + 2 * BATCH


@pytest.mark.parametrize("kind", ["text/plain", "application/jsonx", ""])
def test_another_content_type_is_refused_as_elsewhere(
    reader: Reader, tmp_path: Path, kind: str
) -> None:
    with offered(reader, "The Norse came by sea.", tmp_path) as client:
        response = client.post("/mcp", content="{}", headers={"content-type": kind})
    assert response.status_code == 422
    found = repr(kind) if kind else "missing"
    assert response.json()["error"] == f"headers.content-type: {found}, expected application/json"


@pytest.mark.parametrize("kind", ["APPLICATION/JSON", "Application/Json; Charset=UTF-8"])
def test_media_types_may_be_in_capitals(reader: Reader, tmp_path: Path, kind: str) -> None:
    with offered(reader, "The Norse came by sea.", tmp_path) as client:
        response = client.post(
            "/mcp",
            content='{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}',
            headers={"accept": kind.partition(";")[0], "content-type": kind},
        )
    assert response.status_code == 200
    assert response.json()["result"]["tools"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://evil.com", 403), ("null", 403), ("https://testserver", 200), ("https://a.org", 200)],
)
def test_pages_of_other_origins_call_no_tools(
    reader: Reader, tmp_path: Path, origin: str, status: int
) -> None:
    with Index.create(tmp_path / "i.db") as index:
        index.add_texts(["The Norse came by sea."])
    settings = Settings(origins=("https://a.org",))
    app = create_app(reader, settings, index=Index.open(tmp_path / "i.db"), agents=True)
    with TestClient(app) as client:
        response = client.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            headers={"accept": "application/json, text/event-stream", "origin": origin},
        )
    assert response.status_code == status
    if status == 403:
        assert response.json()["error"].startswith(f"{origin} may not call tools")
