"""The server as a process on a real socket: its clients, its signals, and bytes of any kind."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from serving_helpers import Server, eventually, serving

from pullquote import Reader, pipeline

NORSE = "The Norse, led by Rollo, came by sea. They settled in Normandy."
QUESTION = "Who led the Norse?"


def post(server: Server, body: Any, path: str = "/v1/answer") -> tuple[int, Any]:
    """Status and JSON."""
    headers = {"content-type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def figure(server: Server, name: str) -> float:
    """One of /metrics."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as response:
        found = re.search(rf"^{name} (\S+)$", response.read().decode(), re.M)
    assert found
    return float(found[1])


def is_alive(server: Server) -> bool:
    with urllib.request.urlopen(f"{server.url}/healthz", timeout=10) as response:
        return bool(response.status == 200)


# ---- Hugging Face's client


def test_inference_client_gets_the_pipeline_s_answers(server: Server) -> None:
    client = InferenceClient(model=server.url)
    qa = pipeline("question-answering", model="tiny")
    one = client.question_answering(question=QUESTION, context=NORSE)
    expected = qa(question=QUESTION, context=NORSE)
    assert {key: one[key] for key in expected} == pytest.approx(expected, abs=1e-4)
    options = {
        **{"top_k": 3, "max_answer_len": 5, "max_seq_len": 30, "doc_stride": 8},
        **{"handle_impossible_answer": True, "align_to_words": False, "max_question_len": 12},
    }
    several = client.question_answering(question=QUESTION, context=NORSE * 5, **options)
    expected = qa(question=QUESTION, context=NORSE * 5, **options)
    assert [a["answer"] for a in several] == [a["answer"] for a in expected]
    assert [a["score"] for a in several] == pytest.approx([a["score"] for a in expected], abs=1e-4)


def test_inference_client_shows_what_was_wrong() -> None:
    with serving("--max-question", "10") as server:
        client = InferenceClient(model=server.url)
        with pytest.raises(HfHubHTTPError, match="a question has 18 characters, expected at most"):
            client.question_answering(question=QUESTION, context=NORSE)


def test_inference_client_brings_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLQUOTE_TOKEN", "hf_secret")
    with serving() as server:
        client = InferenceClient(model=server.url, token="hf_secret")
        assert client.question_answering(question=QUESTION, context=NORSE)["answer"] == "Rollo"
        with pytest.raises(HfHubHTTPError, match="a token is asked for"):
            InferenceClient(model=server.url, token="hf_other").question_answering(
                question=QUESTION, context=NORSE
            )


# ---- many at once


def test_batched_answers_are_those_of_the_reader(server: Server) -> None:
    texts = [
        f"{name} led the {people} in {year}. " * (1 + year % 7)
        for name, people, year in zip(
            ("Rollo", "Ann", "Karl", "Ida"),
            ("Norse", "Picts", "Franks", "Danes"),
            (911, 1012, 803, 1204),
            strict=True,
        )
    ]
    asked = [(f"Who led in case {n}?", texts[n % 4]) for n in range(64)]
    with ThreadPoolExecutor(32) as pool:
        bodies = list(pool.map(lambda a: post(server, {"question": a[0], "context": a[1]}), asked))
    reader = Reader("tiny")
    for (status, body), (question, context) in zip(bodies, asked, strict=True):
        expected = reader.answer(question, context)
        assert status == 200
        assert body["results"][0]["answers"][0]["text"] == expected.answers[0].text
        # one thread or two add up in another order, and int8 rounds what differs
        assert body["results"][0]["null_score_diff"] == pytest.approx(
            expected.null_score_diff, abs=1e-3
        )
    batches = figure(server, "pullquote_batch_questions_count")
    questions = figure(server, "pullquote_batch_questions_sum")
    assert questions > batches  # some did share one


def test_several_processes_share_a_port_and_their_figures() -> None:
    with serving("--workers", "2") as server:
        for _ in range(12):
            assert post(server, {"question": QUESTION, "context": NORSE})[0] == 200
        totals = set()
        for _ in range(8):
            totals.add(figure(server, "pullquote_questions_total"))
        assert totals == {12}
        code, _ = server.stop()
        assert code == 0


# ---- beginning and end


def test_sigterm_lets_what_is_in_flight_end() -> None:
    with serving() as server, ThreadPoolExecutor(1) as pool:
        long = {"question": [QUESTION] * 8, "context": NORSE * 700}
        answer = pool.submit(post, server, long)
        eventually(lambda: figure(server, "pullquote_open_requests"))
        code, err = server.stop()
        status, body = answer.result()
        assert (status, len(body["results"])) == (200, 8)
        assert (code, err) == (0, "")


