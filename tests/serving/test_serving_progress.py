"""Answers that tell how much of a text is read, and are not cut off while reading goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from serving_helpers import MakeClient
from starlette.responses import JSONResponse, Response

from pullquote import Reader
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.serving import progress
from pullquote.serving.error_responses import ApiError

LINES = {"accept": f"{progress.MEDIA_TYPE}, application/json"}
LONG = "The river rises in the hills. " * 400 + "The Norse, led by Rollo, came by sea."
ASKED = {"question": "Who led the Norse?", "context": LONG}


@pytest.fixture
def slow(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Make each batch take so many seconds."""
    monkeypatch.setattr(progress, "INTERVAL", 0.05)
    inner = reader.backend

    def slow(seconds: float) -> None:
        class Slow(ScriptedBackend):
            def __call__(self, batch: Any, *, alone: bool = True) -> Any:
                time.sleep(seconds)
                return inner(batch, alone=alone)

        reader.backend = Slow(lambda ids: ([], []))

    return slow


def test_progress_rises_until_the_answer(
    make_client: MakeClient, slow: Callable[[float], None]
) -> None:
    slow(0.03)
    with make_client() as client:
        response = client.post("/v1/answer", json=ASKED, headers=LINES)
        assert response.headers["content-type"] == progress.MEDIA_TYPE
        *told, answer = map(json.loads, response.text.splitlines())
        shares = [one["progress"] for one in told]
        assert len(shares) > 2
        assert shares == sorted(set(shares))
        assert 0 <= shares[0] < 0.5 < shares[-1] <= 1
        assert answer["results"][0]["answer"]["text"] == "Rollo"
        assert client.post("/v1/answer", json=ASKED).json() == answer


def test_reading_may_take_longer_than_the_deadline_while_it_goes_on(
    make_client: MakeClient, slow: Callable[[float], None]
) -> None:
    slow(0.15)
    with make_client(max_seconds=0.4) as client:
        assert client.post("/v1/answer", json=ASKED).status_code == 504
        started = time.monotonic()
        response = client.post("/v1/answer", json=ASKED, headers=LINES)
        assert time.monotonic() - started > 1.5  # a piece may take 0.4 seconds and one
        assert json.loads(response.text.splitlines()[-1])["results"][0]["answer"]["text"] == "Rollo"


def test_an_answer_that_is_ready_soon_is_an_ordinary_one(make_client: MakeClient) -> None:
    with make_client() as client:
        response = client.post("/v1/answer", json=ASKED | {"context": "Rollo."}, headers=LINES)
        assert response.headers["content-type"] == "application/json"
        refused = client.post("/v1/answer", json=ASKED | {"question": " "}, headers=LINES)
        assert refused.status_code == 422


async def body_of(response: Response) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    await response({"type": "http"}, receive, send)
    assert not sent[-1]["more_body"]
    content = b"".join(one.get("body", b"") for one in sent)
    return [json.loads(line) for line in content.splitlines()]


def respond(seconds: float, end: Response | Exception, *, most: float) -> list[dict[str, Any]]:
    """The lines of a response to work that takes so long and tells no progress."""

    async def work() -> Response:
        await asyncio.sleep(seconds)
        if isinstance(end, Exception):
            raise end
        return end

    async def main() -> list[dict[str, Any]]:
        return await body_of(await progress.respond(work(), lambda: 0.25, most))

    return asyncio.run(main())


def test_work_without_progress_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.02)
    told, error = respond(5, JSONResponse({}), most=0.1)
    assert told == {"progress": 0.25}
    assert (error["code"], error["error"]) == ("timeout", "nothing was read for 0.1 seconds")


def test_an_error_is_the_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.02)
    _, error = respond(0.1, ApiError(503, "the queue is full"), most=9)
    assert (error["code"], error["error"]) == ("busy", "the queue is full")


def test_a_failure_is_logged_and_is_the_last_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.02)
    _, error = respond(0.1, RuntimeError("out of luck"), most=9)
    assert error["code"] == "internal"
    assert "out of luck" not in error["error"]
    assert "out of luck" in caplog.text


def test_the_work_of_a_response_that_is_never_sent_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.02)

    async def main() -> bool:
        work = asyncio.ensure_future(asyncio.sleep(5, JSONResponse({})))
        await progress.respond(work, lambda: 0.25, 9)
        await asyncio.wait([work], timeout=1)
        return work.cancelled()

    assert asyncio.run(main())


def test_many_texts_that_are_read_together_are_progress(
    make_client: MakeClient, slow: Callable[[float], None]
) -> None:
    slow(0.15)
    contexts = [f"The river rises in hill {n}." for n in range(20)]
    asked = {"question": "Who led the Norse?", "context": contexts}
    with make_client(max_seconds=0.6, max_batch=2) as client:
        lines = client.post("/v1/answer", json=asked, headers=LINES).text.splitlines()
    assert len(json.loads(lines[-1])["results"]) == 20


def test_texts_count_by_their_lengths() -> None:
    share = progress.Share([300, 100])
    assert share() == 0
    share.progress(0)(150, 300, "reading")
    share.progress(1)(50, 100, "reading")
    assert share() == 0.5
    assert progress.Share([0])() == 0
