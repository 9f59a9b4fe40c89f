"""Requests of clients that mean harm or know no better, one function for each class of them.

    for name, attack in CLASSES.items():
        statuses = attack(port, random.Random(0))

Each returns the statuses that it was answered with; a connection that was closed without an answer
gives none. Those that wait do so for `PATIENCE` seconds. Nothing but 400, 408, 413, 421, 422, 431
and 503 may be among them where a request is not answered with 200.
"""

import json
import random
import re
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from fuzz_documents import MAKERS, zipped

PATIENCE = 2.0
LEGAL = {200, 400, 404, 405, 408, 413, 421, 422, 431, 503}

TEXT = "The Norse, led by Rollo, came by sea. They settled in Normandy. "
QUESTION = "Who led the Norse?"


def request(body: bytes | dict, *headers: bytes, path: bytes = b"/v1/answer") -> bytes:
    """Return a POST with a content-length, unless `headers` have another framing."""
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    lines = [b"POST %b HTTP/1.1" % path, b"host: localhost", *headers]
    lines.append(b"content-type: application/json")
    if not any(b"content-length" in one or b"transfer-encoding" in one for one in headers):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join((*lines, b"", body))


def exchange(port: int, *pieces: bytes, pause: float = 0, patience: float = 90) -> list[int]:
    """Send pieces with pauses between them; return the statuses of what comes until the end."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        with suppress(OSError):  # it may close before all is sent
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        with suppress(OSError):
            while piece := connection.recv(1 << 20):
                answer += piece
    answer = answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    statuses = []
    while found := re.match(
        rb"HTTP/1\.1 (\d{3}) .*?\ncontent-length: (\d+)\r.*?\r\n\r\n", answer, re.S
    ):
        statuses.append(int(found[1]))
        answer = answer[found.end() + int(found[2]) :]
    return statuses


CLOSE = b"connection: close"
GOOD_BODY = {"question": QUESTION, "context": TEXT}
GOOD = request(GOOD_BODY, CLOSE)
ODD_HEADERS = (
    *(b"host: evil", b"origin: null", b"authorization: Bearer \xff", b"x: " + b"y" * 9999),
    *(b" x: y", b"x : y", b": y", b"x\x00: y", b"x: \x01", b"content-encoding: gzip", b"te: x"),
    *(b"expect: 100-continue", b"content-type: text/x", b"accept: \xff", b"range: bytes=0-"),
    *(b"x-forwarded-for: a, b", b"cookie: " + b"=;" * 4000, b"if-none-match: *"),
)


def upgrade(port: int, rng: random.Random) -> list[int]:
    """Offer another protocol, with a whole request in the body."""
    kind = rng.choice((b"h2c", b"websocket", b"x/1"))
    return exchange(port, request(GOOD, b"connection: upgrade", b"upgrade: " + kind) + GOOD)


def framing(port: int, rng: random.Random) -> list[int]:
    """Contradict oneself about where the body ends."""
    lie = rng.choice(
        (
            (b"content-length: 5", b"content-length: 6"),
            (b"content-length: 5", b"transfer-encoding: chunked"),
            (b"transfer-encoding: chunked",),
            (b"transfer-encoding: x, chunked, identity",),
            (b"content-length: -1",),
            (b"content-length: 99999999999999999999",),
        )
    )
    return exchange(port, request(GOOD, *lie), patience=PATIENCE)


def slow_body(port: int, rng: random.Random) -> list[int]:
    """Promise a body, and send a byte now and then."""
    head = request(b" ", b"content-length: 1000000")
    return exchange(port, head, *[b" "] * 4, pause=PATIENCE / 5, patience=0.1)


def slow_head(port: int, rng: random.Random) -> list[int]:
    """Send a line of a head now and then."""
    pieces = [b"GET / HTTP/1.1\r\n", *[b"x: y\r\n"] * 4]
    return exchange(port, *pieces, pause=PATIENCE / 5, patience=0.1)


def many_connections(port: int, rng: random.Random) -> list[int]:
    """Hold many connections, each with a part of a head or of a body."""
    part = rng.choice((b"", b"GET / HT", request(b" ", b"content-length: 1000000")))
    with ExitStack() as connections, suppress(OSError):  # the oldest ones may be closed
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            connections.enter_context(connection)
            connection.sendall(part)
        time.sleep(PATIENCE)
    return []


def unread(port: int, rng: random.Random) -> list[int]:
    """Ask for more than the system's buffers hold, and read nothing."""
    connection = socket.socket()
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /page.js HTTP/1.1\r\nhost: localhost\r\n\r\n" * 16)
        time.sleep(PATIENCE)
    return []


def long_words(port: int, rng: random.Random) -> list[int]:
    """Have quotes that are as long as the text."""
    words = " ".join(rng.choice("abcdef") * rng.randrange(200, 20_000) for _ in range(8))
    body = {"question": [QUESTION] * 4, "context": words, "top_k": 20, "answerable": 1}
    return exchange(port, request(body, CLOSE))


