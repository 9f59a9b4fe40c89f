"""A fuzz campaign for HTTP: requests with every part changed, cut and repeated.

    python tests/serving/fuzz_http.py --minutes 60 --seed 0

Starts `pullquote serve tiny` with documents, which agents may ask, too, and sends connections of
several requests to it: questions, documents (`fuzz_documents.broken`) and calls of tools; one in a
hundred is a client of `benchmarks/hostile.py`. Each request has one response at most, in order,
with the headers of safety and a status that its client may expect; between 500 connections the
server answers a good question. Prints how many of what were sent and answered, and exits with 1
when something was wrong.

Beside other work the server may get no processor for a while. That time does not count: Linux tells
how long threads that were ready had to wait for one.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from serving_helpers import Server, exchange, responses, serving

from pullquote import Index

sys.path += map(str, (Path(__file__).parents[1], Path(__file__).parents[2] / "benchmarks"))
from hostile import CLASSES, GOOD, request

from fuzz_documents import MILL, broken

STATUSES = {200, 202, 400, 401, 403, 404, 405, 406, 408, 413, 415, 421, 422, 431, 503, 504}
ERROR, AGENTS_ERROR = {"error", "code", "details"}, {"jsonrpc", "id", "error"}  # keys of bodies
HOSTILE = 0.01  # of the connections
SECONDS = 30  # in which a good question is answered, beside those in which others have the machine
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
TARGETS = (
    [b"/v1/answer"] * 25
    + [b"/", b"/v1/ask", b"/v1/text?name=", b"/mcp"] * 6
    + [
        *(b"/v1/model", b"/healthz", b"/readyz", b"/metrics", b"/docs", b"/openapi.json"),
        *(b"/page.js", b"/page.css", b"/icon.svg", b"/example.txt"),
        *(b"/%00", b"//x", b"*", b"http://localhost/", b"/?" + b"q" * 5000, b"/\xff", b"", b"a:1"),
    ]
)
UPGRADES = [b"connection: upgrade", b"upgrade: h2c", b"upgrade: websocket"]
HEADERS = [
    *(*UPGRADES, b"connection: close"),
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
    *(b"accept: application/x-ndjson", b"access-control-request-method: PUT"),
    b"x: " + b"y" * 40_000,
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
KEYS = [
    *("question", "context", "top_k", "threshold", "answerable", "inputs", "parameters", "x"),
    *("path", "where"),
]
OPTIONS = [  # of the pipeline
    *("top_k", "doc_stride", "max_answer_len", "max_seq_len", "max_question_len"),
    *("align_to_words", "handle_impossible_answer", "x"),
]
METHODS_OF_AGENTS = [
    *(*["tools/call"] * 8, "tools/list", "initialize", "notifications/initialized", "ping"),
    *("resources/list", "prompts/get", "completion/complete", "x", ""),
]
TOOLS = ["ask", "search", "read_passage", "check_quotes", "highlight", "list_documents", "x"]
ARGUMENTS = ["question", "questions", "quotes", "document", "documents", "start", "limit", "top_k"]


@dataclass
class Found:
    """What a campaign has sent, and what came of it."""

    connections: int = 0
    requests: int = 0
    not_accepted: int = 0
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
            if statuses is None:
                found.not_accepted += 1
                continue
            if isinstance(statuses, str):
                found.wrong.append(f"seed '{seed} {number}': {statuses}")
                continue
            found.statuses.update(statuses)
            # what follows a request that says nothing of its length is one more, and no HTTP
            most = sent + (statuses[-1:] in ([400], [431]))
            if set(statuses) - STATUSES or len(statuses) > most or 400 in statuses[:-1]:
                found.wrong.append(f"seed '{seed} {number}': {sent} requests got {statuses}")
    return found


def connection(port: int, rng: random.Random) -> tuple[int, list[int] | str | None]:
    """Send some requests; how many, and the statuses that came back or what is wrong with them.

    None where the server accepted no connection for a minute.
    """
    requests = [make_request(rng) for _ in range(rng.choice((1, 1, 1, 2, 5)))]
    data = b"".join(requests)
    if rng.random() < 0.2:
        data = data[: rng.randrange(len(data) + 1)]
    size = rng.choice((len(data) + 1, len(data) // 2 + 1, 100))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    sent = max(len(requests), 1)
    try:
        if rng.random() < HOSTILE:
            name = rng.choice(list(CLASSES))
            statuses = CLASSES[name](port, rng)
            return len(statuses), f"{name}: {statuses}" if set(statuses) - STATUSES else statuses
        received = exchange(port, *pieces, patience=0.5, pause=rng.choice((0, 0.001)))
    except OSError:
        return 0, None
    try:
        return sent, statuses_in(received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))
    except (AssertionError, ValueError) as error:
        is_head = b"HEAD " in data  # whose responses have a length and no body
        return sent, [] if is_head else f"no HTTP: {error}"[:300]


def statuses_in(received: bytes) -> list[int]:
    """Return the statuses of some responses. Raises `ValueError` for what is none of ours."""
    # lines that tell how much is read come in chunks, and go on after this client has left
    received, lines, _ = received.partition(b"transfer-encoding: chunked")
    if lines:
        received, _, _ = received.rpartition(b"HTTP/1.1 200 OK")
    statuses = []
    for status, body in responses(received):
        keys = set(json.loads(body)) if status >= 400 and body else ERROR
        if keys == AGENTS_ERROR:  # of a request that was read, unlike our own 400
            status = 422
        elif keys != ERROR:
            raise ValueError(f"status {status} with {body[:100]!r}")
        statuses.append(status)
    for header, count in ((b"nosniff", len(statuses)), (b"retry-after", statuses.count(503))):
        if received.count(header) < count:
            raise ValueError(f"{count} x {header.decode()} expected in {received[:200]!r}")
    return statuses + [200] * bool(lines)


def make_request(rng: random.Random) -> bytes:
    """Return a request, mostly with something wrong."""
    if rng.random() < 0.03:  # a body that is a whole request is still a body
        return request(GOOD, *rng.sample(UPGRADES, rng.randrange(4)))
    target, kind = rng.choice(TARGETS), b"application/json"
    if target == b"/v1/text?name=":
        ending, body = broken(rng)
        target += b"a" + ending.encode()
        kind = b"application/octet-stream"
    else:
        make = {b"/mcp": make_call, b"/": make_pipeline_call, b"/v1/ask": make_search}
        body = json.dumps(make.get(target, make_body)(rng)).encode()
    headers = [b"host: localhost", b"content-type: " + kind]
    if target == b"/mcp" and rng.random() < 0.95:
        headers.append(b"accept: application/json, text/event-stream")
    headers += rng.sample(HEADERS, rng.choice((0, 0, 0, 0, 1, 1, 2, 4)))
    if rng.random() < 0.95 and not any(
        one.startswith((b"content-l", b"transfer")) for one in headers
    ):
        headers.append(b"content-length: %d" % (len(body) + rng.choice((*[0] * 9, -1, 1))))
    if b"transfer-encoding: chunked" in headers and rng.random() < 0.7:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    rng.shuffle(headers)
    line = b"%b %b HTTP/1.1" % (rng.choice(METHODS), target)
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
    return {"question": "Who?", "context": _NORSE, **body}


def make_search(rng: random.Random) -> object:
    """Return a question to the documents."""
    values = [*VALUES, "*.txt", "mill/*", "[", {"year": 2024}, {"x": [1]}, {"": None}, 0.5]
    body = {name: rng.choice(values) for name in rng.sample(KEYS, rng.randrange(3))}
    return {"question": "Who repairs the gate?", **body} if rng.random() < 0.9 else body


def make_pipeline_call(rng: random.Random) -> object:
    """Return what clients of transformers' pipeline send."""
    inputs: object = {"question": "Who?", "context": rng.choice([_NORSE, _NORSE, *VALUES])}
    if rng.random() < 0.3:
        inputs = rng.choice([[inputs] * 3, [], rng.choice(VALUES)])
    values = [*VALUES, 1, 8, 64, 384, 1000]
    options = {name: rng.choice(values) for name in rng.sample(OPTIONS, rng.randrange(4))}
    return {"inputs": inputs, "parameters": options}


