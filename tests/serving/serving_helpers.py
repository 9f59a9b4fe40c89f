"""What the tests of the server share: a running process, and the types of fixtures."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from starlette.testclient import TestClient

MakeClient: TypeAlias = Callable[..., AbstractContextManager[TestClient]]


@dataclass(frozen=True)
class Server:
    """A running `pullquote serve`."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM; the exit code and what it had printed to standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@contextmanager
def serving(*options: str, model: str = "tiny") -> Iterator[Server]:
    """`pullquote serve MODEL OPTIONS` on a free port, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pullquote", "serve", model, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, process.stderr and process.stderr.read())
        yield Server(found[0], process)
    finally:
        process.terminate()
        process.communicate(timeout=60)
