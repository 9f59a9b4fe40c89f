"""A server of OpenSearch in memory for tests, and a proxy that answers badly when told to.

with OpenSearchServer() as server, FaultyProxy(server.url) as proxy:
    proxy.faults += ["busy", "lost"]          # of the next two requests
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class OpenSearchServer:
    """osmem-server: not OpenSearch itself, but what answers as it does."""

    def __init__(self) -> None:
        pytest.importorskip("opensearchpy", reason="opensearch-py is not installed (extra)")
        reason = "no server in memory (pip install osmem-server)"
        self._library = pytest.importorskip("osmem_server", reason=reason)

    def __enter__(self) -> OpenSearchServer:
        self._server = self._library.OsmemServer.start(japanese=False)
        self.url: str = self._server.url
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._server.process.stdout.close()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"{}")


class FaultyProxy:
    """Passes requests on to a server, but for those for which it has a fault."""

    def __init__(self, url: str) -> None:
        self.faults: list[str | bytes] = []
        """What happens to the next requests: an answer in bytes, or

        busy, full      429 and 503, without having done anything
        lost            closed before the request arrives
        unanswered      closed after it has arrived
        half            closed in the middle of the answer
        slow            answered after .3 seconds
        """
        self.always: str | bytes = ""
        """What happens when there are no more of these."""
        self.chance: random.Random | None = None
        """Draws a fault for every third request, if there is none."""
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        """Methods, paths, headers and bodies of the requests."""
        host, _, port = url.partition("//")[2].partition(":")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body at once, or each answer takes 40 ms more
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.partition("?")[0]
                proxy.seen.append((self.command, path, dict(self.headers), body))
                fault = proxy._next()
                if fault == "lost":
                    self.close_connection = True
                    return
                if fault in ("busy", "full"):
                    self.reply(429 if fault == "busy" else 503, b'{"error": "busy"}')
                    return
                if isinstance(fault, bytes):
                    self.reply(200, fault)
                    return
                server = http.client.HTTPConnection(host, int(port))
                headers = {"Content-Type": self.headers.get("content-type") or ""}
                server.request(self.command, self.path, body, headers if body else {})
                answer = server.getresponse()
                data = answer.read()
                server.close()
                if fault == "unanswered":
                    self.close_connection = True
                    return
                if fault == "slow":
                    time.sleep(0.3)
                kind = answer.headers.get("content-type") or ""
                self.reply(answer.status, data, kind, half=fault == "half")

            def reply(
                self, status: int, data: bytes, kind: str = "application/json", half: bool = False
            ) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                for line in proxy.headers:
                    self.send_header(*line)
                self.end_headers()
                if half:
                    self.close_connection = True
                    data = data[: len(data) // 2]
                if self.command != "HEAD":
                    self.wfile.write(data)

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):  # whatever the method
                    return self.do
                raise AttributeError(name)

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # of a client that has gone

        self.headers: list[tuple[str, str]] = []
        """More of each answer."""
        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _next(self) -> str | bytes:
        if self.faults:
            return self.faults.pop(0)
        if self.chance and self.chance.random() < 1 / 3:
            return self.chance.choice(["busy", "full", "lost", "unanswered", "half"])
        return self.always

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
