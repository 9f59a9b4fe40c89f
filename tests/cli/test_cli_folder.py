"""`pullquote ask` of folders, documents and indexes, and `pullquote index`, as users meet them."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import LIGHTHOUSE, ROOT, Run

from pullquote import Index
from pullquote.cli import asking
from pullquote.cli.console import percent
from pullquote.searching import pool
from pullquote.searching.index import bundled
from pullquote.searching.stores import sqlite

MILL = ROOT / "examples" / "mill"
FILES = ROOT / "tests" / "searching" / "files"
NOTICE = "How long is the notice period?"
MAYOR = "Who is the mayor of Norrhavn?"
ALWAYS, NEVER = ("--threshold", "9999"), ("--threshold", "-9999")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PULLQUOTE_CACHE", str(path))
    return path


def test_a_folder_gives_the_quote_its_sentence_and_its_page(call: Run, tmp_path: Path) -> None:
    shutil.copytree(MILL, tmp_path / "mill")
    quote, sentence, place = call("ask", NOTICE, "mill").succeeded().out.splitlines()
    assert quote == "three months"
    assert "may end the lease by giving three months’ notice in writing" in sentence
    assert place.startswith("  score 0.")
    assert place.endswith(", mill/lease.pdf, page 3")


def test_none_of_the_documents_answers(call: Run) -> None:
    ask = ("ask", MAYOR, MILL, "--answerable", "20%")
    none = call(*ask, "--json").succeeded().json["no_answer_score"]
    first, head, *quotes = call(*ask, "--top-k", 2).succeeded().out.splitlines()
    assert first == f"No answer in these documents ({percent(none)})."
    assert head == "  nearest quotes:"
    assert len(quotes) >= 2
    for quote in quotes:
        assert re.fullmatch(r' +<?\d+ %  ".+" \(.*examples/mill/\S+, \w+ \d+\)', quote), quote
    never = call("ask", NOTICE, MILL, "--threshold", "-9999").succeeded().out
    assert never.startswith("No sure answer: ")
    assert ' %  "three months" (' in never


def test_the_share_of_answerable_questions_decides_for_documents_too(call: Run) -> None:
    ask = ("ask", MAYOR, MILL, "--json")
    seldom, always = (call(*ask, "--answerable", p).succeeded().json for p in ("20%", "100%"))
    assert (seldom["answer"], seldom["answerable"], seldom["threshold"]) == (None, 0.2, None)
    assert always["answer"] == always["answers"][0]
    assert always["no_answer_score"] == 0 < seldom["no_answer_score"]
    call(*ask, "--answerable", "20%", "--threshold", 1).failed("two ways to decide", code=2)


def test_misspelt_words_are_read_as_words_of_the_documents(call: Run) -> None:
    ask = ("ask", "How many eels were conuted?", MILL)
    quote, *_, last = call(*ask, *ALWAYS).succeeded().out.splitlines()
    assert (quote, last) == ("thirty-one", "  read as: counted")
    assert call(*ask, *NEVER).succeeded().out.splitlines()[1] == "  read as: counted"
    link = call(*ask, "--open", *ALWAYS)
    assert link.err == "pullquote: note: read as: counted\n"
    assert link.out.endswith("journal.txt:4\n")
    assert call(*ask, "--no-spelling", "--json").succeeded().json["corrections"] == []


def test_json_has_the_place_the_sentence_and_the_passage(call: Run) -> None:
    found = call("ask", NOTICE, MILL, "--json", "--top-k", 3).succeeded().json
    assert found["answer"] == found["answers"][0]
    assert len(found["answers"]) == 3
    answer = found["answer"]
    assert (answer["text"], answer["page"]) == ("three months", 3)
    assert answer["path"] == str(MILL / "lease.pdf")
    assert answer["link"] == f"{MILL / 'lease.pdf'}#page=3"
    assert answer["text"] in answer["sentence"] in answer["passage"]
    begin = answer["start"] - answer["passage_start"]
    assert answer["passage"][begin:].startswith("three months")
    nothing = call("ask", MAYOR, MILL, "--json", *NEVER).succeeded().json
    assert nothing["answer"] is None
    assert nothing["null_score_diff"] > nothing["threshold"] == -9999
    assert len(nothing["answers"]) == 5


def test_open_prints_links_alone(call: Run, tmp_path: Path) -> None:
    shutil.copytree(MILL, tmp_path / "mill")
    assert call("ask", NOTICE, "mill", "--open").succeeded().out == "mill/lease.pdf#page=3\n"
    eels = call("ask", "How many eels were counted?", "mill", "--open")
    assert eels.succeeded().out == "mill/journal.txt:4\n"
    nothing = call("ask", MAYOR, "mill", "--open", "--answerable", "1%")
    assert (nothing.code, nothing.out) == (0, "")
    assert re.fullmatch(r"pullquote: note: no answer in these documents \(.+ %\)\n", nothing.err)


def test_filters(call: Run) -> None:
    html = call("ask", "How much is a ticket?", MILL, "--filter", "path=*.html", "--json")
    assert {a["path"] for a in html.succeeded().json["answers"]} == {str(MILL / "visiting.html")}
    call("ask", NOTICE, MILL, "--filter", "path=*.xyz").failed("none of the documents matches")
    for bad in ("*.pdf", "=3", "path="):
        call("ask", NOTICE, MILL, "--filter", bad).failed("expected path=GLOB", code=2)
    twice = ("--filter", "path=*.pdf", "--filter", "path=*.md")
    call("ask", NOTICE, MILL, *twice).failed("expected path=GLOB, once", code=2)


def test_filters_by_metadata(call: Run, tmp_path: Path) -> None:
    with Index.create(tmp_path / "i.db") as index:
        index.add_texts(
            [
                {"id": "old", "text": "The rent is 840 crowns.", "year": 2023, "by": "Ann"},
                {"id": "new", "text": "The rent is 910 crowns.", "year": 2024, "by": "Ann"},
            ]
        )
    ask = ("ask", "How much is the rent?", "i.db", "--json", "--filter")
    found = call(*ask, "year=2024", "--filter", "by=Ann").succeeded().json["answer"]
    assert (found["document"], found["metadata"]) == ("new", {"year": 2024, "by": "Ann"})
    call(*ask, "page=3").failed("no document has the field 'page'; found by, year")


def test_filters_that_leave_nothing(call: Run, tmp_path: Path) -> None:
    (tmp_path / "doors.csv").write_text("item,wood,price\ndoor,oak,840\nlamp,pine,95\n")
    ask = ("ask", "What is the price?", "doors.csv", "--filter", "item=door", "--filter")
    none = "o answer in these documents: no document or row of a table in them fits the filters"
    for value in ("wood=Oak", "wood=pine"):
        assert call(*ask, value).succeeded().out == f"N{none}.\n"
        assert call(*ask, value, "--open").err == f"pullquote: note: n{none}\n"
    (tmp_path / "q.txt").write_text("What is the price?\n")
    table = ("ask", "--questions", "q.txt", "doors.csv", "-o", "a.csv", "--filter")
    noted = "pullquote: note: no document or row of a table in these documents fits the filters\n"
    assert (done := call(*table, "wood=Oak")).err == noted
    assert done.code == 0
    call(*table, "wood=oak").succeeded()


# ---- vectors


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PULLQUOTE_VECTORS", raising=False)
    bundled.cache_clear()
    yield
    bundled.cache_clear()


@pytest.mark.usefixtures("vectors")
@pytest.mark.packed
def test_an_index_gets_vectors_unless_it_is_not_to(call: Run, tmp_path: Path) -> None:
    call("index", MILL, "-o", "a.db", "--no-vectors").succeeded()
    assert not (tmp_path / "a.db.vectors").exists()
    assert "vector" not in call("ask", NOTICE, "a.db").succeeded().err
    call("index", "-o", "a.db").succeeded()
    with Index.open(tmp_path / "a.db") as index:
        assert index.without_vectors() == 0
        best = index.search("When does the physician receive ill people?")[0]
        assert "Dr Amara Nilsen sees patients" in best.passage.text
        assert best.bm25 == 0.0  # no word of the question is in it


@pytest.mark.usefixtures("vectors")
@pytest.mark.packed
def test_a_folder_gets_vectors_while_it_is_asked(
    call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_VECTOR_SECONDS", 0.0)
    first = call("ask", NOTICE, MILL)
    assert first.out.startswith("three months\n")
    note = "18 of 18 passages are found by their words alone, without a vector; the next questions"
    assert note in first.err
    monkeypatch.setattr(asking, "_VECTOR_SECONDS", 60.0)
    assert "vector" not in call("ask", NOTICE, MILL).succeeded().err
    assert "vector" not in call("ask", NOTICE, MILL).succeeded().err


@pytest.mark.usefixtures("vectors")
@pytest.mark.packed
def test_an_unfinished_index_says_how_to_go_on(call: Run, tmp_path: Path) -> None:
    with Index.create(tmp_path / "a.db") as index:
        index.add([MILL], vectors=False)
        index.make_vectors(seconds=0.0)
    assert "without a vector; run pullquote index -o a.db" in call("ask", NOTICE, "a.db").err


@pytest.mark.parametrize("paths", [["lease.pdf"], ["lease.pdf", "boiler.md"]])
def test_a_document_and_several_files_are_searched(call: Run, paths: list[str]) -> None:
    out = call("ask", NOTICE, *(MILL / path for path in paths)).succeeded().out
    assert out.endswith("lease.pdf, page 3\n")


def test_a_text_file_is_read_whole_as_before(call: Run, cache: Path) -> None:
    out = call("ask", "Who built the first lighthouse?", LIGHTHOUSE).succeeded().out
    assert out.splitlines()[-1].endswith(", characters 171-187")
    assert list(cache.iterdir()) == []
    for option in (["--open"], ["--filter", "path=*"]):
        call("ask", NOTICE, LIGHTHOUSE, *option).failed(f"{option[0]} is for folders", code=2)
    call("ask", NOTICE, LIGHTHOUSE, "--open", "--json").failed("two outputs", code=2)


def test_the_cached_index_follows_the_folder(call: Run, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "notes").mkdir()
    path = tmp_path / "notes" / "a.txt"
    for name in ("Rollo", "Harald"):
        path.write_text(f"The Norse, led by {name}, came by sea.")
        out = call("ask", "Who led the Norse?", "notes").succeeded().out
        assert out.startswith(f"{name}\n")
    assert len(list((cache / "folders").glob("*.db"))) == 1
    (tmp_path / "notes" / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    result = call("ask", "Who led the Norse?", "notes")
    assert result.out.startswith("Harald\n")
    assert result.err.startswith("pullquote: note: not read: notes/broken.pdf: not readable as")


def test_guessed_encodings_and_rows_that_were_left_out_are_told(call: Run, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in "abcde":
        text = f"Renée, the owner of the {name} mill, asks £840 a month."
        (tmp_path / "notes" / f"{name}.txt").write_bytes(text.encode("cp1252"))
    rows = '{"text": "The Norse, led by Rollo, came by sea."}\n{"text":\n{"text": null}\n'
    (tmp_path / "notes" / "rows.jsonl").write_text(rows)
    result = call("ask", "Who led the Norse?", "notes")
    assert result.out.startswith("Rollo\n")
    left_out, guessed = result.err.splitlines()
    assert left_out.startswith(
        "pullquote: note: read in part: notes/rows.jsonl: 2 skipped: line 2: not JSON"
    )
    assert "line 3: text is empty" in left_out
    assert guessed == (
        "pullquote: note: 5 documents are not UTF-8; read by a guess of the encoding: notes/a.txt "
        "(Windows-1252), notes/b.txt (Windows-1252), notes/c.txt (Windows-1252) and 2 more"
    )
    indexed = call("index", "notes", "-o", "notes.db")
    assert indexed.err.splitlines() == result.err.splitlines()
    assert "6 documents, 6 passages" in indexed.out


def test_what_is_no_document_or_has_no_text_is_told_each_time(call: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("a.png", "b.png", "c.PNG", "d.psd", "plan", "settings.json"):
        (tmp_path / "d" / name).write_text('{"x": 1}')
    (tmp_path / "d" / "empty.txt").touch()
    (tmp_path / "d" / "page.html").write_text("<p>")
    (tmp_path / "d" / "norse.txt").write_text("The Norse, led by Rollo, came by sea.")
    kinds = "6 files left out by type (3 .png, 1 .psd, 1 no ending, 1 .json): d/a.png, d/b.png"
    line = (
        "pullquote: note: not read: d/empty.txt: empty (0 bytes); "
        f"and 1 more document (1 not read); {kinds}, d/c.PNG, ...; --verbose lists all\n"
    )
    for _ in range(2):
        assert call("ask", "Who led the Norse?", "d").err == line
    indexed = call("index", "d", "-o", "d.db")
    assert indexed.out.endswith("as they were); 2 not read, 6 left out\n")
    for _ in range(2):
        assert call("ask", "Who led the Norse?", "d.db").err == line
    for command in (["ask", "Who led the Norse?", "d.db"], ["index", "d", "-o", "d.db"]):
        assert call(*command, "--verbose").err.splitlines() == [
            "pullquote: note: not read: d/empty.txt: empty (0 bytes)",
            "pullquote: note: not read: d/page.html: there is no text in it",
            "pullquote: note: left out: d/a.png: .png is no ending of documents",
            "pullquote: note: left out: d/b.png: .png is no ending of documents",
            "pullquote: note: left out: d/c.PNG: .png is no ending of documents",
            "pullquote: note: left out: d/d.psd: .psd is no ending of documents",
            "pullquote: note: left out: d/plan: its name has no ending",
            "pullquote: note: left out: d/settings.json: JSON, but no list of objects or texts",
        ]


def test_a_long_list_of_problems_is_cut(call: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "norse.txt").write_text("The Norse, led by Rollo, came by sea.")
    for number in range(23):
        (tmp_path / "d" / f"{number:02}.txt").touch()
    lines = call("index", "d", "-o", "d.db").err.splitlines()
    assert lines[19].endswith("d/19.txt: empty (0 bytes)")
    assert lines[20:] == ["pullquote: note: and 3 more documents (3 not read); --verbose lists all"]
    assert len(call("index", "-o", "d.db", "-v").err.splitlines()) == 23


def test_an_older_index_is_read_again_and_says_so(call: Run, tmp_path: Path) -> None:
    (tmp_path / "norse.txt").write_text("The Norse, led by Rollo, came by sea.")
    call("index", "norse.txt", "-o", "n.db").succeeded()
    assert call("index", "-o", "n.db").err == ""
    with sqlite3.connect(tmp_path / "n.db") as old:
        old.execute("DELETE FROM settings WHERE name = 'reading'")
    old.close()
    note = "pullquote: note: n.db: of an older pullquote; its documents were all read again\n"
    assert call("index", "-o", "n.db").err == note
    assert call("index", "-o", "n.db").err == ""


def test_a_damaged_cache_is_made_again(call: Run, cache: Path) -> None:
    call("ask", NOTICE, MILL).succeeded()
    (kept,) = (cache / "folders").glob("*.db")
    kept.write_bytes(b"SQLite format 3\0" + b"x" * 9000)
    assert call("ask", NOTICE, MILL).succeeded().out.startswith("three months\n")


def test_a_cache_whose_damage_is_seen_late_is_removed(call: Run, cache: Path) -> None:
    call("ask", NOTICE, MILL).succeeded()
    (kept,) = (cache / "folders").glob("*.db")
    with contextlib.closing(sqlite3.connect(kept)) as connection:
        connection.execute("DELETE FROM words_docsize")
        connection.commit()
    call("ask", NOTICE, MILL).failed("damaged", "ask again")
    assert call("ask", NOTICE, MILL).succeeded().out.startswith("three months\n")


def test_a_cache_that_another_process_writes_to_is_kept(
    call: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sqlite._CONNECTION, "timeout", 0.01)
    call("ask", NOTICE, MILL).succeeded()
    (kept,) = (cache / "folders").glob("*.db")
    with contextlib.closing(sqlite3.connect(kept)) as writer:
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("CREATE TABLE being_written (x)")
        before = kept.stat().st_ino
        call("ask", NOTICE, MILL).failed("another process is writing to it")
        assert kept.stat().st_ino == before
    assert call("ask", NOTICE, MILL).succeeded().out.startswith("three months\n")


# ---- pullquote index


def test_index_and_ask_it(call: Run, tmp_path: Path, cache: Path) -> None:
    shutil.copytree(MILL, tmp_path / "mill")
    shutil.copy(FILES / "encrypted.pdf", tmp_path / "mill")
    result = call("index", "mill", "-o", "notes.db")
    assert result.code == 0
    assert result.out == (
        "notes.db: 8 documents, 18 passages (8 new, 0 changed, 0 removed, 0 as they were); "
        "1 not read\n"
    )
    assert result.err == (
        "pullquote: note: not read: mill/encrypted.pdf: encrypted; save a copy that opens without "
        "a password\n"
    )
    asked = call("ask", NOTICE, "notes.db")
    assert asked.out.endswith("mill/lease.pdf, page 3\n")
    assert asked.err == result.err
    assert list(cache.iterdir()) == []
    (tmp_path / "mill" / "encrypted.pdf").unlink()
    (tmp_path / "mill" / "boiler.md").unlink()
    again = call("index", "-o", "notes.db").succeeded().out
    assert "(0 new, 0 changed, 2 removed, 7 as they were)" in again


def test_an_index_with_tantivy(call: Run, tmp_path: Path) -> None:
    call("index", MILL, "-o", "notes.db", "--engine", "tantivy").succeeded()
    assert call("ask", NOTICE, "notes.db", "--open").succeeded().out.endswith("lease.pdf#page=3\n")
    call("index", MILL, "-o", "notes.db", "--engine", "fts5").failed("its engine is tantivy")


def test_to_read_on_a_cluster_needs_an_extra(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    index = ("index", MILL, "-o", "notes.db", "--no-vectors")
    call(*index, "--read-on", "ray").failed('pip install "pullquote[ray]"')
    call(*index).succeeded()


@pytest.mark.parametrize("command", [["ask", NOTICE], ["index", "-o", "new.db"]])
def test_folders_with_nothing_to_read(call: Run, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "f").mkdir()
    call(*command, "f").failed("f: nothing to read in it; expected text, Markdown, HTML")
    (tmp_path / "f" / "picture.png").write_bytes(b"x")
    call(*command, "f").failed("nothing to read in it (1 file left out by type (1 .png): f/pic")
    shutil.copy(FILES / "blank.pdf", tmp_path / "f" / "scan.pdf")
    failed = call(*command, "f")
    assert failed.code == 1
    assert "f: nothing readable in it (1 tried); the first: f/scan.pdf: no text" in failed.err
    call(*command, "nowhere").failed("nowhere: no such file or folder")


def test_one_document_that_cannot_be_read(call: Run) -> None:
    path = FILES / "encrypted.pdf"
    call("ask", NOTICE, path).failed(f"{path}: encrypted; save a copy")


def test_a_missing_extra_is_named(
    call: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hidden = "import sys; sys.modules['pypdfium2'] = None"
    monkeypatch.setattr(pool, "_PROGRAM", f"{hidden}; {pool._PROGRAM}")
    monkeypatch.setattr(pool, "_KEPT", 0)
    pool.end_idle()
    shutil.copy(MILL / "lease.pdf", tmp_path)
    call("ask", NOTICE, "lease.pdf").failed('pip install "pullquote[files]"')


def test_what_is_no_index(call: Run, tmp_path: Path) -> None:
    call("ask", NOTICE, "gone.db").failed("gone.db: no such index; make one: pullquote index")
    (tmp_path / "bad.db").write_bytes(b"\x01" * 5000)
    call("ask", NOTICE, "bad.db").failed("bad.db: no index of pullquote")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    call("ask", NOTICE, "other.db").failed("other.db: an SQLite file, but no index of pullquote")
    call("index", MILL, "-o", "other.db").failed("other.db: an SQLite file, but no index")
    call("index", MILL, "-o", tmp_path).failed("a folder; expected the name of a file to write")
    call("index", "-o", "new.db").failed("a new index needs a PATH", code=2)
    assert not (tmp_path / "new.db").exists()


def test_an_index_whose_documents_are_gone_says_that_they_were_removed(
    call: Run, tmp_path: Path
) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "lease.txt").write_text("The rent is 840 crowns.")
    call("index", "f", "-o", "i.db").succeeded()
    shutil.rmtree(tmp_path / "f")
    gone = call("index", "-o", "i.db", "--drop-missing").succeeded()
    assert "i.db: 0 documents, 0 passages (0 new, 0 changed, 1 removed" in gone.out
    call("ask", NOTICE, "i.db").failed("i.db: an empty index; add documents to it first")
    call("index", "-o", "i.db").failed("nothing to read in it")


def test_paths_that_do_not_go_together(call: Run, tmp_path: Path) -> None:
    call("index", MILL, "-o", "notes.db").succeeded()
    call("ask", NOTICE, MILL, "notes.db").failed("notes.db is an index; ask it alone", code=2)
    call("ask", NOTICE, MILL, "-").failed("- is one text", code=2)
    call("ask", NOTICE, MILL, "--context", "text").failed("two texts", code=2)


def test_names_cannot_steer_the_terminal(call: Run, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a\x1b[31m.txt").write_text("The Norse, led by Rollo, came by sea.")
    (tmp_path / "f" / "b\x1b[31m.pdf").write_bytes(b"x")
    for more in ([], ["--json"], ["--open"]):
        result = call("ask", "Who led the Norse?", "f", *more)
        assert result.code == 0
        assert "\x1b" not in result.out + result.err


def test_paths_are_shown_as_one_would_type_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert asking.shown(str(tmp_path / "a" / "b.txt")) == "a/b.txt"
    assert asking.shown(f"{tmp_path}x/b.txt") == f"{tmp_path}x/b.txt"


# ---- pullquote passages


def test_what_is_read_is_shown_with_its_places(call: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("# Rent\r\n\r\nThe rent is due\x1b.\nOn the third.\n")
    shutil.copy(FILES / "pages.pdf", tmp_path)
    assert call("passages", "notes.txt").succeeded().out == (
        "notes.txt, line 1 to 4, characters 0-41\n"
        "  # Rent\n\n  The rent is due\ufffd.\n  On the third.\n\n"
        "1 passage of 1 document\n"
    )
    lines = call("passages", "pages.pdf").succeeded().out.splitlines()
    assert lines[0] == "pages.pdf, page 1 to 3, characters 0-227"
    assert lines[2] == "  extraordinarily laborious undertaking on the day before the thaw began."


def test_passages_as_json_are_those_of_the_index(call: Run) -> None:
    from pullquote import Index

    found = call("passages", MILL, "--json").succeeded().json
    assert [*found] == ["passages", "not_read", "read_in_part", "left_out", "guessed"]
    with Index.create("i.db") as index:
        index.add([MILL])
        texts = {found.passage.text for found in index.search("mill rent ferry the", limit=99)}
    assert texts <= {passage["text"] for passage in found["passages"]}
    first = next(one for one in found["passages"] if one["document"].endswith("lease.pdf"))
    place = ["document", "page", "link", "path"]
    assert [*first] == ["text", "start", "end", *place, "marks", "metadata"]
    assert (first["start"], first["page"], first["marks"][1]["page"]) == (0, 1, 2)
    assert first["text"][first["marks"][1]["offset"] :].lstrip().startswith("Repairs")


def test_all_that_was_skipped_is_shown(call: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    rows = ['{"text": "The rent is due."}', *["{"] * 5]
    (tmp_path / "d" / "a.jsonl").write_text("\n".join(rows))
    (tmp_path / "d" / "b.txt").write_bytes("The rent is £840.".encode("cp1252"))
    (tmp_path / "d" / "c.png").touch()
    shutil.copy(FILES / "encrypted.pdf", tmp_path / "d")
    shown = call("passages", "d")
    assert shown.out.endswith("2 passages of 3 documents\n")
    notes = shown.err.splitlines()
    assert len(notes) == 4
    assert notes[0].startswith("pullquote: note: read in part: d/a.jsonl: 5 skipped: line 2: not J")
    assert "line 6: not JSON" in notes[0]
    assert notes[1].startswith("pullquote: note: not read: d/encrypted.pdf: encrypted")
    assert notes[2] == "pullquote: note: left out: d/c.png: .png is no ending of documents"
    assert notes[3] == "pullquote: note: d/b.txt: not UTF-8; read as Windows-1252, which is a guess"
    told = call("passages", "d", "--json").json
    for key in ("not_read", "read_in_part", "left_out", "guessed"):
        assert len(told[key]) == 1, key
    call("passages", FILES / "encrypted.pdf").failed("encrypted.pdf: encrypted; save a copy")
    call("passages", "nowhere").failed("nowhere: no such file or folder")


def test_files_of_which_nothing_is_read_end_with_1_beside_what_is_read(
    call: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("The rent is 840 crowns.")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "c.html").write_text("<p></p>")
    mixed = call("passages", "a.txt", "b.png")
    assert mixed.code == 1
    assert "  The rent is 840 crowns.\n" in mixed.out
    notes = mixed.err.splitlines()
    assert notes[0].startswith("pullquote: note: not read: b.png: a PNG picture")
    assert notes[1].startswith("pullquote: error: nothing was read of b.png; expected text, Mark")
    none = call("passages", "b.png", "c.html")
    assert (none.code, none.out) == (1, "0 passages of 1 document\n")
    assert "nothing was read of b.png, c.html; expected" in none.err
    assert len(none.err.splitlines()) == 3
    told = call("passages", "a.txt", "b.png", "--json")
    assert (told.code, len(told.json["passages"]), len(told.json["not_read"])) == (1, 1, 1)
    (tmp_path / "empty").mkdir()
    call("passages", "a.txt", "empty").succeeded()
    assert call("passages", "empty").code == 1
    folder = call("passages", ".")  # as far as it goes, a folder is read
    assert (folder.code, "left out: b.png" in folder.err) == (0, True)
