"""The command as a user meets it: `run` in a process of its own, `call` in this one for speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import ENVIRONMENT, Result, Run, golden

from pullquote.cli import main


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`pullquote ARGUMENTS` as a process, in an empty folder."""

    def run(
        *arguments: object,
        stdin: bytes | None = b"",
        env: dict[str, str] | None = None,
        python: str | None = None,
        encoding: str = "utf-8",
        **options: Any,
    ) -> Result:
        program = ["-c", python] if python else ["-m", "pullquote"]
        words = [a if isinstance(a, bytes) else str(a) for a in arguments]
        done = subprocess.run(
            [sys.executable, *program, *words],
            env={**ENVIRONMENT, **(env or {})},
            timeout=120,
            check=False,
            **{"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
            **({} if "stdin" in options else {"input": stdin}),
        )
        out, err = done.stdout or b"", done.stderr or b""
        return Result(done.returncode, out.decode(encoding), err.decode(encoding))

    return run


@pytest.fixture
def call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The same without a process of its own, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return Result(exited.value.code, out, err)

    return call


@pytest.fixture(scope="session")
def dev60(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "dev60.json"
    path.write_text(json.dumps(golden()["squad"]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def dev30(dev60: Path) -> Path:
    """The first thirty of them."""
    content = json.loads(dev60.read_text(encoding="utf-8"))
    left = 30
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            paragraph["qas"] = paragraph["qas"][:left]
            left -= len(paragraph["qas"])
    path = dev60.with_name("dev30.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
