"""Vectors of passages: found by meaning, made bit by bit, remade where they do not fit."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from searching_helpers import ENGINES, HashEncoder

from pullquote import Index
from pullquote.errors import OutputError
from pullquote.searching import index as index_module
from pullquote.searching import vectorize
from pullquote.searching.engines import Match
from pullquote.searching.fusion import COSINE, FLOOR, LENGTH, fuse
from pullquote.searching.passages import LIMIT
from pullquote.searching.vectors import Rows, Vectors

RENT = "The rent is due on the third."
DOGS = "Dogs are welcome in the garden."
OTHERS = [f"Lamp number {n} burns oil." for n in range(30)]


@pytest.fixture
def encoder() -> HashEncoder:
    return HashEncoder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number, text in enumerate([RENT, DOGS, *OTHERS]):
        (folder / f"{number:02}.txt").write_text(text)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "i.db.vectors"


@pytest.fixture(params=ENGINES)
def index(
    request: pytest.FixtureRequest, place: Callable[[str], Path | str], encoder: HashEncoder
) -> Iterator[Index]:
    with Index.create(place(request.param), engine=request.param, encoder=encoder) as index:
        yield index


def texts(index: Index, question: str, limit: int = 20, **options: Any) -> list[str]:
    return [found.passage.text for found in index.search(question, limit, **options)]


def reopened(tmp_path: Path, encoder: HashEncoder) -> Index:
    return Index.open(tmp_path / "i.db", encoder=encoder)


# ---- finding


def test_a_passage_in_other_words_is_found(index: Index, folder: Path) -> None:
    index.add([folder], vectors=False)
    assert DOGS not in texts(index, "May pets come?")
    assert index.make_vectors() == 0
    best, *rest = index.search("May pets come?", 5)
    assert best.passage.text == DOGS
    assert best.cosine is not None
    assert best.cosine > max(other.cosine or 0 for other in rest)
    length = LENGTH * math.log(len(DOGS) / LIMIT)
    assert best.score == pytest.approx(best.bm25 + COSINE * best.cosine + length)
    assert len(rest) == 4


def test_words_still_count(index: Index, folder: Path) -> None:
    index.add([folder])
    assert texts(index, "Which lamp is number 7?")[0] == OTHERS[7]


def test_a_filter_holds_for_both_halves(index: Index, folder: Path) -> None:
    index.add([folder])
    assert texts(index, "May pets come for the rent?", path="00.txt") == [RENT]
    assert set(texts(index, "pets", path="0[01].txt")) == {RENT, DOGS}


def test_stop_words_alone_and_no_vectors_at_all(index: Index, folder: Path) -> None:
    index.add([folder], vectors=False)
    assert index.search("?") == []
    (found,) = index.search("rent")
    assert found.cosine is None
    assert found.score == pytest.approx(found.bm25 + LENGTH * math.log(len(RENT) / LIMIT))


def test_the_same_without_an_encoder(tmp_path: Path, folder: Path, file: Path) -> None:
    with Index.create(tmp_path / "i.db", encoder=None) as index:
        index.add([folder])
        assert texts(index, "rent") == [RENT]
        assert (index.make_vectors(), index.without_vectors()) == (0, 0)
    assert not file.exists()


@pytest.mark.packed  # the text encoder has the words of the packed `small`
def test_the_bundled_encoder_is_the_default_and_can_be_turned_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index_module.bundled.cache_clear()
    monkeypatch.setenv("PULLQUOTE_VECTORS", "off")
    assert index_module.bundled() is None
    index_module.bundled.cache_clear()
    monkeypatch.delenv("PULLQUOTE_VECTORS")
    with Index.in_memory() as index:
        index.add_texts([RENT, DOGS])
        assert index.search("May I keep a pet?")[0].passage.text == DOGS
    index_module.bundled.cache_clear()


# ---- fusing


FULL = dict.fromkeys(range(100), LIMIT)  # the lengths of passages that are as long as can be


def test_a_passage_far_down_by_words_has_the_score_of_the_last_that_counts() -> None:
    by_words = [Match(id, 30.0 - id) for id in range(FLOOR + 5)]
    near = {FLOOR + 2: 0.5, 99: 0.9, 0: 0.1}
    fused = {one.id: one for one in fuse(by_words, near, FULL, 50)}
    floor = by_words[FLOOR - 1].score
    assert fused[99] == (99, floor + COSINE * 0.9, floor, 0.9)
    assert fused[FLOOR + 2].bm25 == floor
    assert fused[0].score == pytest.approx(30.0 + COSINE * 0.1)
    # those without a vector are as near as those with one among the best: 0.1
    assert fused[1].score == pytest.approx(29.0 + COSINE * 0.1)


def test_few_matches_leave_the_floor_at_nothing() -> None:
    assert [one.id for one in fuse([Match(1, 0.5)], {2: 0.1, 1: 0.0}, FULL, 5)] == [2, 1]
    assert fuse([Match(1, 0.5)], {2: 0.1}, FULL, 5)[0].bm25 == 0.0


def test_without_cosines_words_alone_decide() -> None:
    by_words = [Match(id, 30.0 - id) for id in range(FLOOR + 5)]
    assert [(one.id, one.score) for one in fuse(by_words, {}, FULL, 50)] == [
        (match.id, match.score) for match in by_words
    ]


def test_a_long_passage_comes_before_a_short_one_that_fits_as_well() -> None:
    short, long = fuse([Match(1, 3.0), Match(2, 3.0)], {1: 0.4, 2: 0.4}, {1: 60, 2: 600}, 2)[::-1]
    assert (short.id, long.id) == (1, 2)
    assert long.score - short.score == pytest.approx(LENGTH * math.log(10))
    assert fuse([Match(1, 3.0)], {}, {1: 0}, 1)[0].id == 1  # of a damaged index


def test_both_lists_are_deep_enough_for_a_long_passage_behind_short_ones(index: Index) -> None:
    long = " ".join(["Dogs may stay."] * 60)  # as near as a short one, and comes after all of them
    filler = " ".join(["The rent."] + ["It is not due."] * 60)  # shares less of its words
    index.add_texts([*(["Dogs may stay."] * 24), long])
    assert texts(index, "pets")[0] == long
    index.remove([document.path for document in index.documents()])
    index.add_texts([*(["The rent."] * 24), filler], vectors=False)
    assert texts(index, "rent")[0] == filler


@given(
    st.lists(st.floats(0.1, 20), min_size=0, max_size=60),
    st.lists(st.floats(-1, 1), min_size=60, max_size=60),
    st.integers(1, 30),
)
def test_the_best_by_words_and_the_nearest_hold_all_that_comes_first(
    scores: list[float], cosines: list[float], limit: int
) -> None:
    """Fusing the two short lists gives what fusing all passages of one length would give."""
    by_words = sorted((Match(id, s) for id, s in enumerate(scores)), key=lambda m: -m.score)
    every = dict(enumerate(cosines))
    nearest = dict(sorted(every.items(), key=lambda item: (-item[1], item[0]))[:limit])
    known = nearest | {m.id: every[m.id] for m in by_words[: max(limit, FLOOR)]}
    short = fuse(by_words[: max(limit, FLOOR)], known, FULL, limit)
    full = fuse(by_words, every, FULL, limit)
    assert [one.score for one in short] == pytest.approx([one.score for one in full])


# ---- making


def test_vectors_follow_changes(
    index: Index, folder: Path, tmp_path: Path, encoder: HashEncoder
) -> None:
    index.add([folder])
    assert index.without_vectors() == 0
    encoder.texts.clear()
    (folder / "01.txt").write_text("Cats are welcome.")
    (folder / "00.txt").unlink()
    index.add()
    assert encoder.texts == ["Cats are welcome."]
    assert DOGS not in texts(index, "pets", 50)
    assert RENT not in texts(index, "money", 50)
    assert len(texts(index, "cats", 50)) == len(index) == 31
    (file,) = tmp_path.rglob("*.vectors")
    assert file.stat().st_size == 64 + 31 * (8 + 4 + 64)
    encoder.texts.clear()
    index.add()
    assert encoder.texts == []


def test_an_index_that_cannot_wait_has_some_vectors_and_answers(
    index: Index, folder: Path, encoder: HashEncoder
) -> None:
    index.add([folder], vectors=False)
    left = index.make_vectors(seconds=0.0)
    assert left == len(index) == 32
    encoder.texts.clear()
    with pytest.MonkeyPatch.context() as patch:
        ticks = iter(range(100))  # every look at the clock takes a second
        patch.setattr(vectorize.time, "monotonic", lambda: float(next(ticks)))
        left = index.make_vectors(seconds=1.5)
    assert left == index.without_vectors() == 32 - 16
    assert len(encoder.texts) == 16
    assert texts(index, "pets")[0] == DOGS  # among the first
    assert texts(index, "lamp 29")[0] == OTHERS[29]  # has no vector yet
    assert index.make_vectors() == index.without_vectors() == 0
    assert sorted(encoder.texts[:16] + encoder.texts[18:]) == sorted([RENT, DOGS, *OTHERS])


def test_what_was_made_before_a_kill_is_kept(
    index: Index, folder: Path, encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add([folder], vectors=False)
    monkeypatch.setattr(vectorize, "_SAVE_AFTER", 0.0)
    monkeypatch.setattr(vectorize, "_SAVING_COSTS", 0)

    def killed(done: int, total: int, doing: str) -> None:
        assert (total, doing) == (32, "making vectors")
        if done == 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.make_vectors(progress=killed)
    assert index.without_vectors() == 16
    encoder.texts.clear()
    index.make_vectors()
    assert len(encoder.texts) == 16


def test_two_that_make_vectors_keep_what_the_other_has_made(
    tmp_path: Path, folder: Path, encoder: HashEncoder
) -> None:
    with Index.create(tmp_path / "i.db", encoder=encoder) as slow:
        slow.add([folder], vectors=False)

        def other(done: int, total: int, doing: str) -> None:
            with reopened(tmp_path, HashEncoder()) as fast:
                assert fast.make_vectors() == 0

        with pytest.MonkeyPatch.context() as patch:
            ticks = iter(range(100))
            patch.setattr(vectorize.time, "monotonic", lambda: float(next(ticks)))
            assert slow.make_vectors(seconds=1.5, progress=other) == 16
        assert slow.without_vectors() == 0
        encoder.texts.clear()
        assert slow.make_vectors() == 0
        assert encoder.texts == []


def test_one_process_reads_while_another_writes(
    tmp_path: Path, folder: Path, encoder: HashEncoder
) -> None:
    with Index.create(tmp_path / "i.db", encoder=encoder) as writer:
        writer.add([folder])
        failed: list[Exception] = []
        over = threading.Event()

        def read() -> None:
            try:
                with reopened(tmp_path, HashEncoder()) as reader:
                    while not over.is_set():
                        assert texts(reader, "May pets come?", 5)[0] == DOGS
            except Exception as error:  # noqa: BLE001 -- shown by the test
                failed.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        for number in range(20):
            (folder / f"new{number}.txt").write_text(f"Bell number {number} rings.")
            writer.add()
        over.set()
        thread.join()
        assert not failed
        with reopened(tmp_path, HashEncoder()) as reader:
            assert texts(reader, "Bell number 19")[0] == "Bell number 19 rings."


def test_another_process_sees_new_vectors_at_once(
    tmp_path: Path, folder: Path, encoder: HashEncoder
) -> None:
    with Index.create(tmp_path / "i.db", encoder=encoder) as writer:
        writer.add([folder], vectors=False)
        with reopened(tmp_path, HashEncoder()) as reader:
            assert DOGS not in texts(reader, "pets")
            writer.make_vectors()
            assert texts(reader, "pets")[0] == DOGS
            (folder / "new.txt").write_text("Dogs.")
            writer.add()
            assert texts(reader, "pets")[0] == "Dogs."


# ---- files that do not fit


def made(tmp_path: Path, folder: Path) -> None:
    with Index.create(tmp_path / "i.db", encoder=HashEncoder()) as index:
        index.add([folder])


@pytest.mark.parametrize("where", ["cut", "longer", "header", "ids", "checks", "empty", "removed"])
def test_a_damaged_file_is_made_again(
    where: str, tmp_path: Path, folder: Path, file: Path, encoder: HashEncoder
) -> None:
    made(tmp_path, folder)
    data = bytearray(file.read_bytes())
    assert len(data) == 64 + 32 * (8 + 4 + 64)
    if where in ("header", "ids", "checks"):
        data[{"header": 12, "ids": 64 + 5, "checks": 64 + 32 * 8 + 1}[where]] ^= 64
    damaged = {"cut": data[:-1], "longer": data + b"x", "empty": b""}.get(where, data)
    file.write_bytes(damaged)
    if where == "removed":
        file.unlink()
    with reopened(tmp_path, encoder) as index:
        assert texts(index, "rent") == [RENT]  # by words alone
        assert encoder.texts in ([], ["rent"])
        index.add()
        assert index.without_vectors() == 0
        assert texts(index, "pets")[0] == DOGS
    assert file.stat().st_size == len(data)


def test_a_file_that_is_cut_while_it_is_open_counts_as_none(
    tmp_path: Path, folder: Path, file: Path, encoder: HashEncoder
) -> None:
    made(tmp_path, folder)
    with reopened(tmp_path, encoder) as index:
        assert texts(index, "pets")[0] == DOGS
        os.truncate(file, 100)  # what is read behind the end of a mapped file ends the process
        assert texts(index, "rent") == [RENT]


def test_vectors_of_another_encoder_are_made_again(
    tmp_path: Path, folder: Path, file: Path
) -> None:
    made(tmp_path, folder)
    other = HashEncoder("another")
    with reopened(tmp_path, other) as index:
        assert index.without_vectors() == 32
        assert texts(index, "rent") == [RENT]
        index.add()
        assert len([text for text in other.texts if text != "rent"]) == 32


def test_vectors_of_another_index_are_made_again(
    tmp_path: Path, folder: Path, file: Path, encoder: HashEncoder
) -> None:
    made(tmp_path, folder)
    shutil.copy(file, tmp_path / "other")
    (tmp_path / "i.db").unlink()
    made(tmp_path, folder)
    shutil.copy(tmp_path / "other", file)
    with reopened(tmp_path, encoder) as index:
        assert index.without_vectors() == 32


def test_vectors_of_other_texts_of_the_same_index_are_made_again(
    tmp_path: Path, folder: Path, file: Path, encoder: HashEncoder
) -> None:
    """An index is put back from a copy; ids are then given to other texts than in the vectors."""
    made(tmp_path, folder)
    with reopened(tmp_path, encoder) as index:
        index.make_vectors()
    shutil.copy(tmp_path / "i.db", tmp_path / "copy")
    (folder / "x.txt").write_text("A heron stood in the weir.")
    with reopened(tmp_path, encoder) as index:
        index.add()
    shutil.copy(tmp_path / "copy", tmp_path / "i.db")
    (folder / "x.txt").write_text("Miller of the dale.")
    with reopened(tmp_path, encoder) as index:
        index.add(vectors=False)  # to the same generation, with another text of the same id
        found = index.search("heron")
        assert [one.cosine for one in found] == [None] * len(found)
        assert not file.exists()
        index.add()
        assert texts(index, "Miller of the dale")[0] == "Miller of the dale."


def test_an_index_put_back_to_an_earlier_state_gets_new_vectors(
    tmp_path: Path, folder: Path, encoder: HashEncoder
) -> None:
    made(tmp_path, folder)
    shutil.copy(tmp_path / "i.db", tmp_path / "copy")
    (folder / "x.txt").write_text("A heron stood in the weir.")
    with reopened(tmp_path, encoder) as index:
        index.add()
    shutil.copy(tmp_path / "copy", tmp_path / "i.db")
    encoder.texts.clear()
    with reopened(tmp_path, encoder) as index:
        index.make_vectors()
    assert len(encoder.texts) == 32


def test_an_index_of_the_earlier_format_gets_vectors_at_its_next_update(
    tmp_path: Path, folder: Path, encoder: HashEncoder, file: Path
) -> None:
    with Index.create(tmp_path / "i.db", encoder=None) as index:
        index.add([folder])
    with sqlite3.connect(tmp_path / "i.db") as old:
        old.executescript(
            "DROP TABLE metadata; DELETE FROM settings WHERE name = 'identity';"
            "PRAGMA user_version = 2"
        )
    old.close()
    with reopened(tmp_path, encoder) as index:
        assert texts(index, "rent") == [RENT]
        assert index.make_vectors() == 0
        assert not file.exists()  # nothing that could tell whose they are
        done = index.add()
        assert (done.unchanged, done.reread, done.upgraded) == (32, False, True)
        assert texts(index, "pets")[0] == DOGS
        assert not index.add().upgraded


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path, folder: Path) -> None:
    made(tmp_path, folder)
    tmp_path.chmod(0o555)
    try:
        with reopened(tmp_path, HashEncoder("another")) as index, pytest.raises(OutputError):
            index.make_vectors()
    finally:
        tmp_path.chmod(0o755)


def test_vectors_that_cannot_be_removed_are_ignored(
    tmp_path: Path, encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = Vectors(tmp_path / "v", "index", encoder)
    vectors.save(vectors.encoded([4, 9], [RENT, DOGS]))
    assert len(vectors.rows) == 2

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)
    vectors.drop()
    assert (tmp_path / "v").exists()
    assert len(vectors.rows) == 0


# ---- rows


def rows_of(ids: list[int], value: int) -> Rows:
    matrix = np.full((len(ids), 4), value, np.int8)
    return Rows(np.array(ids, np.int64), np.full(len(ids), value, np.uint32), matrix)


def test_rows_are_joined_by_their_ids_and_the_last_counts() -> None:
    joined = rows_of([1, 3, 5], 1).joined([rows_of([2, 3], 2), rows_of([7], 3)])
    assert joined.ids.tolist() == [1, 2, 3, 5, 7]
    assert joined.checks.tolist() == [1, 2, 2, 1, 3]
    assert joined.matrix[:, 0].tolist() == [1, 2, 2, 1, 3]
    assert joined.only(np.array([3, 7, 9])).ids.tolist() == [3, 7]


def test_a_file_holds_what_was_saved(tmp_path: Path, encoder: HashEncoder) -> None:
    vectors = Vectors(tmp_path / "v", "index", encoder)
    assert len(vectors.rows) == 0
    vectors.save(vectors.encoded([4, 9], [RENT, DOGS]), generation=7)
    again = Vectors(tmp_path / "v", "index", encoder).rows
    assert (again.ids.tolist(), again.generation) == ([4, 9], 7)
    assert again.belong({4: RENT, 9: DOGS, 5: "no vector"})
    assert not again.belong({4: DOGS})
    assert isinstance(again.matrix.base, np.memmap) or isinstance(again.matrix, np.memmap)
    cosines = again.cosines(vectors.encode(DOGS), [9, 4, 5])
    assert list(cosines) == [9, 4]
    assert cosines[9] == pytest.approx(1.0, abs=0.05)
    assert again.near(vectors.encode(DOGS), 5, among=[4, 77]) == {4: cosines[4]}
    assert again.near(vectors.encode(DOGS), 5, among=[]) == {}
    assert len(Vectors(tmp_path / "v", "another index", encoder).rows) == 0
