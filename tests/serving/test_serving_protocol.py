"""The protocol on a real socket: upgrades, heads, pipelines, clients that do not read or leave."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from serving_helpers import Server, exchange, responses, serving_app

from pullquote import Reader
from pullquote.serving import protocol
from pullquote.serving.app import create_app
from pullquote.serving.metrics import Metrics
from pullquote.serving.settings import Settings

LOOPS = ["asyncio", "uvloop"]
QUESTION = {
    "question": "Who led the Norse?",
    "context": "The Norse, led by Rollo, came by sea.",
}


class Echo:
    """An application that answers with a request's path and body, and then `size` bytes.

    At `/wait` it waits for `go` before it answers. It remembers the headers of requests.
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.metrics = Metrics()
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.disconnected = 0
        self.go = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["metrics"] = self.metrics
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                return
            body, more = body + message["body"], message["more_body"]
        self.headers.append(scope["headers"])
        while scope["path"] == "/wait" and not self.go:
            await asyncio.sleep(0.01)
        content = scope["path"].encode() + b" " + body + b" " * self.size
        length = (b"content-length", b"%d" % len(content))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": content})

    def closed(self, code: str) -> float:
        """How many connections were closed for this."""
        count = self.metrics.registry.get_sample_value
        return count("pullquote_closed_connections_total", {"code": code}) or 0

    def wait_until_closed(self, code: str, count: int = 1) -> None:
        deadline = time.monotonic() + 20
        while self.closed(code) < count:
            assert time.monotonic() < deadline, f"{self.closed(code)} closed for {code}"
            time.sleep(0.01)


@pytest.fixture(params=LOOPS)
def echo(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Echo, int]]:
    """The application and its port."""
    monkeypatch.setattr(protocol, "LINGER", 0.2)  # the server waits for it when it stops
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    app = Echo()
    with serving_app(app, request.param) as port:
        yield app, port


def post(body: bytes, *headers: bytes, path: bytes = b"/", length: bool = True) -> bytes:
    lines = [b"POST %b HTTP/1.1" % path, b"host: localhost", *headers]
    if length:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join((*lines, b"", body))


LAST = post(b"last", b"connection: close", path=b"/last")
H2C = (
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
)


# ---- upgrades


@pytest.mark.parametrize(
    "headers",
    [
        H2C,
        (b"connection: upgrade", b"upgrade: websocket"),
        (b"connection: keep-alive, Upgrade", b"upgrade: foo", b"upgrade: bar/2"),
        (b"upgrade: h2c", b"connection: upgrade"),
        (b"proxy-connection: upgrade", b"upgrade: h2c"),
    ],
)
@pytest.mark.parametrize("size", [1, 37, 100_000])
def test_an_upgrade_is_ignored_and_its_body_is_a_body(
    echo: tuple[Echo, int], headers: tuple[bytes, ...], size: int
) -> None:
    inner = post(b"smuggled", path=b"/inner")  # a whole request
    data = post(inner, *headers, path=b"/outer") + LAST
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    found = responses(exchange(echo[1], *pieces, pause=0.0005 if size == 1 else 0))
    assert found == [(200, b"/outer " + inner), (200, b"/last last")]


def test_a_body_in_chunks_survives_an_upgrade(echo: tuple[Echo, int]) -> None:
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    data = post(chunks, *H2C, b"transfer-encoding: chunked", length=False)
    found = responses(exchange(echo[1], data + LAST))
    assert found == [(200, b"/ hello world"), (200, b"/last last")]


def test_many_upgrades_at_once_are_answered_in_their_order(echo: tuple[Echo, int]) -> None:
    data = b"".join(post(b"%d" % n, *H2C) for n in range(protocol.MAX_PIPELINED))
    found = responses(exchange(echo[1], data + LAST))
    assert [body for _, body in found] == [
        *(b"/ %d" % n for n in range(protocol.MAX_PIPELINED)),
        b"/last last",
    ]


