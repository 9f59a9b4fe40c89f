"""An index on a server of PostgreSQL: shared, cut off, killed, and never half-written."""

from __future__ import annotations

import contextlib
import json
import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from postgres_server import PostgresServer, Proxy, free_port
from pullquote import Index, Reader, Searcher
from pullquote.errors import (
    IndexBusyError,
    IndexFileError,
    IndexUnreachableError,
    InputError,
    OutputError,
)
from pullquote.scale.answering import Columns
from pullquote.scale.batch import batch
from pullquote.searching import stores, update, vectorize
from pullquote.searching.engines import tsvector
from pullquote.searching.engines.tsvector import TsvectorEngine
from pullquote.searching.stores import postgres as postgres_store
from pullquote.searching.stores import shared_vectors

psycopg = pytest.importorskip("psycopg")

WORDS = [
    *("rent", "mill", "river", "ferry", "oak", "door", "lease", "flood", "eel", "weir", "boat"),
    *("lamp", "crown", "book", "hill", "duke"),
]


class OneVector:
    """An encoder for tests: a vector of a text's length and letters, and how often it was asked."""

    dimensions = 8
    name = "one"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.texts += texts
        made = np.array([[text.count(letter) + 0.1 for letter in "abeilmrt"] for text in texts])
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def index(new_url: str) -> Iterator[Index]:
    with Index.create(new_url, encoder=None) as index:
        yield index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in range(40):
        (folder / f"{name}.txt").write_text(f"The rent of number{name} is due.\n\n" * 50)
    return folder


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BATCH_SECONDS", 0.0)


def texts(index: Index, question: str, limit: int = 20, **options: str) -> list[str]:
    return [one.passage.text for one in index.search(question, limit, **options)]


def check_whole(index: Index) -> None:
    """Each document has all its passages, each passage its words, and all counts are right."""
    store = index._store
    with store.guarded(), store.snapshot():
        assert store.rows("SELECT id FROM passages EXCEPT SELECT passage FROM words") == []
        assert store.rows("SELECT passage FROM words EXCEPT SELECT id FROM passages") == []
        lost = "SELECT document FROM passages WHERE document NOT IN (SELECT id FROM documents)"
        assert store.rows(lost) == []
        counted = "SELECT stem, count(*) FROM words, unnest(tsvector_to_array(lexemes)) stem "
        assert store.rows(f"{counted} GROUP BY stem ORDER BY stem") == store.rows(
            "SELECT stem, passages FROM stems WHERE passages <> 0 ORDER BY stem"
        )
        assert store.rows("SELECT count(*), coalesce(sum(length), 0) FROM words") == store.rows(
            "SELECT passages, words FROM totals"
        )


def check_all_of(index: Index, folder: Path) -> None:
    """The index is what one is that was made of a folder at once."""
    check_whole(index)
    with Index.in_memory(encoder=None) as fresh:
        fresh.add([folder])
        assert {(d.path, d.unit) for d in index.documents()} == {
            (d.path, d.unit) for d in fresh.documents()
        }
        for document in fresh.documents():
            assert index.passages(document.path) == fresh.passages(document.path)
        assert len(index) == len(fresh)


# ---- names, and what is no index


def test_what_is_not_there_is_told(postgres: PostgresServer, new_url: str) -> None:
    with pytest.raises(IndexFileError, match=r"index_\d+: no such index; make one: pullquote"):
        Index.open(new_url)
    postgres.sql('CREATE SCHEMA "foreign"; CREATE TABLE "foreign".t (x int)', "library")
    with pytest.raises(IndexFileError, match="a schema, but no index of pullquote"):
        Index.open(postgres.url("foreign"))
    with pytest.raises(IndexFileError, match="exists already"):
        Index.create(postgres.url("foreign"))
    with pytest.raises(InputError, match="engine is 'fts5', expected tsvector"):
        Index.create(new_url, engine="fts5")
    with pytest.raises(IndexUnreachableError, match=r"/nothing/notes: .*\"nothing\" does not"):
        Index.open(f"postgresql://postgres@127.0.0.1:{postgres.port}/nothing/notes")
    nobody = f"postgresql://ann:secret@127.0.0.1:{free_port()}/library/notes"
    with pytest.raises(IndexUnreachableError, match=r"//ann@127.*cannot be reached") as raised:
        Index.open(nobody)
    assert "secret" not in str(raised.value)


