"""Ray: the same files as from one process, through errors and kills. `make test-scale` has Ray."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pullquote import Reader
from pullquote.errors import ConfigError, DataError, OutputError
from pullquote.scale.answering import Columns
from pullquote.scale.batch import batch
from pullquote.scale.plan import find
from pullquote.scale.ray import RayEngine

ray = pytest.importorskip("ray")
pq = pytest.importorskip("pyarrow.parquet")
psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.filterwarnings("default")  # Ray has warnings of its own

CONTEXT = "The Norse, led by Rollo, came by sea in 911."
QUESTIONS = ["Who led the Norse?", "When did they come?", "How did they come?", ""]
READER = Reader("tiny", threads=1)
ENGINE = RayEngine(workers=2)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """With two CPUs, as few as any machine has."""
    ray.init("local", num_cpus=2, object_store_memory=100 * 2**20, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three files: one of many blocks, one of a part of a block, an empty one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, count in (("a", 43), ("b", 3), ("c", 0)):
        rows = [
            {"question": QUESTIONS[n % 4], "context": f"{CONTEXT} {n}.", "team": name}
            for n in range(count)
        ]
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def files(out: Path) -> dict[str, list[dict[str, Any]]]:
    return {path.name: pq.read_table(path).to_pylist() for path in sorted(out.glob("part-*"))}


def test_the_files_of_one_process_and_each_goes_on_with_the_others(
    source: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"columns": Columns(("team",), top_k=2), "rows": 5}
    one = batch(READER, source, tmp_path / "local", **options)
    steps: list[tuple[int, int, str]] = []
    many = batch(
        READER,
        source,
        tmp_path / "ray",
        engine=ENGINE,
        progress=lambda *step: steps.append(step),
        **options,
    )
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert (many.rows, many.errors, many.resumed) == (one.rows, one.errors, 0) == (46, 10, 0)
    assert [done for done, *_ in steps] == sorted(done for done, *_ in steps)
    # all is there: nothing is answered again, and Ray does not wait for anything
    assert batch(READER, source, tmp_path / "ray", engine=ENGINE, **options).resumed == 46
    for part in ("part-00000-0000002.parquet", "part-00001-0000000.parquet"):
        (tmp_path / "ray" / part).unlink()
    assert batch(READER, source, tmp_path / "ray", engine=ENGINE, **options).resumed == 38
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert batch(READER, source, tmp_path / "ray", **options).resumed == 46


def test_an_error_of_a_worker_is_ours(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch(READER, source / "b.jsonl", out)
    (out / "part-00000-0000000.parquet").write_bytes(b"half a file")
    with pytest.raises(OutputError, match=r"part-00000-0000000\.parquet: is damaged"):
        batch(READER, source / "b.jsonl", out, engine=ENGINE)
    (source / "b.csv").write_text("question,question\nx,y\n")
    with pytest.raises(DataError, match=r"b\.csv: two columns have one name"):
        batch(READER, source / "b.csv", tmp_path / "other", engine=ENGINE)


def test_settings_of_ray_data_are_as_they_were(source: Path, tmp_path: Path) -> None:
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size, context.execution_options
    batch(READER, source / "b.jsonl", tmp_path / "out", engine=ENGINE)
    assert (context.target_max_block_size, context.execution_options) == before
    assert before[0] > 1


def test_few_blocks_wait_to_be_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.jsonl"
    row = json.dumps({"question": "", "context": "x" * 500_000})
    source.write_text(f"{row}\n" * 120)  # 120 blocks of half a megabyte
    monkeypatch.setattr("pullquote.scale.ray._WAITING", 2 * 2**20)  # for each of two CPUs

    class Slow:
        """A job that tells how much was held when it was done with a block."""

        rows = 1
        done: frozenset[str] = frozenset()

        def answer(self, block: object) -> int:
            time.sleep(0.1)
            return int(psutil.disk_usage("/dev/shm").used)

    held = list(RayEngine(workers=1)(Slow(), find(str(source))))  # type: ignore[arg-type]
    assert len(held) == 120
    assert max(held) - held[0] < 10e6  # 14e6 without the limit, since the store here is small


def test_killed_actors_lose_and_double_nothing(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{n}", "question": QUESTIONS[n % 3], "context": f"{CONTEXT} {n}."}
        for n in range(4000)
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    out = tmp_path / "out"
    random.seed(3)
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.is_set() and len(killed) < 3:
            actors = [
                one
                for one in psutil.Process().children(recursive=True)
                if "_Answering" in "".join(one.cmdline())
            ]
            if actors and len(list(out.glob("part-*"))) > 3 * len(killed):
                random.choice(actors).kill()
                killed.append(1)
            time.sleep(0.2)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        done = batch(READER, source, out, rows=100, engine=ENGINE)
    finally:
        over.set()
        thread.join()
    assert len(killed) == 3
    assert (done.rows, done.errors) == (4000, 0)
    found = [row["id"] for part in files(out).values() for row in part]
    assert found == [row["id"] for row in rows]
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("options", [{"workers": 0}, {"cpus": 0}, {"gpus": -1}])
def test_options_that_no_cluster_has(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        RayEngine(**options)