def make_call(rng: random.Random) -> object:
    """Return a message of an agent, as JSON-RPC has it."""
    if rng.random() < 0.1:
        return rng.choice([*VALUES, [{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * 3])
    values = [*VALUES, "lease.pdf", ["lease.pdf"], 5]
    arguments = {name: rng.choice(values) for name in rng.sample(ARGUMENTS, rng.randrange(4))}
    if rng.random() < 0.7:
        arguments["question"] = "How much is the rent?"
    params = {"name": rng.choice(TOOLS), "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": rng.choice(METHODS_OF_AGENTS), "params": params}
    for name in rng.sample(sorted(message), rng.choice((0, 0, 0, 0, 1, 2))):
        message[name] = rng.choice(VALUES)
    return message


def is_alive(server: Server) -> bool:
    """Whether a good question is answered within `SECONDS` of the server's own."""
    both = (server.process.pid, os.getpid())  # the client may have to wait, too
    begun, waited = time.monotonic(), sum(map(processor_awaited, both))
    while server.process.poll() is None:
        with suppress(OSError):
            if b"Rollo" in exchange(server.port, GOOD, patience=5):
                return True
        others = sum(map(processor_awaited, both)) - waited
        if time.monotonic() - begun - others > SECONDS:
            break
    return False


def processor_awaited(process: int) -> float:
    """Seconds that the threads of a process were ready to run while others had the processors."""
    nanoseconds = 0
    for file in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with suppress(OSError):  # the thread has ended
            nanoseconds += int(file.read_text().split()[1])
    return nanoseconds / 1e9


def main() -> None:
    """Run a campaign until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    over = time.monotonic() + 60 * arguments.minutes
    total = Found()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mill.db")
        with Index.create(file) as index:
            index.add([MILL])
        options = ("--max-seconds", "5", "--index", str(file), "--mcp")
        seed = arguments.seed
        with serving(*options) as server:
            while time.monotonic() < over and server.process.poll() is None:
                found = campaign(server.port, seed=seed, count=500)
                total.connections += found.connections
                total.requests += found.requests
                total.not_accepted += found.not_accepted
                total.statuses += found.statuses
                total.wrong += found.wrong
                seed += 1
                if not is_alive(server):
                    total.wrong.append(f"no answer to a good question after seed {seed - 1}")
                    break
            code, log = server.stop()
    statuses = ", ".join(f"{n:,} x {status}" for status, n in sorted(total.statuses.items()))
    print(
        f"{total.connections:,} connections with {total.requests:,} requests in "
        f"{arguments.minutes:g} minutes; answered {statuses}; {total.not_accepted:,} not accepted "
        f"within a minute; {len(total.wrong)} wrong; exit code {code}; {len(log.splitlines())} "
        f"lines of log. Seeds {arguments.seed} to {seed - 1}"
    )
    print("\n".join([*total.wrong[:20], log[:5000]]), file=sys.stderr)
    sys.exit(bool(total.wrong or code or log))


if __name__ == "__main__":
    main()