def test_an_index_is_made_once_and_opened_often(index: Index, new_url: str) -> None:
    assert Index.is_one(new_url)
    assert Index.exists(new_url)
    with pytest.raises(IndexFileError, match="exists already"):
        Index.create(new_url)
    index.add_texts(["The rent is due."])
    with Index.open_or_create(new_url) as again:
        assert texts(again, "rent") == ["The rent is due."]
        assert again.engine_name == "tsvector"
    with Index.open(new_url) as again, pickle.loads(pickle.dumps(again)) as third:
        assert third.state == again.state
        assert texts(third, "rent") == ["The rent is due."]


def test_a_newer_format_and_a_missing_table_are_refused(
    index: Index, postgres: PostgresServer, new_url: str
) -> None:
    name = new_url.rpartition("/")[2]
    postgres.sql(f"UPDATE {name}.settings SET value = '4' WHERE name = 'format'", "library")
    with pytest.raises(IndexFileError, match="made by a newer pullquote"):
        Index.open(new_url)
    postgres.sql(f"DROP TABLE {name}.stems", "library")
    with pytest.raises(IndexFileError, match=r"without stems"):
        Index.open(new_url)


def test_a_user_who_may_only_read(
    index: Index, postgres: PostgresServer, new_url: str, tmp_path: Path
) -> None:
    name = new_url.rpartition("/")[2]
    index.add_texts(["The rent is due."])
    postgres.sql(
        f"CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA {name} TO guest; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO guest",
        "library",
    )
    with Index.open(postgres.url(name, user="guest"), encoder=None) as shown:
        assert texts(shown, "rent") == ["The rent is due."]
        with pytest.raises(OutputError, match=r"lacks a right .* to write also INSERT"):
            shown.add_texts(["Dogs may stay."])
        assert len(shown) == 1
    with pytest.raises(OutputError, match="a new index CREATE on the database"):
        Index.create(postgres.url("guests_own", user="guest"))
    # an empty schema that was made for the user
    postgres.sql("CREATE SCHEMA guests_own AUTHORIZATION guest", "library")
    with Index.open_or_create(postgres.url("guests_own", user="guest"), encoder=None) as own:
        own.add_texts(["Dogs may stay."])
        assert texts(own, "dogs") == ["Dogs may stay."]


def test_a_user_without_a_right_is_told_which(
    index: Index, postgres: PostgresServer, new_url: str
) -> None:
    name = new_url.rpartition("/")[2]
    index.add_texts(["The rent is due."])
    user, empty = f"user_of_{name}", f"empty_{name}"
    url = postgres.url(name, user=user)
    postgres.sql(f"CREATE ROLE {user} LOGIN; CREATE SCHEMA {empty}", "library")
    reading = "may not read it; expected USAGE on the schema and SELECT on its tables"
    for given in ("", f"USAGE ON SCHEMA {name}"):
        if given:
            postgres.sql(f"GRANT {given} TO {user}", "library")
        assert Index.exists(url)
        with pytest.raises(IndexFileError, match=reading):
            Index.open(url)
    postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {user}", "library")
    with Index.open(url, encoder=OneVector()) as opened:
        assert texts(opened, "rent") == ["The rent is due."]
        # what messages name for writing is enough to write
        postgres.sql(
            f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {user}; "
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {name} TO {user}",
            "library",
        )
        assert opened.add_texts(["Dogs may stay."]).added == 1
        assert opened.without_vectors() == 0
        postgres.sql(f"REVOKE USAGE ON SCHEMA {name} FROM {user}", "library")
    with pytest.raises(IndexFileError, match=reading):
        Index.create(postgres.url(empty, user=user))
    postgres.sql(f"GRANT USAGE ON SCHEMA {empty} TO {user}", "library")
    with pytest.raises(OutputError, match="CREATE on the database, or on an empty schema"):
        Index.create(postgres.url(empty, user=user))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE passages SET text = repeat('rent ', 200000)", r"a passage has 1,000,000 chara"),
        ("ALTER TABLE passages ALTER text TYPE bytea USING ''", "a cell of text holds bytes"),
        ("ALTER TABLE passages ALTER start TYPE text", "a cell of start holds str"),
        ("ALTER TABLE documents ALTER path TYPE text USING 'a'", "a cell of path holds str"),
        (
            "UPDATE settings SET value = '1.5' WHERE name = 'generation'",
            "a cell of value holds float",
        ),
    ],
)
def test_cells_that_pullquote_does_not_write_are_damage(
    index: Index, new_url: str, change: str, told: str
) -> None:
    """As in a file: a passage of a megabyte would cost each question half a minute."""
    index.add_texts([{"id": "lease", "text": "The rent is due."}])
    with index._store.guarded():
        index._store.execute(change)

    def use() -> None:
        with Index.open(new_url, encoder=None) as again:
            again.search("rent")
            list(again.documents())
            again.passages("lease")

    with pytest.raises(IndexFileError, match=rf"damaged \({told}.*make it again"):
        use()


