"""Every class of hostile requests against a real server: time, memory, health, and good answers.

docs/serving.md states both bounds. `benchmarks/hostile.py` has the classes; `benchmarks/soak.py`
sends them for half an hour. A short fuzz campaign for HTTP; a long one:

    python tests/serving/fuzz_http.py --minutes 60
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from fuzz_http import TARGETS, campaign
from serving_helpers import Server, exchange, responses, serving

from pullquote import Reader
from pullquote.serving.app import create_app
from pullquote.serving.settings import Settings

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from hostile import CLASSES, CLOSE, GOOD, LEGAL, PATIENCE, QUESTION, TEXT, request

MAX_SECONDS = 5.0
HELD = 2**21 * (32 + 64) + 64 * 2**20  # bytes: arriving, open, unread
HEALTH = 1.0  # seconds in which the server says that it is alive, whatever it does
MAXIMAL = {
    "one word": {"question": [QUESTION] * 60, "context": "x" * 300_000},
    "long words": {"question": QUESTION, "context": " ".join(["x" * 1000] * 290), "top_k": 1000},
    "many questions": {"question": [QUESTION] * 64, "context": TEXT * 400},
    "many texts": {"question": QUESTION, "context": [TEXT * 500] * 64},
    "many answers": {"question": QUESTION, "context": TEXT * 4000, "top_k": 1000},
    "joiners": {"question": QUESTION, "context": "東\u200d" * 400},
    "many joiners": {"question": QUESTION, "context": "東\u200d" * 140_000},
    "marks": {"question": "e\u0301" * 1000, "context": "e\u0301" * 150_000, "top_k": 100},
    "unknown words": {"question": QUESTION, "context": "\ue000 " * 150_000, "top_k": 100},
}
"""Requests that are as large as they may be, or cost much for their length."""


@pytest.fixture(scope="module")
def hardened(mill: Path) -> Iterator[Server]:
    with serving("--max-seconds", f"{MAX_SECONDS:g}", "--index", str(mill)) as server:
        exchange(server.port, GOOD)
        yield server


def is_good(server: Server) -> bool:
    ((status, body),) = responses(exchange(server.port, GOOD, patience=60))
    return status == 200 and json.loads(body)["results"][0]["answer"]["text"] == "Rollo"


@contextmanager
def within_bounds(server: Server, *, health: float = HEALTH) -> Iterator[None]:
    """Ask for the server's health all the while: it is told at once, and memory has its bound."""
    process, over = psutil.Process(server.process.pid), threading.Event()

    def held() -> int:
        most = 0
        while not over.wait(0.02):
            most = max(most, process.memory_info().rss)
        return most

    def healthy() -> float:
        slowest = 0.0
        get = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n%b\r\n\r\n" % CLOSE
        while not over.wait(0.02):
            begun = time.monotonic()
            ((status, _),) = responses(exchange(server.port, get))
            assert status == 200
            slowest = max(slowest, time.monotonic() - begun)
        return slowest

    before = process.memory_info().rss
    with ThreadPoolExecutor(2) as pool:
        most, slowest = pool.submit(held), pool.submit(healthy)
        try:
            yield
        finally:
            over.set()
        assert most.result() - before < HELD
        assert slowest.result() < health


@pytest.mark.parametrize("name", CLASSES)
def test_a_hostile_request_ends_in_time_and_harms_nobody(hardened: Server, name: str) -> None:
    for seed in range(3):
        begun = time.monotonic()
        with within_bounds(hardened):
            statuses = CLASSES[name](hardened.port, random.Random(seed))
        assert time.monotonic() - begun < MAX_SECONDS + 1 + PATIENCE
        assert set(statuses) <= LEGAL | {504}
        if name in ("documents", "odd_searches"):
            assert 404 not in statuses
        if name == "upgrade":
            assert statuses == [422, 200]
    assert is_good(hardened)


@pytest.mark.parametrize("body", MAXIMAL.values(), ids=MAXIMAL)
def test_a_large_request_keeps_its_bounds(hardened: Server, body: dict[str, object]) -> None:
    begun = time.monotonic()
    with within_bounds(hardened):
        ((status, _),) = responses(exchange(hardened.port, request(body, CLOSE), patience=60))
    assert status in (200, 422, 504)
    assert time.monotonic() - begun < MAX_SECONDS + 1


def test_all_classes_at_once_keep_within_the_stated_memory(hardened: Server) -> None:
    with within_bounds(hardened, health=MAX_SECONDS), ThreadPoolExecutor(32) as pool:
        tasks = [
            pool.submit(attack, hardened.port, random.Random(seed))
            for seed in range(4)
            for attack in CLASSES.values()
        ]
        statuses = {status for task in tasks for status in task.result()}
    assert statuses <= LEGAL | {504}
    assert is_good(hardened)


def test_the_campaign_draws_every_route(reader: Reader) -> None:
    app = create_app(reader, Settings())
    paths = {*app.openapi()["paths"], *app.state.page_files, app.openapi_url, "/mcp"}
    assert paths <= {target.partition(b"?")[0].decode("latin-1") for target in TARGETS}


def test_a_short_fuzz_campaign_finds_nothing(hardened: Server) -> None:
    found = campaign(hardened.port, seed=0, count=300)
    assert found.wrong == []
    assert found.statuses[200]
    assert found.statuses[400]
    assert is_good(hardened)