def test_ctrl_c_is_an_orderly_end_too() -> None:
    with serving() as server:
        assert is_alive(server)
        server.process.send_signal(signal.SIGINT)
        _, err = server.process.communicate(timeout=30)
        assert (server.process.returncode, err) == (130, "\npullquote: interrupted\n")


def test_errors_at_the_start_are_one_line(server: Server) -> None:
    def fails(*options: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pullquote", "serve", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (1, 2)
        assert len(done.stderr.splitlines()) == 1
        return done.stderr

    assert "in use; name another with --port" in fails("--port", str(server.port))
    assert "no address of this machine" in fails("--host", "256.0.0.1")
    assert "no such model" in fails("./nowhere", "--port", "0")
    assert "expected a scheme and a host" in fails("--allow-origin", "example.org")
    assert "no such file" in fails("--token-file", "nowhere")


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "prometheus_client"])
def test_without_the_extra_it_is_named(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from pullquote.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f'pullquote: error: {missing} is not installed. Run: pip install "pullquote[serve]"\n'
    )


def test_listening_for_others_without_a_token_is_noted() -> None:
    with serving("--host", "0.0.0.0") as server:
        assert is_alive(server)
        _, err = server.stop()
        assert "anyone who can reach 0.0.0.0 may ask" in err


# ---- bytes of any kind