def test_a_failed_statement_is_no_lost_connection_and_no_damage(index: Index, new_url: str) -> None:
    index.add_texts(["The rent is due."])
    name = "".join(random.Random(10).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6000))
    with pytest.raises(OutputError, match=r"too large for the server .* a name of a document"):
        index.add_texts([{"id": name, "text": "Dogs may stay."}])
    assert len(index) == 1
    with pytest.raises(IndexFileError, match=r"a statement was cancelled .* statement_timeout"):
        run_in(index, "SET statement_timeout TO 50; SELECT pg_sleep(5)")
    run_in(index, "SET statement_timeout TO 0")
    with pytest.raises(OutputError, match="cannot be written"):
        run_in(index, "SET transaction_read_only TO on; DELETE FROM documents")
    with pytest.raises(IndexUnreachableError, match="cut the connection"):
        run_in(index, "SELECT pg_terminate_backend(pg_backend_pid())")
    failing = "DO $$ BEGIN RAISE EXCEPTION 'no memory' USING ERRCODE = '53200'; END $$"
    with pytest.raises(IndexFileError, match=r"the server failed .*no memory"):
        run_in(index, failing)
    with pytest.raises(IndexFileError, match="not as pullquote makes an index"):
        run_in(index, "SELECT nothing FROM documents")
    assert texts(index, "rent") == ["The rent is due."]


def run_in(index: Index, statement: str) -> None:
    with index._store.guarded():
        index._store.execute(statement)


HOSTILE = "x'); DROP SCHEMA public CASCADE; --\" %s ? \\ {} $1"


def test_no_text_is_run_as_sql(postgres: PostgresServer, new_url: str, tmp_path: Path) -> None:
    from urllib.parse import quote

    postgres.sql("CREATE TABLE IF NOT EXISTS public.canary (x int)", "library")
    url = postgres.url(quote(HOSTILE, safe=""))
    with Index.create(url, encoder=None) as index:
        index.add_texts([{"id": HOSTILE, "text": f"{HOSTILE} rent", HOSTILE: HOSTILE}])
        assert texts(index, f"{HOSTILE} rent '; SELECT 1; --") == [f"{HOSTILE} rent"]
        (found,) = index.search("rent", where={HOSTILE: [HOSTILE, 1, True, None]})
        assert found.passage.document.metadata == {HOSTILE: HOSTILE}
        with pytest.raises(InputError, match="no document has the field"):
            index.search("rent", where={f"{HOSTILE}'": 1})
        assert texts(index, "rent", path=HOSTILE.replace("?", "[?]")) == [f"{HOSTILE} rent"]
        assert index.remove([HOSTILE]) == 1
    with Index.open(url, encoder=None) as index:
        assert len(index) == 0
    assert postgres.sql("SELECT count(*) FROM public.canary", "library") == [(0,)]


