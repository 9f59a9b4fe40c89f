"""Documents read on a Ray cluster: the index that one machine makes. `make test-scale` has Ray."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pullquote import Index
from pullquote.cli import cli
from pullquote.errors import ConfigError, DocumentError
from pullquote.scale import ray_pool as module
from pullquote.scale.ray_cluster import worker_errors
from pullquote.scale.ray_pool import ray_pool
from pullquote.searching import pool
from pullquote.searching.documents import SourceFile, find

ray = pytest.importorskip("ray")
utilities = pytest.importorskip("ray.cluster_utils")
pytest.importorskip("lxml")
pytestmark = pytest.mark.filterwarnings("default")  # Ray has warnings of its own

DOCUMENTS = Path(__file__).parent.parent / "searching"
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
TABLES = ("roots", "documents", "passages", "skipped", "metadata")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three machines of one CPU, this process beside the first."""
    made = utilities.Cluster(
        initialize_head=True, connect=True, head_node_args={**NODE, "include_dashboard": False}
    )
    for _ in range(2):
        made.add_node(**NODE)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents of all formats, some broken, and a long one."""
    made = tmp_path / "documents"
    shutil.copytree(DOCUMENTS / "files", made / "files")
    shutil.copytree(DOCUMENTS.parent.parent / "examples", made / "examples")
    (made / "broken.pdf").write_bytes(b"%PDF-1.7 is no PDF")
    (made / "empty.txt").write_text("")
    (made / "guessed.txt").write_bytes("Ren\xe9e pays the rent.".encode("latin-1"))
    (made / "rows.jsonl").write_text('{"text": "The rent is due."}\n{\n')
    lines = (f"Clause {n}. The tenant of house {n} pays {n} crowns.\n\n" for n in range(20_000))
    (made / "long.txt").write_text("".join(lines))
    return made


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of an index, with their ids."""
    with sqlite3.connect(path) as connection:
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}


def add(path: Path | str, *paths: Path, **options: Any) -> Any:
    with Index.open_or_create(path) as index:
        return index.add(paths, vectors=False, **options)


def test_the_index_of_one_machine_also_after_changes(
    cluster: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(3):
        if step == 1:
            (folder / "guessed.txt").write_text("Ann pays the rent.")
            (folder / "new.md").write_text("# Rent\n\nIt is 840 crowns.")
            (folder / "long.txt").unlink()
        if step == 2:  # nothing to read: no cluster is asked
            monkeypatch.setattr(module, "library", lambda: pytest.fail("asked for Ray"))
        one = add(tmp_path / "local.db", folder)
        many = add(tmp_path / "ray.db", folder, pool=ray_pool)
        assert many == one
        assert content(tmp_path / "ray.db") == content(tmp_path / "local.db")
    assert (many.added, many.changed, many.removed) == (0, 0, 0)
    assert {Path(problem.path).name for problem in many.problems} >= {"broken.pdf", "empty.txt"}


def test_what_a_machine_was_reading_when_it_was_killed_is_read_again(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARE", 1)  # a task for each document
    folder = tmp_path / "documents"
    folder.mkdir()
    for n in range(60):
        lines = (f"House {n}, clause {m}: the rent is {n * m} crowns.\n\n" for m in range(3000))
        (folder / f"{n:02d}.txt").write_text("".join(lines))
    killed: list[int] = []

    def kill(done: int, total: int, _: str) -> None:
        if not killed and done > total / 10:
            killed.append(done)
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
            cluster.add_node(wait=False, **NODE)

    add(tmp_path / "local.db", folder)
    done = add(tmp_path / "ray.db", folder, pool=ray_pool, progress=kill)
    assert killed
    assert (done.added, done.problems) == (60, ())
    assert content(tmp_path / "ray.db") == content(tmp_path / "local.db")


def test_an_index_on_a_server(cluster: Any, folder: Path, tmp_path: Path, new_url: str) -> None:
    add(tmp_path / "local.db", folder)
    command = ["index", str(folder), "-o", new_url, "--read-on", "ray", "--no-vectors"]
    done = CliRunner().invoke(cli, command)
    assert not done.exception, done.output
    with Index.open(tmp_path / "local.db") as one, Index.open(new_url) as many:
        documents = list(one.documents())
        assert list(many.documents()) == documents
        for document in documents:
            assert many.passages(document.path) == one.passages(document.path)


def sources(*paths: Path) -> list[SourceFile]:
    return [found for found in find(paths) if isinstance(found, SourceFile)]


def test_a_machine_without_the_documents_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("The rent is 840 crowns.")
    (tmp_path / "gone.txt").write_text("Dogs are welcome.")
    gone, here = sources(tmp_path)
    (tmp_path / "gone.txt").unlink()
    first, *others = module._read([gone, here])
    assert first == (gone.path, {"absent": module.socket.gethostname()})
    assert {path for path, _ in others} == {here.path}
    with pytest.raises(DocumentError, match="No such file"):  # nor is it here any more
        list(module._RayReader(iter([first])).read(gone))
    with pytest.raises(ConfigError, match=r"here\.txt: is not on 10\.0\.0\.7, a machine"):
        list(module._RayReader(iter([(here.path, {"absent": "10.0.0.7"})])).read(here))


def test_a_document_that_nobody_read_to_its_end_is_skipped(tmp_path: Path) -> None:
    texts = {"a": "The rent is 840 crowns.\n\n" * 2000, "b": "Dogs are welcome."}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    a, b = sources(tmp_path)
    reader = module._RayReader(module._read([a, b]))
    next(reader.read(a))
    assert [passage.text for passage in reader.read(b)] == ["Dogs are welcome."]


def test_a_task_reads_within_the_limits_of_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = "import ctypes; from pullquote.searching import worker; "
    fault += "worker.read = lambda *_: ctypes.string_at(0); worker.main()"
    pool.end_idle()
    monkeypatch.setattr(pool, "_PROGRAM", fault)
    (tmp_path / "a.txt").write_text("The rent is 840 crowns.")
    (file,) = sources(tmp_path)
    ((_, answer),) = module._read([file])
    assert "its reader crashed (SIGSEGV)" in answer["error"][1]
    pool.end_idle()


def test_shares_are_small_and_a_large_document_is_alone(tmp_path: Path) -> None:
    sizes = [3, 5, 2, 20, 1, 9, 1]
    for n, size in enumerate(sizes):
        (tmp_path / f"{n}.txt").write_text("x" * size)
    files = sources(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHARE", 10)
        shares = list(module._shares(files))
    assert [[file.stamp[0] for file in share] for share in shares] == [[3, 5, 2], [20], [1, 9], [1]]


def test_where_ray_gives_up_the_error_is_ours() -> None:
    with (
        pytest.raises(ConfigError, match=r"a worker of Ray failed .*; each machine needs"),
        worker_errors(ray, "the documents"),
    ):
        raise ray.exceptions.WorkerCrashedError