def many_answers(port: int, rng: random.Random) -> list[int]:
    """Ask for all spans of many texts."""
    inputs = [{"question": QUESTION, "context": TEXT * rng.randrange(1, 40)}] * 8
    body = {"inputs": inputs, "parameters": {"top_k": rng.choice((50, 1000))}}
    return exchange(port, request(body, CLOSE, path=b"/"))


def odd_characters(port: int, rng: random.Random) -> list[int]:
    """Ask about a text of joiners, marks, blanks and emoji."""
    alphabet = ["\u200d", "\u0301", "\ufe0f", "東", "😀", " ", "\u00a0", "a", "\u202e", "\x00"]
    alphabet += ["東\u200d", "[UNK] ", "é" * 101 + " "]
    runs = [rng.choice(alphabet) * rng.choice((1, 400, 5000)) for _ in range(2)]
    text = "".join([*rng.choices(alphabet, k=200), *runs, "a"])
    return exchange(port, request({"question": QUESTION, "context": text}, CLOSE))


def long_head(port: int, rng: random.Random) -> list[int]:
    """Send headers without end."""
    return exchange(port, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000)


def odd_heads(port: int, rng: random.Random) -> list[int]:
    """Send headers that no client should, in a request that is good otherwise."""
    return exchange(port, request(GOOD_BODY, CLOSE, *rng.sample(ODD_HEADERS, 3)), patience=PATIENCE)


def large_body(port: int, rng: random.Random) -> list[int]:
    """Send more than is read."""
    return exchange(port, request(b" " * 3_000_000, CLOSE))


def documents(port: int, rng: random.Random) -> list[int]:
    """Have a document read that costs its reader much."""
    ending = rng.choice((*MAKERS, ".bomb"))
    if ending == ".bomb":
        ending, data = (
            ".docx",
            zipped(random.Random(0), {"word/document.xml": "<w:p/>" * 2_000_000}),
        )
    else:
        data = MAKERS[ending](rng)
    head = b"POST /v1/text?name=a%b HTTP/1.1\r\nhost: localhost\r\n" % ending.encode()
    head += b"content-type: application/octet-stream\r\nconnection: close\r\n"
    return exchange(port, head + b"content-length: %d\r\n\r\n" % len(data) + data)


def odd_searches(port: int, rng: random.Random) -> list[int]:
    """Ask documents by globs, fields and words that cost much; 404 where the server has none."""
    body = {
        "question": rng.choice(
            (QUESTION, '"OR NEAR(" * ' * 100, "a " * 990, "\x00*", "\u0301" * 900)
        ),
        **rng.choice(
            (
                {"path": "*a" * 490 + "b"},
                {"path": "[" * 500 + "*"},
                {"where": {"x" * 1000: ["y"] * 1000}},
                {"where": {'$"\x00': 10**400}},
                {"top_k": 1000},
            )
        ),
    }
    return exchange(port, request(body, CLOSE, path=b"/v1/ask"))


def bad_json(port: int, rng: random.Random) -> list[int]:
    """Send JSON that costs a parser or a validator much."""
    body = rng.choice(
        (
            b"[" * 500_000,
            b'{"question":' + b"9" * 100_000 + b"}",
            b'{"question":[1' + b",1" * 200_000,
        )
    )
    return exchange(port, request(body, CLOSE))


def pipeline(port: int, rng: random.Random) -> list[int]:
    """Send a thousand requests at once."""
    return exchange(port, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n" * 1000 + GOOD)


def noise(port: int, rng: random.Random) -> list[int]:
    """Send bytes of any kind, or a good request with some of them changed."""
    data = bytearray(rng.choice((GOOD, rng.randbytes(2000))))
    for _ in range(rng.randrange(8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return exchange(port, bytes(data), patience=PATIENCE)


def leave(port: int, rng: random.Random) -> list[int]:
    """Leave before the answer, by a reset."""
    data = request({"question": [QUESTION] * 8, "context": TEXT * 50})
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data[: rng.randrange(len(data) + 1)])
        time.sleep(rng.choice((0, 0.01, 0.1)))
        reset = (1).to_bytes(4, "little") + bytes(4)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    return []


def other_site(port: int, rng: random.Random) -> list[int]:
    """Come from another site, or under another name."""
    method = rng.choice((b"OPTIONS", b"POST", b"CONNECT", b"TRACE"))
    head = (
        b"%b /v1/answer HTTP/1.1\r\nhost: evil.example\r\norigin: http://evil.example\r\n" % method
    )
    return exchange(port, head + b"connection: close\r\ncontent-length: 0\r\n\r\n")


CLASSES: dict[str, Callable[[int, random.Random], list[int]]] = {
    function.__name__: function
    for function in (
        *(upgrade, framing, slow_body, slow_head, many_connections, unread, long_words),
        *(many_answers, odd_characters, long_head, odd_heads, large_body, documents, odd_searches),
        *(bad_json, pipeline, noise, leave, other_site),
    )
}
