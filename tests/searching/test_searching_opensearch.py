"""Words on a server of OpenSearch: whole through a bad network and kills, and plain errors."""

from __future__ import annotations

import gzip
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opensearch_server import FaultyProxy, OpenSearchServer
from pullquote import Index
from pullquote.errors import (
    IndexFileError,
    IndexUnreachableError,
    InputError,
    MissingExtraError,
    OutputError,
)
from pullquote.searching import stores
from pullquote.searching.engines import opensearch, opensearch_server
from pullquote.searching.engines.opensearch_server import Server

opensearchpy = pytest.importorskip("opensearchpy")

WORDS = ["rent", "mill", "river", "ferry", "oak", "door", "lease", "flood", "eel", "weir", "boat"]


@pytest.fixture
def proxy(
    opensearch_url: str, osmem: OpenSearchServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyProxy]:
    """A proxy before the server, to which OPENSEARCH_URL leads; waits are short."""
    monkeypatch.setattr(opensearch_server, "_WAIT", 0.001)
    monkeypatch.setattr(opensearch_server, "_LONG", 5.0)
    with FaultyProxy(osmem.url) as proxy:
        monkeypatch.setenv("OPENSEARCH_URL", proxy.url)
        yield proxy


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opensearch_server, "_LONG", 0.0)
    monkeypatch.setattr(opensearch_server, "_SHORT", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder, chance = tmp_path / "many", random.Random(0)
    folder.mkdir()
    for name in range(12):
        text = "\n\n".join(f"{' '.join(chance.choices(WORDS, k=9))} n{name}." for _ in range(60))
        (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.fixture
def index(tmp_path: Path, proxy: FaultyProxy) -> Iterator[Index]:
    with Index.create(tmp_path / "i.db", engine="opensearch", encoder=None) as index:
        yield index


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BATCH_SECONDS", 0.0)
    monkeypatch.setattr(opensearch, "_AT_ONCE", 7)


def texts(index: Index, question: str, limit: int = 20) -> list[str]:
    return [one.passage.text for one in index.search(question, limit)]


def server_index(index: Index) -> str:
    with index._store.guarded():
        return f"pullquote-{index._store.identity}"


def on_server(osmem: OpenSearchServer, index: Index) -> dict[int, int]:
    """The passages that the server has, and their documents."""
    body = {"query": {"range": {"id": {"gt": 0}}}, "size": 10_000}
    hits = osmem.ask("POST", f"/{server_index(index)}/_search", body)["hits"]["hits"]
    return {hit["_source"]["id"]: hit["_source"]["document"] for hit in hits}


def in_store(index: Index) -> dict[int, int]:
    with index._store.guarded():
        return dict(index._store.rows("SELECT id, document FROM passages"))


def check_whole(osmem: OpenSearchServer, index: Index, folder: Path) -> None:
    """The server has the passages of the store, and searches find what FTS5 finds."""
    assert on_server(osmem, index) == in_store(index)
    with Index.in_memory(encoder=None) as fresh:
        fresh.add([folder])
        assert len(index) == len(fresh)
        for word in (*WORDS, "n3", "n11"):
            assert sorted(texts(index, word, 999)) == sorted(texts(fresh, word, 999))


# ---- a bad network


def test_a_bad_network_loses_and_doubles_nothing(
    index: Index, proxy: FaultyProxy, osmem: OpenSearchServer, folder: Path, small_batches: None
) -> None:
    proxy.chance = random.Random(7)
    assert index.add([folder]).added == 12
    (folder / "3.txt").write_text("The rent is due.")
    (folder / "4.txt").unlink()
    done = index.add()
    assert (done.changed, done.removed) == (1, 1)
    assert index.add().unchanged == 11
    proxy.chance = None
    check_whole(osmem, index, folder)


@pytest.mark.parametrize("fault", ["busy", "full", "lost", "unanswered", "half"])
def test_each_fault_is_got_over_by_trying_again(
    index: Index, proxy: FaultyProxy, osmem: OpenSearchServer, fault: str
) -> None:
    proxy.faults = [fault, "", fault] * 6
    index.add_texts(["The rent is due.", "Dogs may stay."])
    proxy.faults = [fault]
    assert texts(index, "rent") == ["The rent is due."]
    assert proxy.faults == []
    assert on_server(osmem, index) == in_store(index)


def test_a_server_that_takes_too_long_is_asked_again(
    index: Index, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opensearch_server, "_SECONDS", 0.1)
    index.add_texts(["The rent is due."])
    with Index.open(index.path, encoder=None) as again:
        proxy.faults = ["slow"]
        assert texts(again, "rent") == ["The rent is due."]
        proxy.always = "slow"
        started = time.monotonic()
        with pytest.raises(IndexUnreachableError, match=r"ReadTimeoutError.*try again"):
            again.search("rent")
        assert time.monotonic() - started < 5


def test_a_part_that_was_refused_is_sent_again(
    index: Index, proxy: FaultyProxy, osmem: OpenSearchServer
) -> None:
    """Of a bulk request, a busy server may take some passages and refuse others with 429."""
    client = index._engine._server._client  # type: ignore[attr-defined]
    real, sent = client.bulk, []

    def bulk(index: str, body: list[Any]) -> Any:
        actions = [line for line in body if "index" in line]
        sent.append(len(actions))
        answer = real(index=index, body=body[:2])
        refused = [{"index": {"status": 429}} for _ in actions[1:]]
        return {"items": [*answer["items"], *refused]}

    client.bulk = bulk
    index.add_texts(["The rent is due.", "Dogs may stay.", "A boat leaves."])
    assert sent == [3, 2, 1]
    assert on_server(osmem, index) == in_store(index)
    assert len(in_store(index)) == 3


def test_an_update_that_is_cut_off_anywhere_is_made_good(
    index: Index,
    proxy: FaultyProxy,
    osmem: OpenSearchServer,
    folder: Path,
    small_batches: None,
    impatient: None,
) -> None:
    """What was committed is found all the time, and the same call goes on from there."""
    for path in sorted(folder.iterdir())[3:]:
        path.unlink()
    index.add([folder])
    chance, cut = random.Random(1), 0
    for request in range(0, 40, 3):
        for path in sorted(folder.iterdir()):
            path.write_text(f"{path.read_text()}\n\nThe rent of round{request}.")
        proxy.faults = ["" for _ in range(request)]
        proxy.always = chance.choice(["lost", "unanswered", "busy"])
        try:
            index.add()
        except IndexUnreachableError:
            cut += 1
        proxy.faults, proxy.always = [], ""
        with Index.in_memory(encoder=None) as committed:  # of what the store has
            committed.add_texts(
                [
                    {"id": d.path, "text": "\n\n".join(p.text for p in index.passages(d.path))}
                    for d in index.documents()
                ]
            )
            for word in ("rent", "weir"):
                found = {text.split(".")[0] for text in texts(index, word, 999)}
                assert found >= {text.split(".")[0] for text in texts(committed, word, 999)}
        index.add()
        assert in_store(index).items() <= on_server(osmem, index).items()
    assert cut > 5
    (folder / "0.txt").write_text("The rent is due.")
    index.add()  # what was removed leaves the server with the next change
    check_whole(osmem, index, folder)


def test_a_process_is_killed_at_any_moment(
    tmp_path: Path, proxy: FaultyProxy, osmem: OpenSearchServer, folder: Path
) -> None:
    code = (
        "import sys; from pullquote.searching import stores; stores.BATCH_SECONDS = 0.0; "
        "from pullquote import Index; from pullquote.searching.engines import opensearch; "
        "opensearch._AT_ONCE = 20; "
        "made = Index.open_or_create(sys.argv[1], engine='opensearch', encoder=None); "
        "made.add([sys.argv[2]])"
    )
    path, chance = tmp_path / "k.db", random.Random(3)
    killed = 0
    for attempt in range(5):
        for file in folder.iterdir():
            file.write_text(f"{file.read_text()}\n\nThe rent of attempt{attempt}.")
        process = subprocess.Popen([sys.executable, "-c", code, str(path), str(folder)])
        seen = len(proxy.seen)
        until = seen + chance.randrange(3, 60)  # requests, then it is killed
        while process.poll() is None and len(proxy.seen) < until:
            time.sleep(0.001)
        process.kill()
        killed += process.wait() != 0
    assert killed >= 3
    (folder / "0.txt").write_text("The rent is due.")
    with Index.open_or_create(path, engine="opensearch", encoder=None) as index:
        index.add([folder])
        check_whole(osmem, index, folder)


# ---- what belongs together


def test_what_is_removed_leaves_the_server(index: Index, osmem: OpenSearchServer) -> None:
    index.add_texts([{"id": str(n), "text": f"The rent of mill{n} is due."} for n in range(5)])
    index.remove(["2"])
    assert on_server(osmem, index) == in_store(index)
    index.remove(["0", "1", "3", "4"])
    assert on_server(osmem, index) == {}
    assert texts(index, "rent") == []


def test_passages_that_only_the_server_has_take_no_place(
    index: Index, osmem: OpenSearchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add_texts([f"The rent of mill{n} is due." for n in range(10)])
    lines = []
    for id in range(1000, 1500):
        lines += [{"index": {"_id": str(id)}}, {"id": id, "document": 1, "text": "rent rent"}]
    with index._store.guarded():
        server = index._engine._server  # type: ignore[attr-defined]
        server.call(lambda client: client.bulk(index=server_index(index), body=lines))
    assert sorted(texts(index, "rent", 7)) == [f"The rent of mill{n} is due." for n in range(7)]


def test_an_index_that_was_put_back_is_mended_when_it_is_opened(
    index: Index, osmem: OpenSearchServer, folder: Path, tmp_path: Path
) -> None:
    index.add([folder])
    index.close()
    shutil.copy(index.path, tmp_path / "backup.db")
    with Index.open(index.path, encoder=None) as later:
        (folder / "0.txt").write_text("The rent has changed.")
        (folder / "1.txt").unlink()
        later.add()
    shutil.copy(tmp_path / "backup.db", index.path)
    with Index.open(index.path, encoder=None) as back:
        assert on_server(osmem, back) == in_store(back)
        assert texts(back, "n1", 999) != []
        # the ids that are given now were others' before
        (folder / "2.txt").write_text("A ferry in place of it.")
        back.add()
        check_whole(osmem, back, folder)


def test_a_copy_that_goes_its_own_way_is_told_by_the_texts(
    index: Index, osmem: OpenSearchServer, tmp_path: Path
) -> None:
    index.add_texts([{"id": "a", "text": "The rent is due."}])
    index.close()
    shutil.copy(index.path, tmp_path / "copy.db")
    with Index.open(tmp_path / "copy.db", encoder=None) as copy:
        copy.add_texts([{"id": "b", "text": "Dogs may stay."}])
    with Index.open(index.path, encoder=None) as first:
        first.add_texts([{"id": "b", "text": "A ferry leaves."}])  # under the same id
        assert texts(first, "ferry") == ["A ferry leaves."]
    with Index.open(tmp_path / "copy.db", encoder=None) as copy:
        assert texts(copy, "dogs") == ["Dogs may stay."]
        assert texts(copy, "ferry") == []


def test_words_that_were_deleted_on_the_server_are_put_there_again(
    index: Index, osmem: OpenSearchServer, folder: Path
) -> None:
    index.add([folder])
    osmem.ask("DELETE", f"/{server_index(index)}")
    with pytest.raises(IndexFileError, match="the words of this index are not there; pullquote"):
        index.search("rent")
    with Index.open(index.path, encoder=None) as again:
        check_whole(osmem, again, folder)


def test_words_that_are_deleted_in_a_batch_make_it_fail(
    index: Index, osmem: OpenSearchServer, folder: Path
) -> None:
    """The server would make an index without the analyzer, of the words that come after that."""
    index.add_texts(["The rents are due."])
    with index._store.guarded():
        batch = stores.Transaction(index._store, index._engine)
        batch.begin()
        index._engine.begin()  # type: ignore[attr-defined]
        osmem.ask("DELETE", f"/{server_index(index)}")
        index._engine.add([])
        with pytest.raises(IndexFileError, match="words of this index are not there"):
            batch.commit()
        batch.rollback()
    index.add_texts(["Dogs may stay."])
    assert texts(index, "rent") == ["The rents are due."]
    assert on_server(osmem, index) == in_store(index)


@pytest.mark.parametrize("kind", ["a file", "PostgreSQL"])
def test_two_servers_and_two_writers_share_an_index(
    kind: str,
    proxy: FaultyProxy,
    osmem: OpenSearchServer,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    small_batches: None,
) -> None:
    """Who searches finds all that was committed before, and nothing else."""
    place = tmp_path / "s.db" if kind == "a file" else request.getfixturevalue("new_url")
    with Index.create(place, engine="opensearch", encoder=None) as made:
        made.add_texts(["The rent is due."])
    proxy.seen.clear()
    stop = threading.Event()
    errors: list[str] = []

    def write(name: str) -> None:
        with Index.open(place, encoder=None) as index:
            for n in range(8):
                index.add_texts([{"id": f"{name}", "text": f"The mill of {name} n{n}."}])
                found = texts(index, name)
                if found != [f"The mill of {name} n{n}."]:
                    errors.append(f"{name} {n}: {found}")

    def read() -> None:
        with Index.open(place, encoder=None) as index:
            while not stop.is_set():
                if texts(index, "rent") != ["The rent is due."]:
                    errors.append("the rent is gone")

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(name,)) for name in ("ann", "bo")]
    for one in (*readers, *writers):
        one.start()
    for one in writers:
        one.join()
    stop.set()
    for one in readers:
        one.join()
    assert errors == []
    with Index.open(place, encoder=None) as index:
        assert on_server(osmem, index) == in_store(index)
        assert len(index) == 3
    searches = [body for _, path, _, body in proxy.seen if path.endswith("_search")]
    assert not any(b"range" in body for body in searches)  # nobody compared all passages


def test_many_documents_can_be_chosen(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opensearch, "_TERMS", 3)
    index.add_texts([{"id": f"{n}", "text": f"The rent of mill{n}.", "n": n} for n in range(10)])
    found = index.search("rent", 20, where={"n": list(range(1, 9))})
    assert sorted(one.passage.document.path for one in found) == [f"{n}" for n in range(1, 9)]


def test_words_are_those_of_other_engines(index: Index) -> None:
    """Letters with accents, joined words, and what the server's own analyzers would take apart."""
    made = [
        "Cafés of Kraków",
        "and/or a lamp.The end",
        "U.S.A. 3.14",
        "ŁÓDŹ, naïve ﬁre",
        "a\0b\ud800c",
    ]
    index.add_texts(made)
    with Index.in_memory(encoder=None) as fresh:
        fresh.add_texts(made)
        for word in ("cafe", "krakow", "or", "the", "U.S.A", "14", "łódź", "naive", "fire", "b"):
            assert texts(index, word) == texts(fresh, word), word


# ---- servers that answer badly

NESTED = b'{"hits":' + b"[" * 100_000
HITS = '{"timed_out": false, "_shards": {"failed": 0}, "hits": {"hits": %s}}'


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'"\xff"',
        NESTED,
        (HITS % "null").encode(),
        (HITS % '[{"_id": "x", "_score": 1}]').encode(),
        (HITS % '[{"_id": "1", "_score": NaN}]').encode(),
        (HITS % '[{"_id": "1", "_score": "1"}]').encode(),
        (HITS % '[{"_id": "1"}]').encode(),
        (HITS % ("[" + ",".join(['{"_id": "1", "_score": 1}'] * 41) + "]")).encode(),
        b"9" * 5000,
    ],
    ids=range(14),
)
def test_a_foreign_answer_is_a_plain_error(index: Index, proxy: FaultyProxy, answer: bytes) -> None:
    index.add_texts(["The rent is due."])
    proxy.always = answer
    with pytest.raises(IndexFileError, match=r"answered what OpenSearch does not .*OPENSEARCH_URL"):
        index.search("rent")
    with pytest.raises(IndexFileError, match=r"answered what OpenSearch does not|not there"):
        index.add_texts(["Dogs may stay."])
    with pytest.raises(IndexFileError, match="answered what OpenSearch does not"):
        Index.open(index.path)
    proxy.always = ""
    assert texts(index, "rent") == ["The rent is due."]
    index.add_texts(["Dogs may stay."])
    assert texts(index, "dogs") == ["Dogs may stay."]


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_has_a_largest_size(
    index: Index, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(opensearch_server, "MOST", 10_000)
    body = b'{"took": 1, "more": "' + b"x" * 20_000
    proxy.always = gzip.compress(body) if packed else body
    proxy.headers = [("Content-Encoding", "gzip")] if packed else []
    with pytest.raises(IndexFileError, match=r"more than 10,000 bytes"):
        index.search("rent")


def test_a_refused_index_and_a_refused_passage_are_told(
    tmp_path: Path, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(opensearch._BODY, "settings", {"no": "such setting"})
        with pytest.raises(IndexFileError, match=r"the server failed \(400"):
            Index.create(tmp_path / "i.db", engine="opensearch", encoder=None)
    with monkeypatch.context() as patch:
        patch.setattr(opensearch, "check", lambda text: "no number")
        with (
            Index.open(tmp_path / "i.db", encoder=None) as index,
            pytest.raises(IndexFileError, match=r"a passage is refused: .*check"),
        ):
            index.add_texts(["The rent is due."])


def test_rights_and_space_are_told_apart(proxy: FaultyProxy) -> None:
    server = Server.from_environment()

    def refused(status: int) -> Any:
        def request(client: Any) -> None:
            raise opensearchpy.TransportError(status, "cluster_block_exception", {})

        return request

    with pytest.raises(OutputError, match=r"refused .*read and write the indexes pullquote-"):
        server.call(refused(403))
    with pytest.raises(IndexUnreachableError, match="does not let this user in"):
        server.call(refused(401))
    server.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:half/secret@es.lan:9200",
        "https://ann:12/secret@es.lan",
        "https://ann:1?secret@es.lan",
        "https://ann:1#secret@es.lan",
        "https://ann:secret@es.lan:port",
        "es.lan:9200/secret",
        "ftp://ann:secret@es.lan",
        "https://:secret@",
        "https://[secret",
    ],
)
def test_what_is_no_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError, match="OPENSEARCH_URL is not the URL of a server") as raised:
        Server(url)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_password_is_sent_and_never_shown(
    proxy: FaultyProxy, impatient: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = proxy.url.partition("//")[2]
    monkeypatch.setenv("OPENSEARCH_URL", f"http://ann:%C5%82%2Fsecret@{address}/")
    with Index.create(tmp_path / "i.db", engine="opensearch", encoder=None) as index:
        index.add_texts(["The rent is due."])
        assert all("Basic YW5uOsWCL3NlY3JldA==" in seen[2].values() for seen in proxy.seen)
        proxy.always = "lost"
        with pytest.raises(IndexUnreachableError, match=rf"^http://{address}/?: ") as raised:
            index.search("rent")
        assert "secret" not in str(raised.value)
    assert b"secret" not in Path(tmp_path / "i.db").read_bytes()


def test_another_server_is_not_told_the_password(
    proxy: FaultyProxy, osmem: OpenSearchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect is an error, not followed."""
    with FaultyProxy(osmem.url) as other:
        proxy.headers = [("Location", other.url)]
        proxy.always = "busy"
        real = proxy._server.RequestHandlerClass.send_response
        monkeypatch.setattr(
            proxy._server.RequestHandlerClass,
            "send_response",
            lambda self, status: real(self, 302),
        )
        with pytest.raises(IndexFileError, match=r"the server failed \(302"):
            Server(f"http://ann:secret@{proxy.url.partition('//')[2]}")
        assert other.seen == []


def test_without_a_server_or_its_library_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: FaultyProxy
) -> None:
    def refused(error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            Index.create(tmp_path / "i.db", engine="opensearch")
        assert not (tmp_path / "i.db").exists()

    monkeypatch.setenv("OPENSEARCH_URL", "http://127.0.0.1:9")
    refused(IndexUnreachableError, r"http://127.0.0.1:9: the server cannot be reached.*NewConn")
    monkeypatch.delenv("OPENSEARCH_URL")
    refused(InputError, "OPENSEARCH_URL is not set; expected the URL")
    monkeypatch.setitem(sys.modules, "opensearchpy", None)
    refused(MissingExtraError, r'pip install "pullquote\[opensearch\]"')


@pytest.mark.parametrize(
    ("version", "factor"),
    [
        ({"distribution": "opensearch", "number": "3.8.0"}, 2.2),
        ({"distribution": "opensearch", "number": "2.19.1"}, 1.0),
        ({"number": "8.15.0"}, 1.0),  # Elasticsearch
    ],
)
def test_scores_are_those_of_bm25(version: dict[str, str], factor: float) -> None:
    """OpenSearch 3 leaves out the factor k1 + 1, which other engines have."""
    client = SimpleNamespace(info=lambda ignore: {"version": version})
    assert opensearch_server._k1_factor(client) == pytest.approx(factor)


def test_a_file_from_elsewhere_names_no_index_of_another(index: Index) -> None:
    def change(name: str, value: str) -> None:
        with index._store.guarded():
            index._store.begin()
            index._store.change_setting(name, value)
            index._store.commit()

    change("opensearch removed", "1 x")
    with pytest.raises(IndexFileError, match=r"i\.db: damaged \(removed passages are '1 x'\)"):
        index.add_texts(["The rent is due."])
    change("identity", "*")
    with pytest.raises(IndexFileError, match=r"i\.db: damaged \(its identity is '\*'\)"):
        Index.open(index.path)


def test_the_command_line(tmp_path: Path, proxy: FaultyProxy) -> None:
    (tmp_path / "lease.txt").write_text("Lease of the mill.\n\nThe rent is 840 crowns a month.\n")

    def pullquote(*arguments: object) -> str:
        command = [sys.executable, "-m", "pullquote", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = ("-o", tmp_path / "notes.db")
    assert "1 new" in pullquote("index", tmp_path / "lease.txt", *made, "--engine", "opensearch")
    assert pullquote("ask", "How much is the rent?", tmp_path / "notes.db").startswith("840 crowns")
