"""What strangers may make the server hold: bodies that arrive, open requests, quotes."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_helpers import MakeClient
from starlette.testclient import TestClient

from pullquote import Index, Reader
from pullquote.compat.pipeline import QuestionAnsweringPipeline
from pullquote.errors import InputError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.serving import memory, middleware
from pullquote.serving.app import create_app
from pullquote.serving.arrivals import Arrivals
from pullquote.serving.memory import Memory, MemoryFullError
from pullquote.serving.metrics import Metrics
from pullquote.serving.settings import Settings
from pullquote.serving.workers import AbandonedError

ASKED = {"question": "Who led the Norse?", "context": "The Norse, led by Rollo, came by sea."}


# ---- bodies that arrive


def test_the_oldest_body_gives_way() -> None:
    given_up: list[str] = []
    arrivals = Arrivals(100)
    with (
        arrivals.begin(lambda: given_up.append("a")) as a,
        arrivals.begin(lambda: given_up.append("b")) as b,
    ):
        a.add(60)
        b.add(40)
        assert given_up == []
        b.add(1)
        assert given_up == ["a"]
        b.add(59)
        assert given_up == ["a"]  # whose bytes no longer count
        b.add(1)
        assert given_up == ["a", "b"]
        assert a.was_given_up
    with arrivals.begin(lambda: given_up.append("c")) as c:
        c.add(100)
    assert given_up == ["a", "b"]


class Slow:
    """Requests to an application whose bodies stop after `sent`; what they are answered."""

    def __init__(self, app: Any, sent: bytes) -> None:
        self.app, self.sent = app, sent
        self.answers: list[tuple[int, dict[str, Any]]] = []

    async def request(self, *, is_whole: bool = False) -> None:
        messages = [{"type": "http.request", "body": self.sent, "more_body": not is_whole}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/answer", "headers": headers}
        await self.app({**scope, "query_string": b""}, receive, send)
        self.answers.append((sent[0]["status"], json.loads(sent[1]["body"])))


def test_bodies_that_do_not_arrive_keep_no_others_out(reader: Reader) -> None:
    app = create_app(reader, Settings(max_queue=2, max_seconds=1))
    slow = Slow(app, b" " * 100)

    good = Slow(app, json.dumps(ASKED).encode())

    async def main() -> None:
        async with app.router.lifespan_context(app):
            tasks = [asyncio.create_task(slow.request()) for _ in range(300)]
            await asyncio.sleep(0.1)
            await good.request(is_whole=True)
            await asyncio.gather(*tasks)

    asyncio.run(main())
    assert [status for status, _ in good.answers] == [200]
    assert [status for status, _ in slow.answers] == [408] * 300


def test_one_body_is_parsed_in_each_round_of_the_event_loop() -> None:
    parsed = 0
    rounds: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal parsed
        parsed += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    limited = middleware.RequestMiddleware(app, settings=Settings(), metrics=Metrics(), paths=())
    slow = Slow(limited, b"{}")

    async def main() -> None:
        tasks = [asyncio.create_task(slow.request(is_whole=True)) for _ in range(50)]
        while len(slow.answers) < 50:
            rounds.append(parsed)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert parsed == 50
    assert max(after - before for before, after in itertools.pairwise(rounds)) == 1


def test_bodies_that_arrive_have_a_bound_together(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "ARRIVING_BODIES", 2)
    app = create_app(reader, Settings(max_body=1000, max_file=1000, max_seconds=1))
    slow = Slow(app, b" " * 900)

    async def main() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.gather(*(slow.request() for _ in range(5)))

    asyncio.run(main())
    assert [status for status, _ in slow.answers] == [503] * 3 + [408] * 2
    assert slow.answers[0][1]["code"] == "busy"
    assert "this one is slow" in slow.answers[0][1]["error"]


# ---- open requests


def test_accounts_share_a_memory_and_give_it_back() -> None:
    shared = Memory(100)
    with shared.account(60) as one:
        with pytest.raises(MemoryFullError, match="60 bytes, of at most 100"), shared.account(41):
            pass
        with shared.account(40):
            with pytest.raises(MemoryFullError):
                one.take(1)
            assert shared.held == 100
        one.take(40)
    assert shared.held == 0
    with pytest.raises(AbandonedError):
        one.take(1)  # by a worker thread that has not heard yet
    assert shared.held == 0
    with shared.account(1000):  # alone, a request may have what its own limits allow
        assert shared.held == 1000


def test_quotes_are_counted_in_bytes_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_QUOTED_BYTES", 1000)
    with Memory(10_000).account(0) as account:
        account.take_quotes(["a" * 100, "é" * 100, "😀"])
        assert account.held == 300 + 100 + 200 + 4
        with pytest.raises(InputError, match="over 1,000 bytes, the most that a response holds"):
            account.take_quotes(["a" * 297])


def test_open_requests_have_a_bound_together(
    make_client: MakeClient, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "OPEN_BODIES", 1)
    gate = threading.Event()
    begun = threading.Event()
    inner = reader.backend

    class Gated(ScriptedBackend):
        def __call__(self, batch: Any, *, alone: bool = True) -> Any:
            begun.set()
            assert gate.wait(30)
            return inner(batch, alone=alone)

    reader.backend = Gated(lambda ids: ([], []))
    with make_client(max_body=400) as client:
        statuses: list[int] = []
        body = {**ASKED, "context": f"{ASKED['context']} {' ' * 200}"}
        first = threading.Thread(
            target=lambda: statuses.append(client.post("/v1/answer", json=body).status_code)
        )
        first.start()
        assert begun.wait(30)
        busy = client.post("/v1/answer", json=body)
        assert (busy.status_code, busy.json()["code"]) == (503, "busy")
        assert "open requests hold" in busy.json()["error"]
        assert busy.headers["retry-after"] == "1"
        gate.set()
        first.join()
        assert statuses == [200]
        assert client.post("/v1/answer", json=body).status_code == 200


# ---- quotes that are as long as their text


@pytest.fixture
def long_words(reader: Reader) -> Iterator[TestClient]:
    """A reader that likes every span; a word of over 100 characters is one token to it."""
    reader.backend = ScriptedBackend(lambda ids: ([0.0, *[9.0] * (len(ids) - 1)],) * 2)
    with TestClient(create_app(reader, Settings(max_queue=64))) as client:
        yield client


HUGE = " ".join(letter * 20_000 for letter in "vwxyz")  # five tokens
BLANKS = "river" + " " * 40_000 + "hills" + " " * 40_000 + "city"
UNSEEN = "river" + "\u200b" * 80_000 + "hills"  # characters that no token has
WORDS = " ".join(f"{number:04}" * 500 for number in range(149))

MANY_QUESTIONS = "/v1/answer", {"question": ["Who led the Norse?"] * 60, "top_k": 20}
PIPELINE = "/", {"top_k": 160}


@pytest.mark.parametrize("text", [HUGE, BLANKS, UNSEEN, WORDS])
@pytest.mark.parametrize(("path", "options"), [MANY_QUESTIONS, PIPELINE])
def test_a_response_has_a_bound_whatever_is_asked(
    long_words: TestClient, text: str, path: str, options: dict[str, Any]
) -> None:
    if path == "/":
        inputs = {"question": "Who led?", "context": text}
        response = long_words.post(path, json={"inputs": inputs, "parameters": options})
    else:
        response = long_words.post(path, json={**options, "context": text})
    assert len(response.content) < 1.3 * memory.MAX_QUOTED_BYTES
    assert long_words.app.state.services.batcher.waiting == 0  # type: ignore[attr-defined]
    refusals = {
        ("/v1/answer", HUGE): "the quotes have over 4,194,304 bytes",
        ("/", WORDS): "the answers to choose from have",
    }
    if expected := refusals.get((path, text)):
        assert response.status_code == 422
        assert expected in response.json()["error"]
        assert "lower top_k" in response.json()["error"]
    else:
        assert response.status_code == 200


def test_a_question_beside_one_that_quotes_too_much_is_answered(long_words: TestClient) -> None:
    statuses: list[int] = []

    def ask(body: dict[str, Any]) -> None:
        statuses.append(long_words.post("/v1/answer", json=body).status_code)

    many = {"question": ["Who?"] * 60, "context": HUGE, "top_k": 20}
    threads = [threading.Thread(target=ask, args=(one,)) for one in (many, ASKED, ASKED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 422]


def test_the_pipeline_checks_before_it_makes_texts(reader: Reader) -> None:
    qa = QuestionAnsweringPipeline(reader)
    assert qa("Who led?", "Rollo came by sea.")["answer"]
    qa.max_characters = 10
    with pytest.raises(InputError, match="expected at most 10; lower top_k or max_answer_len"):
        qa("Who led?", "Rollo came by sea.")


def test_an_answer_from_documents_has_the_same_bound(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"question": "Who led?", "top_k": 1000}
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("Rollo led the river. " * 50)
    with Index.create(tmp_path / "a.db") as index:
        index.add([folder])
        with TestClient(create_app(reader, index=index)) as client:
            whole = client.post("/v1/ask", json=asked)
            assert whole.status_code == 200
            monkeypatch.setattr(memory, "MAX_QUOTED_BYTES", len(whole.content) // 3)
            response = client.post("/v1/ask", json=asked)
    assert response.status_code == 422
    assert "lower top_k" in response.json()["error"]