def test_what_postgresql_cannot_hold_is_replaced_and_offsets_stay(index: Index) -> None:
    index.add_texts([{"id": "a\0b", "text": "The\0rent is due.", "k\0ey": "v\0\ud800", "n": 1.0}])
    (found,) = index.search("rent", where={"k\0ey": "v\0\ud800"})
    assert found.passage.text == "The\ufffdrent is due."
    assert found.passage.document.path == "a\0b"
    assert index.search("rent", where={"n": 1}) == index.search("rent", where={"n": True})


# ---- ranking


def rows(count: int, seed: int) -> list[str]:
    some = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    return [" ".join(some.choices(WORDS, weights, k=some.randint(3, 40))) for _ in range(count)]


def test_scores_are_those_of_fts5(index: Index) -> None:
    with Index.in_memory(encoder=None) as other:
        for one in (index, other):
            one.add_texts(rows(60, seed=1))
            one.remove([f"text {number}" for number in range(1, 60, 7)])
            one.add_texts(["The lamps of the Café.", "A café by the rivers: it's one-way."])
        for question in ("rent", "duke hill", "mill river ferry oak", "cafe", "lamp rivers"):
            expected = {one.passage.text: one.bm25 for one in other.search(question, 99)}
            found = {one.passage.text: one.bm25 for one in index.search(question, 99)}
            assert found == pytest.approx(expected)
            assert len(found) > 0


def test_words_of_all_kinds_are_words(index: Index) -> None:
    words = ["1e5", "12abc", "b2b", "0x1f", "1999", "Straße", "мельница", "水車", "ضريبة", "naïve"]
    words += ["mill.The", "and/or", "ann@db.lan", "x" * 3000]
    index.add_texts(words)
    assert [texts(index, word) for word in words[:-1]] == [[word] for word in words[:-1]]
    assert texts(index, words[-1]) == []  # longer than any word that PostgreSQL keeps


def test_passages_without_the_rarest_words_are_left_out_only_where_they_cannot_win(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add_texts(rows(400, seed=2))
    steps: list[int] = []
    best = TsvectorEngine._best

    def counted(self: TsvectorEngine, stems: object, count: int, *rest: object) -> object:
        steps.append(count)
        return best(self, stems, count, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(TsvectorEngine, "_best", counted)
    some = random.Random(3)
    shorter = 0
    for _ in range(40):
        question = " ".join(some.sample(WORDS, 5))
        monkeypatch.setattr(tsvector, "_FIRST", 10**9)
        expected = index.search(question, 3)
        monkeypatch.setattr(tsvector, "_FIRST", 1)
        steps.clear()
        assert index.search(question, 3) == expected
        shorter += steps[-1] < 5
    assert 0 < shorter < 40


# ---- vectors


def test_vectors_are_made_once_and_copied_by_each_machine(
    new_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = OneVector(), OneVector()
    with Index.create(new_url, encoder=first) as index:
        index.add_texts({"id": f"{n}", "text": text} for n, text in enumerate(rows(50, seed=4)))
        made = len(first.texts)
        assert made == 50
        monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "other machine"))
        with Index.open(new_url, encoder=second) as other:
            assert other.without_vectors() == 0
            assert other.search("rent of the mill") == index.search("rent of the mill")
            assert other.search("rent")[0].cosine is not None
            assert second.texts == ["rent of the mill", "rent"]  # the questions alone
            index.remove(["7", "8"])
            index.add_texts([{"id": "new", "text": "a lamp by the weir"}])
            assert first.texts[-1] == "a lamp by the weir"
            assert other.without_vectors() == 0
            assert other.search("weir", 99) == index.search("weir", 99)
            assert len(other._vectors().rows) == 49  # type: ignore[union-attr]


def test_a_machine_on_which_nothing_can_be_written_keeps_vectors_in_memory(
    new_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(new_url, encoder=OneVector()) as index:
        index.add_texts(["The rent is due."])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "file"))
    with Index.open(new_url, encoder=OneVector()) as index:
        assert index.search("rent")[0].cosine is not None


