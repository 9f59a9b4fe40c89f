"""A fuzz campaign for HTTP: requests with every part changed, cut and repeated.

    python tests/serving/fuzz_http.py --minutes 60 --seed 0

Starts `pullquote serve tiny` and sends connections of several requests to it. Each request has one
response at most, in order, with a status that its client may expect; the server stays alive.
Prints how many of what were sent and answered, and exits with 1 when something was wrong.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from serving_helpers import exchange, responses, serving

STATUSES = {200, 400, 401, 404, 405, 408, 413, 421, 422, 431, 503, 504}
_NORSE = "The Norse, led by Rollo, came by sea."

METHODS = [b"POST"] * 25 + [
    b"GET",
    b"HEAD",
    b"OPTIONS",
    b"PUT",
    b"CONNECT",
    b"TRACE",
    b"PRI",
    b"get",
]
TARGETS = [b"/v1/answer"] * 30 + [
    *(b"/v1/answer", b"/", b"/v1/ask", b"/v1/model", b"/healthz", b"/metrics", b"/page.js"),
    *(b"/%00", b"//x", b"*", b"http://localhost/", b"/?" + b"q" * 5000, b"/\xff", b"", b"a:1"),
]
HEADERS = [
    *(b"connection: upgrade", b"upgrade: h2c", b"upgrade: websocket", b"connection: close"),
    *(b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked", b"expect: 100-continue"),
    *(b"content-length: 5", b"content-length: -1", b"content-length: 1e3", b"content-type: text/x"),
    *(
        b"host: evil",
        b"host:",
        b"origin: http://a",
        b"authorization: Bearer \xff",
        b"x: " + b"y" * 9999,
    ),
    *(b"x:y", b" x: y", b"x : y", b": y", b"x\x00: y", b"x: \x01", b"content-encoding: gzip"),
]
VALUES = [
    *(None, True, 0, -1, 1.5, 1e308, 10**30, "", "x", " ", "\u200d" * 50, "\ud800", "x" * 5000),
    *(
        [],
        {},
        [[]],
        ["x"] * 70,
        _NORSE,
        [_NORSE, "Who?"],
        "東\u200d" * 20,
        "\x00",
        "a" * 200 + " b",
    ),
]
KEYS = ["question", "context", "top_k", "threshold", "answerable", "inputs", "parameters", "x"]


@dataclass
class Found:
    """What a campaign has sent, and what came of it."""

    connections: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def campaign(port: int, *, seed: int, count: int) -> Found:
    """Send so many connections, made of `seed`, to the server at `port`."""
    found = Found()
    with ThreadPoolExecutor(8) as pool:
        for number, (sent, statuses) in enumerate(
            pool.map(lambda n: connection(port, random.Random(f"{seed} {n}")), range(count))
        ):
            found.connections += 1
            found.requests += sent
            if isinstance(statuses, str):
                found.wrong.append(f"seed '{seed} {number}': {statuses}")
                continue
            found.statuses.update(statuses)
            # what follows a request that says nothing of its length is one more, and no HTTP
            most = sent + (statuses[-1:] in ([400], [431]))
            if set(statuses) - STATUSES or len(statuses) > most or 400 in statuses[:-1]:
                found.wrong.append(f"seed '{seed} {number}': {sent} requests got {statuses}")
    return found


def connection(port: int, rng: random.Random) -> tuple[int, list[int] | str]:
    """Send some requests; how many, and the statuses that came back or what is wrong with them."""
    requests = [make_request(rng) for _ in range(rng.choice((1, 1, 1, 2, 5)))]
    data = b"".join(requests)
    if rng.random() < 0.2:
        data = data[: rng.randrange(len(data) + 1)]
    size = rng.choice((len(data) + 1, len(data) // 2 + 1, 100))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    received = exchange(port, *pieces, patience=0.5, pause=rng.choice((0, 0.001)))
    sent = max(len(requests), 1)
    try:
        statuses = []
        for status, body in responses(received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")):
            statuses.append(status)
            if status >= 400 and body and set(json.loads(body)) != {"error", "code", "details"}:
                return sent, f"status {status} with {body[:100]!r}"
    except (AssertionError, ValueError) as error:
        is_head = b"HEAD " in data  # whose responses have a length and no body
        return sent, [] if is_head else f"no HTTP: {error}"[:300]
    return sent, statuses


def make_request(rng: random.Random) -> bytes:
    """Return a request, mostly with something wrong."""
    body = json.dumps(make_body(rng)).encode()
    headers = [b"host: localhost", b"content-type: application/json"]
    headers += rng.sample(HEADERS, rng.choice((0, 0, 0, 0, 1, 1, 2, 4)))
    if rng.random() < 0.95 and not any(
        one.startswith((b"content-l", b"transfer")) for one in headers
    ):
        headers.append(b"content-length: %d" % (len(body) + rng.choice((*[0] * 9, -1, 1))))
    if b"transfer-encoding: chunked" in headers and rng.random() < 0.7:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    rng.shuffle(headers)
    line = b"%b %b HTTP/1.1" % (rng.choice(METHODS), rng.choice(TARGETS))
    data = bytearray(b"\r\n".join((line, *headers, b"", body)))
    if rng.random() < 0.2:
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def make_body(rng: random.Random) -> object:
    """Return what to send as JSON."""
    if rng.random() < 0.3:
        return {"question": "Who led the Norse?", "context": _NORSE}
    if rng.random() < 0.1:
        return rng.choice(VALUES)
    body = {rng.choice(KEYS): rng.choice(VALUES) for _ in range(rng.randrange(5))}
    if rng.random() < 0.3:
        inputs = {"question": "Who?", "context": rng.choice(VALUES)}
        return {"inputs": inputs, "parameters": {"top_k": rng.choice(VALUES)}}
    return {"question": "Who?", "context": _NORSE, **body}


def main() -> None:
    """Run a campaign until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    over = time.monotonic() + 60 * arguments.minutes
    total = Found()
    with serving("--max-seconds", "5") as server:
        seed = arguments.seed
        while time.monotonic() < over and server.process.poll() is None:
            found = campaign(server.port, seed=seed, count=500)
            total.connections += found.connections
            total.requests += found.requests
            total.statuses += found.statuses
            total.wrong += found.wrong
            seed += 1
        code, log = server.stop()
    statuses = ", ".join(f"{n:,} x {status}" for status, n in sorted(total.statuses.items()))
    print(
        f"{total.connections:,} connections with {total.requests:,} requests in "
        f"{arguments.minutes:g} minutes; answered {statuses}; {len(total.wrong)} wrong; exit code "
        f"{code}; {len(log.splitlines())} lines of log. Seeds {arguments.seed} to {seed - 1}"
    )
    print("\n".join([*total.wrong[:20], log[:5000]]), file=sys.stderr)
    sys.exit(bool(total.wrong or code or log))


if __name__ == "__main__":
    main()
