"""Two servers on one index behind nginx, of which one is killed; and the example of that."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres_server import free_port
from pullquote import Index

EXAMPLE = Path(__file__).parents[2] / "examples" / "servers"
QUESTIONS = ["How much is the rent?", "Who built the mill?", "When was the mill built?"]


def ask(port: int, question: str) -> tuple[int, str]:
    """The status, 0 for a connection that was cut, and the best quote."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/ask",
        json.dumps({"question": question}).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)["answers"][0]["text"]
    except urllib.error.HTTPError as error:
        return error.code, ""
    except (urllib.error.URLError, ConnectionError):
        return 0, ""


def wait_for(port: int) -> None:
    for _ in range(300):
        if ask(port, "rent")[0] == 200:
            return
        time.sleep(0.1)
    pytest.fail(f"nothing answers at {port}")


@pytest.fixture
def url(new_url: str, tmp_path: Path) -> str:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "lease.txt").write_text("The rent is 840 crowns a month.\n")
    (tmp_path / "docs" / "mill.txt").write_text("The mill was built by Ann Harker in 1790.\n")
    with Index.create(new_url) as index:
        index.add([tmp_path / "docs"])
    return new_url


class Servers:
    """Two servers, and nginx before them as in the example."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._ports = [free_port(), free_port()]
        self.processes = [self._start(port) for port in self._ports]
        self.port = free_port()
        config = (EXAMPLE / "nginx.conf").read_text()
        for name, port in zip(("one", "two"), self._ports, strict=True):
            assert f"server {name}:8000" in config
            config = config.replace(f"{name}:8000", f"127.0.0.1:{port}")
        config = config.replace("listen 8080;", f"listen 127.0.0.1:{self.port};")
        (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/nginx.pid;\n{config}")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        log = ("-e", str(folder / "errors.log"))
        self.processes.append(
            subprocess.Popen([program, "-c", str(folder / "nginx.conf"), *log], cwd=folder)
        )
        for port in (*self._ports, self.port):
            wait_for(port)

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "pullquote", "serve", "tiny", "--threads", "1"]
        return subprocess.Popen([*program, "--index", self._url, "--port", str(port)])

    def kill_one(self) -> None:
        self.processes[0].send_signal(signal.SIGKILL)
        self.processes[0].wait()

    def start_one(self) -> None:
        self.processes[0] = self._start(self._ports[0])
        wait_for(self._ports[0])

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)


@pytest.fixture
def servers(url: str, tmp_path: Path) -> Iterator[Servers]:
    pytest.importorskip("fastapi")
    if not shutil.which("nginx") and not Path("/usr/sbin/nginx").exists():
        pytest.skip("no nginx here (Debian: apt-get install nginx-light)")
    servers = Servers(url, tmp_path)
    with contextlib.closing(servers):
        yield servers


def test_of_two_servers_one_may_be_killed(servers: Servers, url: str) -> None:
    expected = {question: ask(servers.port, question)[1] for question in QUESTIONS}
    assert "840" in expected[QUESTIONS[0]]
    assert len(set(expected.values())) == 3
    seen: list[tuple[int, str, str]] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            for question, answer in expected.items():
                seen.append((*ask(servers.port, question), answer))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    servers.kill_one()
    time.sleep(1)
    servers.start_one()
    time.sleep(1)
    over.set()
    for thread in threads:
        thread.join()
    assert {status for status, *_ in seen} <= {200, 502, 503, 504, 0}
    answered = [(found, answer) for status, found, answer in seen if status == 200]
    assert all(found == answer for found, answer in answered)
    assert len(answered) > 30
    assert len(seen) - len(answered) <= 8  # at most what was in flight, for each client twice
    # both see at once what one process has written
    with Index.open(url) as index:
        index.add_texts([{"id": "ferry", "text": "The ferry leaves at nine."}])
    for _ in range(4):
        status, found = ask(servers.port, "When does the ferry leave?")
        assert status == 200
        assert "nine" in found


def test_a_database_that_is_gone_is_a_503_until_it_is_back(tmp_path: Path) -> None:
    from postgres_server import PostgresServer

    pytest.importorskip("fastapi")
    with PostgresServer() as database:
        with Index.create(database.url("notes"), encoder=None) as index:
            index.add_texts(["The rent is 840 crowns a month."])
        port = free_port()
        program = [sys.executable, "-m", "pullquote", "serve", "tiny", "--threads", "1"]
        served = subprocess.Popen([*program, "--index", database.url("notes"), "--port", str(port)])
        try:
            wait_for(port)
            before = ask(port, "How much is the rent?")
            assert before[0] == 200
            database.kill()
            assert ask(port, "How much is the rent?") == (503, "")
            database.start()
            assert ask(port, "How much is the rent?") == before
        finally:
            served.terminate()
            served.wait(30)


def test_the_example_is_a_compose_file() -> None:
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"database", "one", "two", "index", "nginx"}
    for name in ("one", "two"):
        assert services[name]["command"] == [
            "--index",
            "postgresql://pullquote@database/library/mill",
        ]
        assert (EXAMPLE / services[name]["build"]["context"] / "Dockerfile").is_file()
    (config,) = services["nginx"]["volumes"]
    assert (EXAMPLE / config.split(":")[0]).is_file()
    for service in services.values():
        assert ("image" in service) != ("build" in service)
        assert set(service.get("depends_on", [])) <= set(services)
