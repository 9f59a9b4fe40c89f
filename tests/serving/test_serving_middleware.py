"""The middleware: token, origins, timeouts, capacity, clients that disconnect."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving_helpers import MakeClient
from starlette.testclient import TestClient

from pullquote import Index, Reader
from pullquote.errors import ConfigError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.serving.app import create_app
from pullquote.serving.settings import Settings

ASKED = {"question": "Who led the Norse?", "context": "The Norse, led by Rollo, came by sea."}


# ---- token


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("POST", "/v1/answer"), ("GET", "/v1/model"), ("GET", "/metrics")],
)
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer other", "Basic secret", "Bearer é"])
def test_without_its_token_nothing_is_answered(
    make_client: MakeClient, method: str, path: str, given: str | None
) -> None:
    headers = {"authorization": given.encode("latin-1")} if given else {}
    with make_client(token="secret") as client:
        response = client.request(method, path, headers=headers, content=b"x" * 100)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_with_its_token_all_is_answered(make_client: MakeClient) -> None:
    with make_client(token="secret") as client:
        headers = {"authorization": "Bearer secret"}
        assert client.post("/v1/answer", json=ASKED, headers=headers).status_code == 200
        assert client.get("/metrics", headers=headers).status_code == 200


def test_the_page_and_health_need_no_token(make_client: MakeClient) -> None:
    with make_client(token="secret") as client:
        for path in ("/", "/page.js", "/docs", "/openapi.json", "/healthz", "/readyz"):
            assert client.get(path).status_code == 200


def test_a_token_is_compared_in_constant_time(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or True)
    with make_client(token="secret") as client:
        client.post("/v1/answer", json=ASKED, headers={"authorization": "Bearer x"})
    assert compared == [(b"x", b"secret")]


@pytest.mark.parametrize("token", ["a\nb", "é"])
def test_a_token_that_no_header_could_hold_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="an HTTP header cannot hold"):
        Settings(token=token)


# ---- other sites


def test_other_sites_may_ask_only_when_named(make_client: MakeClient) -> None:
    headers = {"origin": "https://example.org", "access-control-request-method": "POST"}
    for origins, allowed in (((), None), (("https://example.org",), "https://example.org")):
        with make_client(origins=origins, token="secret") as client:
            before = client.options("/v1/answer", headers=headers)
            assert before.headers.get("access-control-allow-origin") == allowed
            refused = client.post("/v1/answer", json=ASKED, headers={"origin": headers["origin"]})
            assert refused.status_code == 401
            assert refused.headers.get("access-control-allow-origin") == allowed


def test_a_refused_preflight_has_the_shape_of_other_refusals(make_client: MakeClient) -> None:
    allowed = {"origin": "https://example.org", "access-control-request-method": "POST"}
    refused = (
        ({"origin": "https://evil.example"}, "origin"),
        ({"access-control-request-method": "DELETE"}, "method"),
        ({"access-control-request-headers": "x-evil"}, "headers"),
    )
    with make_client(origins=("https://example.org",)) as client:
        for headers, what in refused:
            response = client.options("/v1/answer", headers=allowed | headers)
            assert (response.status_code, response.json()["code"]) == (400, "bad_request")
            assert f"(not allowed: {what})" in response.json()["error"]
            assert "--allow-origin" in response.json()["error"]
            assert response.headers["content-type"] == "application/json"
            assert response.headers["vary"].startswith("Origin")
            assert response.headers["x-content-type-options"] == "nosniff"
        response = client.options("/v1/answer", headers=allowed)
        assert response.status_code == 200
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "ftp://example.org"])
def test_an_origin_is_a_scheme_and_a_host(origin: str) -> None:
    with pytest.raises(ConfigError, match="expected a scheme and a host"):
        Settings(origins=(origin,))


# ---- time and room


@pytest.fixture
def gate(reader: Reader) -> threading.Event:
    """Closed, it holds the reader in the model; `reader.begun` says that it is there."""
    gate = threading.Event()
    inner = reader.backend

    class Gated(ScriptedBackend):
        begun = threading.Event()

        def __call__(self, batch: Any, *, alone: bool = True) -> Any:
            self.begun.set()
            assert gate.wait(30)
            return inner(batch, alone=alone)

    reader.backend = Gated(lambda ids: ([], []))
    return gate


def test_an_answer_that_takes_too_long_is_given_up(
    make_client: MakeClient, gate: threading.Event
) -> None:
    with make_client(max_seconds=0.8) as client:
        response = client.post("/v1/answer", json=ASKED)
        assert (response.status_code, response.json()["code"]) == (504, "timeout")
        assert "within 0.8 seconds" in response.json()["error"]
        gate.set()
        assert client.post("/v1/answer", json=ASKED).status_code == 200


PIPELINE = {"inputs": ASKED}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/answer", ASKED), ("/", PIPELINE), ("/v1/ask", {"question": "Where is the water?"})],
)
def test_the_deadline_reaches_the_model(
    reader: Reader, mill: Path, path: str, body: dict[str, Any]
) -> None:
    told: list[float] = []

    class Engine(ScriptedBackend):
        """Stops at its deadline, within a batch, as the engine does."""

        def __call__(self, batch: Any, *, alone: bool = True, deadline: float = 0) -> Any:
            told.append(deadline)
            time.sleep(deadline)
            raise TimeoutError

        def spans(self, windows: Any, *, deadline: float, **options: Any) -> Any:
            return self(windows, deadline=deadline)

    reader.backend = Engine(lambda ids: ([], []))
    app = create_app(reader, Settings(max_seconds=1), index=Index.open(mill, private=True))
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post(path, json=body)
    assert (response.status_code, response.json()["code"]) == (504, "timeout")
    assert len(told) == 1
    assert 0 < told[0] < 1


def asgi(app: Any, receive: Callable[[], Any], path: str = "/v1/answer") -> list[dict[str, Any]]:
    """What the application sends for a request whose messages come from `receive`."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }

    async def main() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(app(scope, receive, send), 20)

    asyncio.run(main())
    return sent


