"""Files of object stores: the same rows as from a disk, whole or not at all, and clear errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pullquote import Reader
from pullquote.data.formats import read_items
from pullquote.errors import ConfigError, DataError, OutputError
from pullquote.scale.batch import batch
from pullquote.scale.folders import folder_at
from pullquote.scale.plan import find

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")

READER = Reader("tiny", threads=1)
ROWS = [
    {"id": f"q{n}", "question": "Who led the Norse?", "context": f"Rollo led {n} Norse."}
    for n in range(7)
]


@pytest.fixture
def store() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def put(store: Any, path: str, rows: list[dict[str, Any]]) -> None:
    store.pipe_file(path, "".join(f"{json.dumps(row)}\n" for row in rows).encode())


def parts(store: Any) -> list[dict[str, Any]]:
    paths = sorted(path for path in store.find("/out") if path.endswith(".parquet"))
    return [row for path in paths for row in pq.read_table(store.open(path)).to_pylist()]


def test_a_store_and_a_disk_give_the_same_rows(store: Any, tmp_path: Path) -> None:
    put(store, "/in/a.jsonl", ROWS[:5])
    table = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS[5:]), table)
    store.pipe_file("/in/deep/b.parquet", table.getvalue().to_pybytes())
    store.pipe_file("/in/notes.txt", b"no questions")
    done = batch(READER, "memory://in", "memory://out", rows=2)
    assert (done.rows, done.errors, done.resumed) == (7, 0, 0)
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS[:5]))
    pq.write_table(pa.Table.from_pylist(ROWS[5:]), tmp_path / "b.parquet")
    batch(READER, tmp_path.as_uri(), (tmp_path / "out").as_uri(), rows=2)
    assert parts(store) == pq.read_table(tmp_path / "out").to_pylist()
    assert [row["id"] for row in parts(store)] == [row["id"] for row in ROWS]
    # a glob and a file name the same
    assert find("memory://in/*.jsonl") == find("memory://in/a.jsonl") == find("memory://in")[:1]


def test_a_store_is_gone_on_with(store: Any) -> None:
    put(store, "/in/a.jsonl", ROWS)
    batch(READER, "memory://in", "memory://out", rows=3)
    before = parts(store)
    store.rm_file("/out/part-00000-0000001.parquet")
    done = batch(READER, "memory://in", "memory://out", rows=3)
    assert (done.rows, done.resumed) == (7, 4)
    assert parts(store) == before
    put(store, "/in/a.jsonl", ROWS[:2])
    with pytest.raises(ConfigError, match=r"memory://.*a\.jsonl: has changed since"):
        batch(READER, "memory://in", "memory://out", rows=3)


def test_results_in_the_folder_of_questions_are_no_questions(store: Any) -> None:
    put(store, "/in/a.jsonl", ROWS)
    for number in range(2):
        done = batch(READER, "memory://in", "memory://in/out", rows=3)
        assert (done.rows, done.resumed) == (7, 7 * number)


def test_errors_name_the_url(store: Any) -> None:
    with pytest.raises(DataError, match=r"memory://none: no file of questions"):
        find("memory://none")
    with pytest.raises(DataError, match=r"memory://in/none\.csv: no such file"):
        list(read_items("memory://in/none.csv"))
    with pytest.raises(DataError, match=r"nonsense://a: ValueError: Protocol not known"):
        find("nonsense://a")
    store.pipe_file("/in/bad.parquet", b"no parquet")
    with pytest.raises(DataError, match=r"memory://.*bad\.parquet: not readable as Parquet"):
        batch(READER, "memory://in", "memory://out")


def test_a_store_that_shows_half_files_is_refused() -> None:
    with pytest.raises(OutputError, match="a file of sftp:// may be seen half written"):
        folder_at("sftp://host/out")


def test_a_write_that_fails_is_an_error_of_the_output(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("quota")

    monkeypatch.setattr(type(store), "pipe_file", full)
    with pytest.raises(OutputError, match=r"memory://out/x: RuntimeError: quota"):
        folder_at("memory://out").write("x", b"data")


def test_paths_of_this_machine_load_no_fsspec(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("question,context\nWho?,Rollo led.\n")
    code = (
        "import sys; from pullquote import Reader; from pullquote.scale.batch import batch; "
        "batch(Reader('tiny', threads=1), 'in.csv', 'out'); "
        "print({'fsspec', 's3fs', 'ray', 'pyspark'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks S3, here: `make test-scale` has it."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = server_module.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("questions")
        put(system, "questions/in/a.jsonl", ROWS)
        for number in range(2):
            done = batch(READER, "s3://questions/in/*.jsonl", "s3://questions/out", rows=3)
            assert (done.rows, done.resumed) == (7, 7 * number)
        system.invalidate_cache()
        names = [path.rsplit("/", 1)[1] for path in system.find("questions/out")]
        assert names == ["_batch.json", *(f"part-00000-000000{n}.parquet" for n in range(3))]
        with pytest.raises(DataError, match=r"s3://questions/none/: no file of questions"):
            find("s3://questions/none/")
        with pytest.raises(OutputError, match=r"s3://no-bucket/out"):
            folder_at("s3://no-bucket/out").write("x", b"data")
    finally:
        server.stop()