@pytest.mark.parametrize("method", [b"CONNECT example.org:443", b"CONNECT /x", b"PRI *"])
def test_what_is_no_request_of_a_page_is_refused_and_nothing_after_it_is_read(
    echo: tuple[Echo, int], method: bytes
) -> None:
    data = method + b" HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n" + LAST
    assert [status for status, _ in responses(exchange(echo[1], data))] == [400]
    assert echo[0].headers == []


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_may_offer_http_2(server: Server) -> None:
    command = ["curl", "--http2", "-s", "-w", " %{http_code} %{http_version}"]
    command += ["-H", "content-type: application/json", "-d", json.dumps(QUESTION)]
    done = subprocess.run(
        [*command, f"{server.url}/v1/answer"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body, status, version = done.stdout.rsplit(" ", 2)
    assert (status, version) == ("200", "1.1")
    assert json.loads(body)["results"][0]["answer"]["text"] == "Rollo"


JAVA = """
import java.net.URI;
import java.net.http.*;

public class Client {
  public static void main(String[] arguments) throws Exception {
    var client = HttpClient.newHttpClient();  // by default it offers HTTP/2
    for (int i = 0; i < 2; i++) {
      var request = HttpRequest.newBuilder(URI.create(arguments[0]))
          .header("content-type", "application/json")
          .POST(HttpRequest.BodyPublishers.ofString(arguments[1])).build();
      var response = client.send(request, HttpResponse.BodyHandlers.ofString());
      System.out.println(response.statusCode() + " " + response.body());
    }
  }
}
"""


@pytest.mark.skipif(
    not shutil.which("javac"), reason="no JDK: apt-get install openjdk-17-jdk-headless"
)
def test_java_may_offer_http_2(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "Client.java"
    source.write_text(JAVA)
    command = ["java", str(source), f"{server.url}/v1/answer", json.dumps(QUESTION)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    for line in done.stdout.splitlines():
        status, _, body = line.partition(" ")
        assert status == "200", line
        assert json.loads(body)["results"][0]["answer"]["text"] == "Rollo"
    assert len(done.stdout.splitlines()) == 2


# ---- one response for each request, in order


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (post(b"a") + b"\0\0 no HTTP\r\n\r\n", [200, 400]),
        (post(b"a") * 2 + b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n", [200, 200, 431]),
        # a body that is not what its head says: the request that it is part of gets the error
        (post(b"zz", b"transfer-encoding: chunked", length=False) + b"\r\n" + LAST, [400]),
        (
            post(b"a") + post(b"zz", b"transfer-encoding: chunked", length=False) + b"\r\n" + LAST,
            [200, 400],
        ),
        (post(b"", b"transfer-encoding: gzip, x", length=False) + LAST, [400]),
        (post(b"a", b"transfer-encoding: chunked") + LAST, [400]),
        (post(b"a", b"content-length: 2") + LAST, [400]),
    ],
)
def test_an_error_is_answered_after_the_requests_before_it(
    echo: tuple[Echo, int], data: bytes, expected: list[int]
) -> None:
    assert [status for status, _ in responses(exchange(echo[1], data))] == expected


def test_an_error_after_a_response_gets_no_second_one(server: Server) -> None:
    large = b"%x\r\n%b\r\n" % (3_000_000, b" " * 3_000_000)
    head = post(b"", b"transfer-encoding: chunked", length=False, path=b"/v1/answer")
    found = responses(exchange(server.port, head, large, b"no chunk\r\n", pause=0.3))
    assert [status for status, _ in found] == [413]


def test_so_many_requests_may_wait_for_a_response_and_no_more(echo: tuple[Echo, int]) -> None:
    app, port = echo
    most = protocol.MAX_PIPELINED + 1
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(post(b"", path=b"/wait") * most + post(b"") * 3000)
        app.wait_until_closed("busy")
        app.go = True
        received = b""
        while piece := connection.recv(65536):
            received += piece
    found = responses(received)
    assert [status for status, _ in found] == [200] * most + [503]
    assert b"retry-after: 1" in received
    assert "of this connection" in json.loads(found[-1][1])["error"]


def test_trailers_are_no_headers(echo: tuple[Echo, int]) -> None:
    chunks = b"1\r\na\r\n0\r\nauthorization: Bearer x\r\nhost: other\r\n\r\n"
    data = post(chunks, b"transfer-encoding: chunked", length=False)
    assert len(responses(exchange(echo[1], data + LAST))) == 2
    assert dict(echo[0].headers[0]) == {b"host": b"localhost", b"transfer-encoding": b"chunked"}


# ---- heads


@pytest.mark.parametrize(
    "filler",
    [
        lambda size: b"x:" + b"a" * (size - 4) + b"\r\n",
        lambda size: b"a:\r\n" * (size // 4 - 1) + b"a:" + b"b" * (size % 4) + b"\r\n",
        lambda size: b"x:" + b" " * (size - 5) + b"a\r\n",
    ],
    ids=["one header", "many headers", "blanks"],
)
@pytest.mark.parametrize("before", [b"", post(b"a")], ids=["first", "second"])
def test_a_head_may_have_its_bytes_and_no_more(
    echo: tuple[Echo, int], filler: Any, before: bytes
) -> None:
    line = b"GET / HTTP/1.1\r\n"
    last = b"connection: close\r\n\r\n"
    room = protocol.MAX_HEAD_BYTES - len(line + last)
    for extra, status in ((0, 200), (1, 431)):
        head = line + filler(room + extra) + last
        found = responses(exchange(echo[1], *filter(None, (before, head)), pause=0.1))
        assert [status for status, _ in found][-1] == status


def test_heads_that_come_too_slowly_are_refused(
    echo: tuple[Echo, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.3)
    begun = time.monotonic()
    pieces = [b"GET / HTTP/1.1\r\n", *(b"a: b\r\n" for _ in range(100))]
    assert [status for status, _ in responses(exchange(echo[1], *pieces, pause=0.05))] == [408]
    assert echo[0].closed("too_slow") == 1
    assert time.monotonic() - begun < 8


def test_refusals_have_the_shape_and_the_headers_of_other_answers(echo: tuple[Echo, int]) -> None:
    received = exchange(echo[1], b"no HTTP\r\n\r\n")
    ((status, body),) = responses(received)
    assert status == 400
    assert json.loads(body) == {
        "error": "this is not HTTP/1.1",
        "code": "bad_request",
        "details": [],
    }
    assert b"\r\nx-content-type-options: nosniff\r\n" in received
    assert b"\r\ncontent-security-policy: default-src 'none'" in received
    assert b"\r\ncache-control: no-store\r\n" in received


# ---- clients that do not read


def test_a_client_that_does_not_read_is_closed_and_counted(
    echo: tuple[Echo, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "READ_TIMEOUT", 0.5)
    app, port = echo
    app.size = 30_000_000
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(post(b"", b"connection: close"))
        begun = time.monotonic()
        app.wait_until_closed("unread")
        assert 0.4 < time.monotonic() - begun < 5
        received = 0
        with suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += len(piece)
    assert received < app.size


def test_a_client_that_reads_slowly_gets_all(
    echo: tuple[Echo, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "READ_TIMEOUT", 0.5)
    app, port = echo
    app.size = 12_000_000
    received = 0
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(post(b"", b"connection: close"))
        while piece := connection.recv(1_000_000):
            received += len(piece)
            time.sleep(0.1)
    assert received > app.size
    assert time.monotonic() - begun > 1
    assert app.closed("unread") == 0


def test_unread_responses_have_a_bound_together(
    echo: tuple[Echo, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, port = echo
    app.size = 20_000_000
    monkeypatch.setattr(protocol, "MAX_UNREAD_BYTES", 85_000_000)  # not enough for five
    connections = [socket.socket() for _ in range(5)]
    for number, connection in enumerate(connections):
        connection.settimeout(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect(("127.0.0.1", port))
        connection.sendall(post(b"%d" % number))
        time.sleep(0.2)
    app.wait_until_closed("unread")
    received = [0] * 5
    for number, connection in enumerate(connections):
        with closing(connection), suppress(ConnectionError):
            while received[number] < app.size and (piece := connection.recv(1_000_000)):
                received[number] += len(piece)
    # the first has waited for longest
    assert [length > app.size for length in received] == [False, True, True, True, True]
    assert app.closed("unread") == 1


# ---- more connections than there may be


def test_a_new_connection_takes_the_place_of_the_one_that_is_awaited_longest(
    echo: tuple[Echo, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 4)
    slow, new = [], []
    for number in range(4):
        slow.append(socket.create_connection(("127.0.0.1", echo[1]), timeout=10))
        # nothing, a part of a head, a part of a body, and a part of a second request
        slow[-1].sendall((post(b"x" * 100) + LAST)[: (0, 30, 100, 170)[number]])
        time.sleep(0.1)
    for number in range(4):
        new.append(socket.create_connection(("127.0.0.1", echo[1]), timeout=10))
        new[-1].sendall(post(b"%d" % number))
        answer = b""
        while not answer.endswith(b"\r\n\r\n/ %d" % number):  # head and body may come one by one
            answer += new[-1].recv(65536)
    received = []
    for connection in slow:
        received.append(b"")
        while piece := connection.recv(65536):
            received[-1] += piece
    for connection in slow + new:
        connection.close()
    assert received[0] == b""
    assert [[status for status, _ in responses(one)] for one in received[1:]] == [
        *([503], [503], [200, 503])
    ]
    assert b"\r\nretry-after: 1\r\n" in received[1]


def test_connections_with_work_keep_their_place(
    echo: tuple[Echo, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 3)
    app, port = echo
    busy = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(3)]
    for connection in busy:
        connection.sendall(post(b"a", b"connection: close", path=b"/wait"))
    deadline = time.monotonic() + 10
    while len(app.headers) < 3:
        assert time.monotonic() < deadline
    received = exchange(port, LAST)
    ((status, body),) = responses(received)
    assert (status, json.loads(body)["code"]) == (503, "busy")
    assert b"\r\nretry-after: 1\r\n" in received
    app.go = True
    for connection in busy:
        with closing(connection):
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


# ---- clients that leave


@pytest.mark.parametrize("loop", LOOPS)
def test_clients_that_leave_early_leave_nothing_in_the_log(
    reader: Reader, loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    json_type = b"content-type: application/json"
    requests = [
        post(body, json_type, path=path)
        for path, body in (
            (b"/v1/answer", json.dumps(QUESTION).encode()),
            (b"/v1/answer", b'{"question": "", "context": "x"}'),
            (b"/v1/answer", b"{"),
            (b"/nowhere", b""),
            (b"/", json.dumps({"inputs": QUESTION}).encode()),
        )
    ] + [b"GET /page.js HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"]
    reset = (1).to_bytes(4, "little") + bytes(4)
    app = create_app(reader, Settings(max_queue=1000))
    count = app.state.services.metrics.registry.get_sample_value
    with serving_app(app, loop) as port:
        for number in range(500):
            data = requests[number % len(requests)] * (1 + number % 2)
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(data[: len(data) if number % 3 else len(data) // 2])
            if number % 5 == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            if number % 7 == 0:
                time.sleep(0.002)
            connection.close()
        deadline = time.monotonic() + 50
        while count("pullquote_open_requests") and time.monotonic() < deadline:
            time.sleep(0.05)
        ((status, _),) = responses(exchange(port, LAST))
    assert status == 404
    assert caplog.records == []