def test_a_request_that_does_not_come_whole_in_time_is_refused(reader: Reader) -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    start, body = asgi(create_app(reader, Settings(max_seconds=0.1)), receive)
    assert start["status"] == 408
    assert b"not come whole after 0.1 seconds" in body["body"]


def test_a_body_without_a_length_is_read_to_the_limit_and_no_further(reader: Reader) -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 100
        return {"type": "http.request", "body": b" " * 100, "more_body": True}

    start, _ = asgi(create_app(reader, Settings(max_body=1000)), receive)
    assert start["status"] == 413
    assert read == 1100


def test_a_client_that_leaves_has_its_question_dropped(
    reader: Reader, gate: threading.Event
) -> None:
    body = b'{"question": "Who led?", "context": "%b"}' % (b"Rollo came by sea. " * 400)
    messages = [{"type": "http.request", "body": body}]
    calls = 0
    gated = reader.backend

    def counted(batch: Any, *, alone: bool = True) -> Any:
        nonlocal calls
        calls += 1
        return gated(batch, alone=alone)

    counted.workers, counted.batch_tokens = 1, 64  # type: ignore[attr-defined]
    reader.backend = counted  # type: ignore[assignment]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        while not gated.begun.is_set():  # type: ignore[attr-defined]
            await asyncio.sleep(0.005)
        threading.Timer(0.2, gate.set).start()  # by then the application knows
        return {"type": "http.disconnect"}

    assert asgi(create_app(reader), receive) == []
    assert calls == 1  # of about a hundred batches


def test_a_full_server_turns_away_and_stays_alive(
    make_client: MakeClient, gate: threading.Event, reader: Reader
) -> None:
    with make_client(max_queue=2) as client:
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(client.post("/v1/answer", json=ASKED).status_code)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        while "pullquote_open_requests 2.0" not in client.get("/metrics").text:
            pass
        busy = client.post("/v1/answer", json=ASKED)
        assert (busy.status_code, busy.json()["code"]) == (503, "busy")
        assert busy.headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
        gate.set()
        for thread in threads:
            thread.join()
        assert statuses == [200, 200]
        assert client.post("/v1/answer", json=ASKED).status_code == 200


def test_more_questions_than_may_wait_are_turned_away(
    make_client: MakeClient, gate: threading.Event
) -> None:
    with make_client(max_queue=4, max_batch=1) as client:
        many = {**ASKED, "question": ["Who?"] * 5}
        threads = [
            threading.Thread(target=client.post, args=("/v1/answer",), kwargs={"json": many})
        ]
        threads[0].start()
        while "pullquote_waiting_questions 4.0" not in client.get("/metrics").text:
            pass
        assert client.get("/readyz").status_code == 503
        assert client.post("/v1/answer", json=ASKED).status_code == 503
        gate.set()
        threads[0].join()
        assert client.get("/readyz").status_code == 200


def test_headers_of_safety_are_on_every_answer(client: TestClient) -> None:
    for response in (client.get("/"), client.get("/nowhere"), client.post("/v1/answer")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