def test_an_encoder_with_another_name_makes_its_own(new_url: str) -> None:
    other = OneVector()
    other.name = "other"
    with Index.create(new_url, encoder=OneVector()) as index:
        index.add_texts(["The rent is due.", "Dogs may stay."])
        with Index.open(new_url, encoder=other) as second:
            assert second.without_vectors() == 2
            assert second.make_vectors() == 0
            assert index.without_vectors() == 2
        assert index.search("rent")[0].cosine is None
        assert index.make_vectors() == 0  # in place of the other's
        assert index.search("rent")[0].cosine is not None


def by_another_machine(url: str, text: str, question: str, cache: Path) -> list[object]:
    """Add a text to an index elsewhere, make its vector there, and search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULLQUOTE_CACHE", str(cache))
        with Index.open_or_create(url, encoder=OneVector()) as index:
            index.add_texts([{"id": text, "text": text}])
            return list(index.search(question, 9, path=text))


def test_another_index_of_the_same_name_has_its_own_vectors(
    postgres: PostgresServer, new_url: str, tmp_path: Path
) -> None:
    name = new_url.rpartition("/")[2]
    with Index.create(new_url, encoder=OneVector()) as index:
        index.add_texts(["The rent is due."])
        assert index.search("rent", path="text 1")[0].cosine is not None
        postgres.sql(f"DROP SCHEMA {name} CASCADE", "library")
        expected = by_another_machine(new_url, "A rent-free lamp", "rent", tmp_path / "other")
        found = index.search("rent", 9, path="A rent-free lamp")
        assert found == expected
        assert len(found) == 1
        assert found[0].cosine is not None
        index.add_texts(["Eels by the weir."])
        assert index.without_vectors() == 0


@pytest.mark.parametrize("saves", [1, 2, 3])  # fewer, as many and more than were undone
def test_an_index_that_was_put_back_has_the_vectors_of_what_was_added_since(
    postgres: PostgresServer, new_url: str, tmp_path: Path, saves: int
) -> None:
    name, dump = new_url.rpartition("/")[2], postgres.data / "dump.sql"
    server = ["--host", "127.0.0.1", "--port", postgres.port, "--username", "postgres"]
    with Index.create(new_url, encoder=OneVector()) as index:
        index.add_texts(["The rent is due."])
        postgres.run("pg_dump", *server, "--schema", name, "--file", dump, "library")
        for text in ("A lamp", "Eels by the weir, where the rent is low"):
            index.add_texts([text])
        index.search("rent")
        postgres.sql(f"DROP SCHEMA {name} CASCADE", "library")
        postgres.run("psql", *server, "--quiet", "--file", dump, "library")
        for number in range(saves):
            text = f"Rent it, {number}"
            expected = by_another_machine(new_url, text, "rent", tmp_path / "other")
        found = index.search("rent", 9, path=text)
        assert found == expected
        assert [one.cosine is None for one in found] == [False]
        assert len(index._vectors().rows) == saves + 1  # type: ignore[union-attr]
        assert all(one.cosine is not None for one in index.search("rent", 9))


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM vectors WHERE {shared_vectors._IS_GONE}",
        f"SELECT path FROM documents WHERE {update._IS_FILE}",
    ],
)
def test_rows_that_another_table_lacks_are_found_by_one_join(index: Index, statement: str) -> None:
    store = index._store
    with store.guarded(), store.snapshot():
        plan = "\n".join(line for (line,) in store.rows(f"EXPLAIN {statement}"))
    assert "Anti Join" in plan
    assert "SubPlan" not in plan  # which runs for each row


# ---- many processes


def test_many_write_and_read_at_once(new_url: str, folder: Path) -> None:
    code = (
        "import sys; from pullquote import Index; from pullquote.searching import stores\n"
        "stores.BATCH_SECONDS = 0.01\n"
        "with Index.open_or_create(sys.argv[1], encoder=None) as index: index.add([sys.argv[2]])"
    )
    program = [sys.executable, "-c", code, new_url, str(folder)]
    writers = [subprocess.Popen(program) for _ in range(3)]
    sizes: list[int] = []
    while any(writer.poll() is None for writer in writers):
        if Index.exists(new_url):
            with Index.open(new_url, encoder=None) as index:
                for _ in range(5):
                    check_whole(index)
                    found = index.search("rent", 10_000)
                    assert len({(f.passage.document.path, f.passage.start) for f in found}) == len(
                        found
                    )
                    sizes.append(len(found))
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with Index.open(new_url, encoder=None) as index:
        check_all_of(index, folder)
        assert index.add().unchanged == 40


def test_readers_see_what_was_committed(index: Index, new_url: str, folder: Path) -> None:
    index.add_texts([{"id": "a", "text": "The rent is due."}])
    with Index.open(new_url, encoder=None) as writer:
        batch = stores.Transaction(writer._store, writer._engine)
        batch.begin()
        update.DocumentWriter(writer._store, writer._engine, batch).remove("a")
        assert texts(index, "rent") == ["The rent is due."]
        batch.commit()
        assert texts(index, "rent") == []


def test_a_writer_that_holds_on_for_too_long_is_told_apart_from_damage(
    index: Index, new_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_store, "LOCK_SECONDS", 0.1)
    with Index.open(new_url, encoder=None) as other:
        index._store.begin()
        with pytest.raises(IndexBusyError, match="another process is writing to it; try again"):
            other.add_texts(["The rent is due."])
        index._store.rollback()
        assert other.add_texts(["The rent is due."]).added == 1


# ---- servers and connections that end


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def test_a_server_killed_in_the_middle_of_an_update_has_a_whole_index(
    own_server: PostgresServer, folder: Path, small_batches: None
) -> None:
    sizes: list[int] = []
    failed: list[str] = []

    def add() -> None:
        try:
            index.add([folder])
        except IndexUnreachableError as error:
            failed.append(str(error))

    with Index.create(own_server.url("notes"), encoder=None) as index:
        for number, wait in enumerate((0.0, 0.05, 0.1, 0.2)):
            (folder / "0.txt").write_text(f"The rent is {number}.")  # there is always something
            writing = threading.Thread(target=add)
            writing.start()
            time.sleep(wait)
            own_server.kill()
            writing.join()
            with pytest.raises(IndexUnreachableError, match="cannot be reached"):
                index.search("rent")
            own_server.start()
            check_whole(index)  # by a new connection of the same index
            sizes.append(len(index))
        assert sizes == sorted(sizes)
        assert all("try again: what was committed stays" in error for error in failed)
        assert failed
        index.add([folder])
        check_all_of(index, folder)


def test_a_connection_cut_in_an_update_costs_that_call_alone(
    postgres: PostgresServer, new_url: str, folder: Path, small_batches: None
) -> None:
    some = random.Random(5)
    cuts = 0
    with Proxy(postgres.port) as proxy:
        url = new_url.replace(str(postgres.port), str(proxy.port))
        with Index.create(url, encoder=None) as index:
            for number in range(10):
                (folder / f"{number}.txt").write_text(f"The rent is {number}.\n\n" * 30)
                proxy.cut_after = some.randint(0, 60_000)
                try:
                    index.add([folder])
                except IndexUnreachableError as error:
                    assert "what was committed stays" in str(error)  # noqa: PT017
                    cuts += 1
                proxy.cut_after = None
                with Index.open(new_url, encoder=None) as direct:
                    check_whole(direct)
            index.add([folder])
            check_all_of(index, folder)
    assert cuts >= 3


def test_a_connection_cut_in_a_search_gives_no_wrong_answer(
    postgres: PostgresServer, new_url: str, index: Index
) -> None:
    index.add_texts(rows(100, seed=6))
    expected = index.search("rent of the duke", 50)
    some = random.Random(7)
    cuts = 0
    with Proxy(postgres.port) as proxy:
        url = new_url.replace(str(postgres.port), str(proxy.port))
        with Index.open(url, encoder=None) as searched:
            size = 2 * sum(len(one.passage.text) for one in expected)  # two lists are looked at
            for _ in range(40):
                proxy.cut_after = some.randint(0, 3 * size)
                try:
                    assert searched.search("rent of the duke", 50) == expected
                except IndexUnreachableError:
                    cuts += 1
                proxy.cut_after = None
                assert searched.search("rent of the duke", 50) == expected
            assert 5 < cuts < 40
            # one that was cut while nothing was asked is not even noticed
            proxy.cut()
            time.sleep(0.05)
            assert searched.search("rent of the duke", 50) == expected


def test_a_cut_while_vectors_are_saved_loses_none_that_were(
    postgres: PostgresServer, new_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_AT_ONCE", 4), ("_SAVE_AFTER", 0.0), ("_SAVING_COSTS", 0)):
        monkeypatch.setattr(vectorize, name, value)  # 15 saves
    some = random.Random(8)
    encoder = OneVector()
    there = [0]
    with Proxy(postgres.port) as proxy:
        url = new_url.replace(str(postgres.port), str(proxy.port))
        with Index.create(url, encoder=encoder) as index:
            index.add_texts(rows(60, seed=9), vectors=False)
            while there[-1] < 60:
                proxy.cut_after = some.randint(4_000, 20_000)
                with contextlib.suppress(IndexUnreachableError):
                    index.make_vectors()
                proxy.cut_after = None
                table = f"{new_url.rpartition('/')[2]}.vectors"
                ((count,),) = postgres.sql(f"SELECT count(*) FROM {table}", "library")
                there.append(int(str(count)))
                assert index.without_vectors() == 60 - there[-1]
            assert there == sorted(there)
            assert len(set(there)) > 3  # cut between the saves
            assert len(encoder.texts) <= 60 + 4 * (len(there) - 1)  # one save a cut is made again
            assert index.make_vectors() == 0
            assert all(one.cosine is not None for one in index.search("rent", 99))


def test_an_error_in_a_batch_undoes_it(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.add_texts(["The rent is due."])

    def failing(self: TsvectorEngine, generation: int) -> None:
        self._database.execute("SELECT 1 / 0")

    with monkeypatch.context() as patch:
        patch.setattr(TsvectorEngine, "commit", failing)
        with pytest.raises(IndexFileError, match="division by zero"):
            index.add_texts(["Dogs may stay."])
    check_whole(index)
    assert len(index) == 1
    assert index.add_texts(["Dogs may stay."]).added == 1
    store = index._store
    with store.guarded():
        store.begin()
        with contextlib.suppress(psycopg.Error):
            store.execute("SELECT 1 / 0")
        with pytest.raises(stores.DamageError, match="a batch was rolled back"):
            store.commit()  # which the server would do without an error


# ---- the command line, batches and servers


def pullquote(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pullquote", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def mill(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "lease.txt").write_text("Lease of the mill.\n\nThe rent is 840 crowns a month.\n")
    (docs / "mill.txt").write_text("The mill was built by Ann Harker in 1790.\n")
    return docs


def test_a_url_stands_for_an_index_on_the_command_line(
    new_url: str, mill: Path, tmp_path: Path
) -> None:
    assert "2 new" in pullquote("index", mill, "-o", new_url)
    assert pullquote("ask", "How much is the rent?", new_url).startswith("840 crowns")
    (mill / "mill.txt").write_text("The mill was built by Bo Lind in 1790.\n")
    assert "1 changed" in pullquote("index", "-o", new_url)
    assert pullquote("ask", "Who built the mill?", new_url).startswith("Bo Lind")
    questions = tmp_path / "in.jsonl"
    questions.write_text('{"question": "Who built the mill?"}\n')
    pullquote("ask", "--questions", questions, new_url, "-o", tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["answer"] == "Bo Lind"


def test_a_new_index_on_a_server_needs_documents(new_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pullquote", "index", "-o", new_url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "a new index needs a PATH" in done.stderr
    assert not Index.exists(new_url)


def test_a_batch_is_asked_of_a_server(
    new_url: str, mill: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    source = tmp_path / "in.jsonl"
    source.write_text('{"question": "Who built the mill?"}\n')
    with Index.create(new_url, encoder=None) as index:
        index.add([mill])
        searcher = Searcher(Reader("tiny", threads=1), index)
        done = batch(searcher, source, tmp_path / "out", columns=Columns(place=True))
    assert (done.rows, done.errors) == (1, 0)
    assert pq.read_table(tmp_path / "out").to_pylist()[0]["answer"] == "Ann Harker"
