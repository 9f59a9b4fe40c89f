"""Batches of questions that are asked of an index."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from pullquote import Index, Reader, Searcher
from pullquote.errors import ConfigError, MissingExtraError, OutputError
from pullquote.scale.answering import Columns
from pullquote.scale.batch import batch

pq = pytest.importorskip("pyarrow.parquet")

READER = Reader("small", threads=1)
QUESTIONS = ["How much is the rent?", "Who built the mill?", "", "When was the mill built?"]


@pytest.fixture
def searcher(tmp_path: Path) -> Searcher:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "lease.txt").write_text("Lease of the mill.\n\nThe rent is 840 crowns a month.\n")
    (docs / "mill.txt").write_text("The mill was built by Ann Harker in 1790.\n")
    index = Index.create(tmp_path / "index.db", encoder=None)
    index.add([docs], vectors=False)
    return Searcher(READER, index)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rows = [{"question": question, "team": n} for n, question in enumerate(QUESTIONS)]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def read(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return found


def test_each_question_is_asked_of_all_documents(
    searcher: Searcher, source: Path, tmp_path: Path
) -> None:
    columns = Columns(("team",), top_k=2, place=True)
    done = batch(searcher, source, tmp_path / "out", columns=columns, rows=3, answerable=0.9)
    assert (done.rows, done.errors) == (4, 1)
    found = read(tmp_path / "out")
    assert [row["id"] for row in found] == ["1", "2", "3", "4"]
    assert [row["team"] for row in found] == ["0", "1", "2", "3"]
    for row, question in zip(found, QUESTIONS, strict=True):
        if question:
            wanted = searcher.search(question, 2, answerable=0.9)
            assert row["answer"] == wanted.hits[0].text
            assert (row["document"], row["number"]) == (
                wanted.hits[0].place.path,
                wanted.hits[0].place.number,
            )
            assert [one["text"] for one in row["answers"]] == [hit.text for hit in wanted.hits[:2]]
    assert found[2]["error"] == "line 3: the question is blank"
    again = batch(searcher, source, tmp_path / "out", columns=columns, rows=3, answerable=0.9)
    assert again.resumed == 4


def test_an_index_that_has_changed_is_refused(
    searcher: Searcher, source: Path, tmp_path: Path
) -> None:
    batch(searcher, source, tmp_path / "out")
    with pytest.raises(ConfigError, match=r'begun with index\.path null, not "\*\.md"; give'):
        batch(searcher, source, tmp_path / "out", path="*.md")
    with pytest.raises(ConfigError, match=r"was begun with index \{"):
        batch(READER, source, tmp_path / "out")
    searcher.index.add_texts(["The miller is Tom."])
    with pytest.raises(ConfigError, match=r"was begun with index\.state "):
        batch(searcher, source, tmp_path / "out")


def test_an_index_is_pickled_by_its_path(searcher: Searcher, tmp_path: Path) -> None:
    index = Index.open(tmp_path / "index.db")
    again = pickle.loads(pickle.dumps(Searcher(READER, index)))  # as workers of a cluster get it
    assert again.index.state == index.state
    found = again.search("How much is the rent?", answerable=0.9)
    assert found == searcher.search("How much is the rent?", answerable=0.9)
    assert found.answered
    again.index.close()
    for other in (Index.in_memory(), searcher.index):
        with pytest.raises(TypeError, match="does not pickle"):
            pickle.dumps(other)


def test_an_error_of_a_worker_keeps_its_words() -> None:
    error = pickle.loads(pickle.dumps(MissingExtraError("fsspec", "remote")))
    assert str(error) == 'fsspec is not installed. Run: pip install "pullquote[remote]"'
    assert error.extra == "remote"


def test_columns_fit_what_is_asked(searcher: Searcher, source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"columns\.place is False"):
        batch(searcher, source, tmp_path / "out", columns=Columns())
    with pytest.raises(ConfigError, match=r"columns\.place is True"):
        batch(READER, source, tmp_path / "out", columns=Columns(place=True))


def test_a_part_that_is_no_file_is_named(searcher: Searcher, source: Path, tmp_path: Path) -> None:
    batch(searcher, source, tmp_path / "out")
    part = tmp_path / "out" / "part-00000-0000000.parquet"
    part.unlink()
    part.mkdir()
    with pytest.raises(OutputError, match=r"part-00000-0000000\.parquet: cannot be read"):
        batch(searcher, source, tmp_path / "out")
