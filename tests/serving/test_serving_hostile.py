"""Every class of hostile requests against a real server: time, memory, and good answers beside.

docs/serving.md states both bounds. `benchmarks/hostile.py` has the classes; `benchmarks/soak.py`
sends them for half an hour. A short fuzz campaign for HTTP; a long one:

    python tests/serving/fuzz_http.py --minutes 60
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from fuzz_http import campaign
from serving_helpers import Server, exchange, responses, serving

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from hostile import CLASSES, GOOD, LEGAL, PATIENCE, QUESTION, TEXT, request

MAX_SECONDS = 5.0
HELD = 2**21 * (32 + 64) + 64 * 2**20  # bytes: arriving, open, unread


@pytest.fixture(scope="module")
def hardened() -> Iterator[Server]:
    with serving("--max-seconds", f"{MAX_SECONDS:g}") as server:
        exchange(server.port, GOOD)
        yield server


def is_good(server: Server) -> bool:
    ((status, body),) = responses(exchange(server.port, GOOD, patience=60))
    return status == 200 and json.loads(body)["results"][0]["answer"]["text"] == "Rollo"


@pytest.mark.parametrize("name", CLASSES)
def test_a_hostile_request_ends_in_time_and_harms_nobody(hardened: Server, name: str) -> None:
    for seed in range(3):
        begun = time.monotonic()
        statuses = CLASSES[name](hardened.port, random.Random(seed))
        assert time.monotonic() - begun < MAX_SECONDS + 1 + PATIENCE
        assert set(statuses) <= LEGAL | {504}
        if name == "upgrade":
            assert statuses == [422, 200]
    assert is_good(hardened)


@pytest.mark.parametrize(
    "body",
    [
        {"question": [QUESTION] * 60, "context": "x" * 300_000},
        {"question": QUESTION, "context": " ".join(["x" * 1000] * 290), "top_k": 1000},
        {"question": [QUESTION] * 64, "context": TEXT * 400},
        {"question": QUESTION, "context": "東\u200d" * 400},
    ],
    ids=["one word", "long words", "many questions", "joiners"],
)
def test_an_answer_comes_within_the_stated_time(hardened: Server, body: dict[str, object]) -> None:
    begun = time.monotonic()
    ((status, _),) = responses(
        exchange(hardened.port, request(body, b"connection: close"), patience=60)
    )
    assert status in (200, 422, 504)
    assert time.monotonic() - begun < MAX_SECONDS + 1


def test_all_classes_at_once_stay_within_the_stated_memory(hardened: Server) -> None:
    process = psutil.Process(hardened.process.pid)
    before = process.memory_info().rss
    most = before
    with ThreadPoolExecutor(32) as pool:
        tasks = [
            pool.submit(attack, hardened.port, random.Random(seed))
            for seed in range(4)
            for attack in CLASSES.values()
        ]
        while not all(task.done() for task in tasks):
            most = max(most, process.memory_info().rss)
            time.sleep(0.02)
        statuses = {status for task in tasks for status in task.result()}
    assert statuses <= LEGAL | {504}
    assert most - before < HELD
    assert is_good(hardened)


def test_a_short_fuzz_campaign_finds_nothing(hardened: Server) -> None:
    found = campaign(hardened.port, seed=0, count=300)
    assert found.wrong == []
    assert found.statuses[200]
    assert found.statuses[400]
    assert is_good(hardened)