def exchange(server: Server, data: bytes, patience: float = 3) -> bytes:
    """Send bytes; what comes until the server closes, or for as long as `patience`."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience) as connection:
        with suppress(OSError):  # it may close while we still send
            connection.sendall(data)
        with suppress(OSError):
            while piece := connection.recv(65536):
                answer += piece
    return answer


def request(body: bytes, *headers: bytes, path: bytes = b"/v1/answer") -> bytes:
    head = [b"POST %b HTTP/1.1" % path, b"host: localhost", b"connection: close", *headers]
    if not any(header.startswith((b"content-length", b"transfer")) for header in headers):
        head.append(b"content-length: %d" % len(body))
    if not any(header.startswith(b"content-type") for header in headers):
        head.append(b"content-type: application/json")
    return b"\r\n".join(head) + b"\r\n\r\n" + body


GOOD = json.dumps({"question": QUESTION, "context": NORSE}).encode()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"\x00" * 1000, 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", None),
        (b"GET /%ff%00 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", 404),
        (request(GOOD, b"content-length: 99999999999999999999999"), None),
        (request(GOOD, b"content-length: -1"), None),
        (request(b"zz\r\n" + GOOD, b"transfer-encoding: chunked"), None),
        (request(GOOD, b"content-type: text/plain"), 422),
        (request(GOOD, b"content-type: \xff"), 422),
        (request(GOOD[:-10]), 422),
        (request(b"\xff\xfe" + GOOD), 422),
        (request(b"[" * 500_000), 422),
        (request(b'{"question": ' + b"9" * 100_000 + b"}"), 422),
        (request(b" " * 3_000_000), 413),
        (request(GOOD, b"authorization: Bearer " + b"a" * 1_000_000), 431),
        (b"GET /" + b"a" * 1_000_000, 431),
        (request(GOOD, b"x: " + b"a" * 40_000), 431),  # whole, in one piece
        (request(GOOD, b"upgrade: websocket", b"connection: upgrade"), None),
        (request(GOOD), 200),
    ],
)
def test_malformed_requests_are_refused_one_by_one(
    server: Server, data: bytes, status: int | None
) -> None:
    answer = exchange(server, data)
    if status:
        assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]
    else:
        assert not answer.startswith(b"HTTP/1.1 5")
    assert is_alive(server)


@pytest.mark.parametrize(
    "head",
    [
        request(b"0\r\n", b"transfer-encoding: chunked")[:-2] + b"\r\n0\r\n",  # and trailers follow
        request(GOOD) + b"GET / HTTP/1.1\r\n",  # while the first one is read
        request(b"", b"transfer-encoding: chunked") + b"1;",  # and what a chunk is said to be
    ],
)
@pytest.mark.parametrize("line", [b"x: " + b"a" * 1000 + b"\r\n", b"a" * 1000])
def test_heads_without_an_end_are_refused_wherever_they_come(
    server: Server, head: bytes, line: bytes
) -> None:
    sent = 0
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with connection, suppress(OSError):
        connection.sendall(head)
        while sent < 20_000_000:
            sent += connection.send(line)
    assert sent < 19_000_000  # of which buffers on the way hold the most
    assert is_alive(server)


def test_a_body_that_is_too_large_is_told_so_however_large(server: Server) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        for size in (3_000_000, 20_000_000):
            connection.request("POST", "/v1/answer", b" " * size)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
        # and the same connection goes on
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"ok"}'


def test_what_is_left_of_a_refused_body_is_no_head(server: Server) -> None:
    head = b"POST /v1/answer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head)
        answer = b""
        while not answer.endswith(b'"details": []}'):  # head and body may come one by one
            answer += connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413")
        connection.sendall(b" " * 1000)
        assert connection.recv(65536) == b""  # closed after ten seconds, without another answer


def test_only_its_own_names_are_answered(server: Server) -> None:
    """A page whose name leads here is of the same origin as the server for a browser."""
    for name, status in (("evil.example:80", 421), ("[::1]:8000", 200), ("LOCALHOST", 200)):
        data = request(GOOD).replace(b"host: localhost", b"host: " + name.encode())
        assert exchange(server, data).startswith(b"HTTP/1.1 %d" % status)
    with serving("--allow-host", "qa.example") as named:
        data = request(GOOD).replace(b"host: localhost", b"host: qa.example")
        assert exchange(named, data).startswith(b"HTTP/1.1 200")


def test_the_command_sets_the_share_and_the_spelling() -> None:
    with serving("--answerable", "90%", "--no-spelling") as own:
        asked = {"question": "Who ledd the Norse?", "context": NORSE}
        status, body = post(own, asked)
        with urllib.request.urlopen(f"{own.url}/v1/model", timeout=10) as response:
            about = json.load(response)
    assert (about["answerable"], about["spelling"]) == (0.9, False)
    assert (status, body["answerable"], body["threshold"]) == (200, 0.9, None)
    assert body["results"][0]["corrections"] == []


@pytest.mark.parametrize("share", ["0", "80", "101%", "%80", "nan", "most"])
def test_a_share_that_is_none_is_refused(share: str) -> None:
    command = [sys.executable, "-m", "pullquote", "serve", "--answerable", share]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "expected one such as 80% or 0.8" in done.stderr


def test_a_token_that_is_set_and_empty_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLQUOTE_TOKEN", " ")
    command = [sys.executable, "-m", "pullquote", "serve", "tiny", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "PULLQUOTE_TOKEN is set and empty" in done.stderr
    command += ["--token-file", "absent"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "absent: no token can be read from it" in done.stderr


def test_random_bytes_never_take_it_down(server: Server) -> None:
    rng = random.Random(0)

    def changed(good: bytes) -> bytes:
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data)

    noise = [rng.randbytes(rng.randrange(1, 2000)) for _ in range(100)]
    near = [changed(request(GOOD)) for _ in range(200)]
    bodies = [request(changed(GOOD)) for _ in range(200)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda data: exchange(server, data, 1), noise + near + bodies))
    assert [answer for answer in answers if answer.startswith(b"HTTP/1.1 5")] == []
    assert {answer[9:10] for answer in answers} >= {b"2", b"4"}  # some were still good
    assert is_alive(server)
    assert post(server, {"question": QUESTION, "context": NORSE})[0] == 200


def test_a_client_that_leaves_in_the_middle_harms_nobody(server: Server) -> None:
    body = json.dumps({"question": [QUESTION] * 20, "context": NORSE * 600}).encode()
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(request(body))
        time.sleep(0.1)
        connection.close()
    begun = time.perf_counter()
    assert post(server, {"question": QUESTION, "context": NORSE})[0] == 200
    assert time.perf_counter() - begun < 5  # a hundred long texts would take far longer


def test_a_deadline_ends_the_work_itself() -> None:
    with serving("--max-seconds", "0.3") as server:
        many = {"question": [QUESTION] * 60, "context": NORSE * 2000}
        status, body = post(server, many)
        assert (status, body["code"]) == (504, "timeout")
        eventually(lambda: figure(server, "pullquote_waiting_questions") == 0)
        eventually(lambda: figure(server, "pullquote_open_requests") == 0)
        # on a busy machine this may take longer than its deadline, too
        eventually(lambda: post(server, {"question": QUESTION, "context": NORSE})[0] == 200)
