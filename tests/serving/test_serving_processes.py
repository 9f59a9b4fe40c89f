"""Several processes on one port: how each of them ends, and what it leaves."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from prometheus_client.mmap_dict import MmapedDict
from serving_helpers import Server, eventually, serving

from pullquote.errors import OutputError
from pullquote.serving import processes


def metrics(server: Server) -> str:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as response:
        return str(response.read().decode())


def workers(server: Server) -> set[int]:
    """The processes that answer; another child of the first one tracks resources."""
    found = set()
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.Error):  # it has just ended
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def have_metrics(folder: Path, processes: int) -> bool:
    """Whether so many processes have made all their metrics, the last of which is a counter."""
    files = folder.glob("*/counter_*.db")
    return sum(b"pullquote_abstentions" in file.read_bytes() for file in files) == processes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the temporary files of a server are."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_killed_process_is_replaced_and_leaves_no_gauges(folder: Path) -> None:
    body = b'{"question": "Who led?", "context": "The Norse, led by Rollo, came by sea."}'
    with serving("--workers", "2", "--threads", "1") as server:
        for _ in range(4):
            request = urllib.request.Request(f"{server.url}/v1/answer", body)
            request.add_header("content-type", "application/json")
            urllib.request.urlopen(request, timeout=60).close()
        eventually(lambda: have_metrics(folder, 2))  # one may have given all answers so far
        for file in folder.glob("*/gauge_livesum_[01].db"):  # killed with questions in the queue
            stored = MmapedDict(str(file))
            for key, *_ in list(stored.read_all_values()):
                stored.write_value(key, 59.0, 0.0)
            stored.close()
        assert "pullquote_waiting_questions 118.0" in metrics(server).splitlines()
        before = workers(server)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(workers(server) - before) == 2)
        # the new processes empty the gauges as they start
        eventually(lambda: "pullquote_waiting_questions 0.0" in metrics(server).splitlines())
        found = metrics(server)
        assert "pullquote_open_requests 0.0" in found.splitlines()
        assert "pullquote_questions_total 4.0" in found.splitlines()  # and no count is lost
        code, err = server.stop()
    assert code == 0
    for pid in before:
        assert re.search(rf"process {pid} ended \(exit code -9\); process \d+ takes its place", err)
    assert list(folder.iterdir()) == []


def test_processes_end_with_their_parent(folder: Path) -> None:
    with serving("--workers", "2", "--threads", "1") as server:
        metrics(server)  # they have started
        eventually(lambda: len(list(folder.glob("*/process-*"))) == 2)
        children = psutil.Process(server.process.pid).children(recursive=True)
        server.process.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert alive == []
        with pytest.raises(OSError, match="refused"):
            metrics(server)
    assert list(folder.iterdir()) == []


def test_a_process_that_cannot_start_ends_all_with_one_line(tmp_path: Path, mill: Path) -> None:
    index = tmp_path / "mill.db"
    index.write_bytes(mill.read_bytes())
    with serving("--workers", "2", "--threads", "1", "--index", str(index)) as server:
        metrics(server)
        index.write_bytes(b"damaged" * 1000)
        for pid in workers(server):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _, err = server.process.communicate(timeout=120)
    assert server.process.returncode == 1
    assert "Traceback" not in err
    assert "mill.db: " in err


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs posix_fallocate")
def test_a_full_disk_is_an_error_at_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    expected = r"no room for the metrics of 3 processes \(No space left on device\); free 9 MiB"
    with pytest.raises(OutputError, match=expected), processes.metrics_files(2):
        pass
    assert list(folder.iterdir()) == []
    assert processes.MULTIPROCESS_DIR not in os.environ


def test_metrics_files_need_no_more_room_later(folder: Path) -> None:
    """A file that grew on a full disk would end its process by a signal, without a word."""
    code = """
import os, sys
from prometheus_client import values
from pullquote.serving import middleware, processes
from pullquote.serving.error_responses import CODES
from pullquote.serving.metrics import Metrics
with processes.metrics_files(1):
    values.ValueClass = values.MultiProcessValue(lambda: 0)
    metrics = Metrics()
    for path in [f"/v1/{'x' * 20}{n}" for n in range(30)]:
        metrics.seconds.labels(path).observe(1)
        for method in (*middleware.METHODS, "other"):
            for status in (200, 499, *CODES):
                metrics.requests.labels(method, path, status).inc()
    folder = os.environ[processes.MULTIPROCESS_DIR]
    print({os.stat(os.path.join(folder, name)).st_size for name in os.listdir(folder)})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{{{processes._FILE_BYTES}}}\n"
