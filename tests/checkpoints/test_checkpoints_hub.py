"""Downloads from the Hugging Face hub: a local stand-in server and the real client."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias

import pytest

pytest.importorskip("huggingface_hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# `huggingface_hub` reads its environment when it is imported, so each look-up is its own process.
OPEN = """
import json, sys
from pullquote.errors import PullquoteError
from pullquote.checkpoints.directory import open_model
sys.modules.update(dict.fromkeys(sys.argv[2:]))  # packages that are not installed
try:
    model = open_model(sys.argv[1])
    found = {"path": str(model.path), "onnx": str(model.onnx), "safe": str(model.safetensors)}
except PullquoteError as error:
    found = {"error": type(error).__name__, "message": str(error)}
print(json.dumps(found))
"""
MakeModel: TypeAlias = Callable[..., Path]


class Hub:
    """Serves directories as repositories, for `model_info` and `snapshot_download`."""

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        self.fetched: list[str] = []  # the files whose content was sent
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, headers, body = hub.respond(self.path.split("?")[0])
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)
                    if "ETag" in headers:
                        hub.fetched.append(self.path.split(f"{COMMIT}/")[1])

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *values: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def respond(self, path: str) -> tuple[int, dict[str, str], bytes]:
        # api/models/OWNER/NAME, api/models/OWNER/NAME/tree/COMMIT, OWNER/NAME/resolve/COMMIT/FILE
        api = path.startswith("/api/models/")
        _, owner, name, *rest = [*path.removeprefix("/api/models").split("/"), "", ""]
        if f"{owner}/{name}" not in self.repositories:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        root = self.repositories[f"{owner}/{name}"]
        files = {str(file.relative_to(root)): file for file in root.rglob("*") if file.is_file()}
        if api and rest[0] == "tree":
            listing = [
                {"type": "file", "path": name, "size": file.stat().st_size, "oid": _sha(file)}
                for name, file in files.items()
            ]
            return 200, {"Content-Type": "application/json"}, json.dumps(listing).encode()
        if api:
            siblings = [{"rfilename": name} for name in files]
            info = {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": siblings}
            return 200, {"Content-Type": "application/json"}, json.dumps(info).encode()
        file = files.get("/".join(rest[2:]).strip("/"))
        if file is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        headers = {"ETag": f'"{_sha(file)}"', "X-Repo-Commit": COMMIT}
        return 200, headers, file.read_bytes()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _sha(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, make_model: MakeModel) -> Iterator[Hub]:
    full = make_model(tmp_path / "full")
    (full / "model.safetensors").write_bytes(b"large")
    (full / "pytorch_model.bin").write_bytes(b"\x80\x04would run")
    safe = make_model(tmp_path / "safe")
    (safe / "model.onnx").rename(safe / "model.safetensors")
    pickled = make_model(tmp_path / "pickled")
    (pickled / "model.onnx").rename(pickled / "pytorch_model.bin")
    bare = make_model(tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    hub = Hub({f"owner/{path.name}": path for path in (full, safe, pickled, bare)})
    yield hub
    hub.close()


@pytest.fixture
def look_up(hub: Hub, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Open a model by its hub id in a new process; print the answer or the error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    kept.update(HF_HOME=str(tmp_path / "cache"), HF_ENDPOINT=hub.url, no_proxy="127.0.0.1")

    def look_up(name: str, *missing: str, **environment: str) -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", OPEN, name, *missing],
            env={**kept, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(done.stdout)
        return found

    return look_up


LookUp = Callable[..., dict[str, str]]


def test_a_model_of_the_hub_is_fetched_once_and_answers_without_a_network(
    hub: Hub, look_up: LookUp
) -> None:
    first = look_up("owner/full")
    assert sorted(hub.fetched) == ["config.json", "model.onnx", "reader.json", "tokenizer.json"]
    assert first["onnx"].endswith("model.onnx")
    assert first["safe"] == "None"

    hub.close()
    assert look_up("owner/full") == first
    assert look_up("owner/full", HF_HUB_OFFLINE="1") == first
    assert len(hub.fetched) == 4


def test_safetensors_are_fetched_when_there_is_no_onnx(hub: Hub, look_up: LookUp) -> None:
    assert look_up("owner/safe")["safe"].endswith("model.safetensors")
    assert "model.safetensors" in hub.fetched


def test_without_onnx_runtime_safetensors_are_fetched_first(hub: Hub, look_up: LookUp) -> None:
    found = look_up("owner/full", "onnxruntime")
    assert found["safe"].endswith("model.safetensors")
    assert found["onnx"] == "None"
    assert "model.onnx" not in hub.fetched


def test_a_pickle_is_refused_and_not_fetched(hub: Hub, look_up: LookUp) -> None:
    found = look_up("owner/pickled")
    assert found["error"] == "OldFormError"
    assert "pickled weights only" in found["message"]
    assert "from_pretrained('owner/pickled')" in found["message"]
    assert hub.fetched == []


def test_a_repository_without_a_tokenizer_is_refused_and_not_fetched(
    hub: Hub, look_up: LookUp
) -> None:
    found = look_up("owner/bare")
    assert found["error"] == "OldFormError"
    assert "no tokenizer.json among its files: config.json" in found["message"]
    assert hub.fetched == []


@pytest.mark.parametrize("name", ["owner/unknown", "a--b/c", "owner/x.git"])
def test_an_unknown_repository_is_a_model_error(look_up: LookUp, name: str) -> None:
    found = look_up(name)
    assert found["error"] == "ModelError"
    assert f"{name}: the hub has no such repository" in found["message"]


def test_without_a_network_a_model_that_is_not_cached_is_a_download_error(
    hub: Hub, look_up: LookUp
) -> None:
    hub.close()
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        found = look_up("owner/full", **environment)
        assert found["error"] == "DownloadError"
        assert "cannot be reached" in found["message"]
        assert "Offline, use a bundled one" in found["message"]
