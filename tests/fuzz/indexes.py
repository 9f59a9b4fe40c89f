"""Damaged and hostile index files, of both engines: what a broken disk or a stranger leaves behind.

A case damages a copy of a sound index, then opens it, reads it, asks it and updates it. Each of
these works, or raises `IndexFileError`. What is foreign to an index is refused when it is opened.
Where passages and their words are whole (only vectors, an engine's folder or a generation are not),
answers are those of the sound index.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import struct
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeAlias

from damage import ODD, damaged, damaged_json

from pullquote.errors import IndexFileError, InputError, OutputError, PullquoteError
from pullquote.reading.reader import Reader
from pullquote.searching.index import Index
from pullquote.searching.search import Searcher

sys.path.append(str(Path(__file__).parent.parent / "searching"))
from searching_helpers import HashEncoder

ENGINES = ("fts5", "tantivy")  # that need no server

SECONDS = 5
"""Processor time that a use of an index may take: some hundred times what it takes usually."""
HASH = HashEncoder()
_NAMES = ("Ann", "Bo", "Cyril", "Dora", "Emil", "Fay", "Gus", "Hana")
_ASKED = "Which rent does Cyril pay?"

Damage: TypeAlias = Callable[[random.Random, Path], None]

_COLUMNS = {
    "settings": ("name", "value"),
    "roots": ("path",),
    "documents": ("id", "path", "unit", "size", "modified", "changed", "problem"),
    "passages": ("id", "document", "start", "marks", "text"),
    "skipped": ("path", "what", "reason"),
    "metadata": ("document", "fields"),
    "words_data": ("id", "block"),
    "words_idx": ("segid", "term", "pgno"),
    "words_docsize": ("id", "sz"),
    "words_config": ("k", "v"),
    "sqlite_sequence": ("name", "seq"),
}
_CELLS: tuple[Any, ...] = (
    *(None, 0, 1, -1, 7, 2**31, 2**62, -(2**63), 1.5, float("inf"), "", "x", "\0", "é" * 300),
    *(
        b"",
        b"\xff\x00",
        b"/" + b"x" * 300,
        b"\0" * 40,
        b"\xff" * 40,
        "fts5",
        "tantivy",
        "lucene",
        "highlight(0, 'a', 'b')",
        "9" * 5000,
    ),
    *("0:1", "0:-1", "5:1", "0:1 0:1", "9:1 0:1", "-1:1", ":", "٣:٣", "0:" + "9" * 5000, "line"),
    *("{", "[]", "null", "[" * 100_000, '{"a":' * 50_000, '{"a": NaN}', '{"": [{}]}', "{}"),
    *('{"a": ' + "9" * 5000 + "}", '{"year": 1e999}', '{"year": "\\ud800"}', "page", "cell A1"),
)
_FOREIGN = (
    "CREATE TRIGGER t AFTER INSERT ON passages BEGIN DELETE FROM documents; END",
    "CREATE TRIGGER words_data_t BEFORE DELETE ON documents BEGIN SELECT randomblob(1e9); END",
    "CREATE VIEW words_docsize_v AS SELECT 1",
    "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n",
    "CREATE TABLE notes (text)",
    "CREATE TABLE words_notes (text)",
    "CREATE INDEX i ON passages (length(text))",
    "CREATE UNIQUE INDEX words_i ON passages (document, start)",
    "CREATE VIRTUAL TABLE words_more USING fts5(text)",
    "ALTER TABLE passages ADD COLUMN more TEXT DEFAULT 'x'",
    "ALTER TABLE documents ADD COLUMN more GENERATED ALWAYS AS (hex(path)) VIRTUAL",
    "ALTER TABLE documents RENAME COLUMN problem TO trouble",
    "ALTER TABLE skipped RENAME TO skiped",
    "DROP TABLE metadata",
    "DROP INDEX passages_of_document",
)
_SCHEMA_CHANGES = (
    ("sql", "replace(sql, 'passages', 'documents')"),
    ("sql", "replace(sql, 'NOT NULL', 'CHECK (hex(randomblob(1e9)))')"),
    ("sql", "replace(sql, 'porter', 'trigram')"),
    ("sql", "replace(sql, 'TABLE', 'VIEW')"),
    ("sql", "sql || ' STRICT'"),
    ("sql", "NULL"),
    ("sql", "x'ff00'"),
    ("name", "'words_' || name"),
    ("name", "x'ff'"),
    ("tbl_name", "'passages'"),
    ("type", "'view'"),
    ("type", "'trigger'"),
    *(("rootpage", page) for page in ("1", "2", "0", "-1", "99999", "rootpage + 1")),
)


class Indexes:
    """Sound indexes below `folder`, one of each engine, and what damages copies of them."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        self.folder = folder
        self.reader = reader
        self.documents = folder / "documents"
        self.documents.mkdir()
        for number, name in enumerate(_NAMES):
            lines = f"{name} pays a rent of {100 + number} crowns.\n\nThe house of {name} is old.\n"
            (self.documents / f"{name}.txt").write_text(lines * 4, encoding="utf-8")
        (self.documents / "empty.txt").touch()
        (self.documents / "photo.jpg").write_bytes(b"\xff\xd8")
        self.new = folder / "new.txt"
        self.new.write_text("The zeppelin lands in the harbour.\n", encoding="utf-8")
        (folder / "sound").mkdir()
        self.sound = {engine: self._make(engine) for engine in ENGINES}
        self.best = {engine: _best(path) for engine, path in self.sound.items()}
        self.best_by_words = {engine: _best(path, None) for engine, path in self.sound.items()}
        self.log = _write_ahead_log(self._copy("fts5"))
        self.damages: dict[str, Damage] = {
            name: getattr(self, name)
            for name in (
                "bytes_",
                "pages",
                "cells",
                "foreign",
                "schema",
                "pragmas",
                "journal",
                "cosines",
                "checksums",
            )
        }
        # after which answers are still those of the sound index
        self.harmless: dict[str, Damage] = {
            name: getattr(self, name) for name in ("vectors", "engine_files", "generations")
        }

    def case(self, rng: random.Random) -> str:
        """Damage a copy of an index and use it: "read", or "refused" if any use was."""
        engine = rng.choice([*ENGINES, "fts5", "fts5"])  # which is three times as fast
        name = rng.choice([*self.damages, *self.harmless, "cells", "bytes_"])
        path = self._copy(engine)
        (self.damages | self.harmless)[name](rng, path)
        uses = [self._read, self._ask, self._update]
        if name in self.harmless:
            uses.insert(0, self._asks_as_the_sound_one)
        else:
            rng.shuffle(uses)
        # a folder in the place of a file beside the index cannot be written to
        beside = name in ("journal", "vectors")
        expected = (IndexFileError, OutputError) if beside else (IndexFileError,)
        outcomes = {_within_budget(use, path, expected) for use in uses}
        assert name != "foreign" or "read" not in outcomes, "a foreign schema was opened"
        return "refused" if "refused" in outcomes else "read"

    # ---- uses

    def _read(self, path: Path) -> None:
        with Index.open(path, private=True, encoder=HASH) as index:
            for document in index.documents():
                json.dumps([document.path, document.unit, document.metadata])
            map(str, [*index.problems(), *index.partly_read(), *index.left_out()])
            assert len(index) >= 0
            assert index.count() >= 0
            index.matches("documents/*")
            index.without_vectors()

    def _ask(self, path: Path) -> None:
        with Index.open(path, encoder=HASH) as index:
            searcher = Searcher(self.reader, index)
            for options in ({}, {"path": "*.txt"}, {"where": {"year": 2024}}):
                # a glob or a field of a document that is damaged fits none
                with suppress(*([InputError] if options else [])):
                    for hit in searcher.search(_ASKED, 5, **options).hits:
                        text = hit.passage.text
                        assert hit.text == text[hit.offset : hit.offset + len(hit.text)]
                        json.dumps(hit.to_dict())

    def _asks_as_the_sound_one(self, path: Path) -> None:
        found, engine = _best(path), path.stem
        assert found in (self.best[engine], self.best_by_words[engine]), found

    def _update(self, path: Path) -> None:
        with Index.open(path, encoder=HASH) as index:
            index.remove([str(self.documents / "Ann.txt"), "deed"])
            index.add_texts([{"id": "letter", "text": "Ink on paper.", "year": 2025}])
            index.add([self.new])
            found = [entry.passage.text for entry in index.search("zeppelin harbour")]
            assert any("zeppelin" in text for text in found), found

    # ---- damage

    def bytes_(self, rng: random.Random, path: Path) -> None:
        """Any bytes of the file, or of its header."""
        data = path.read_bytes()
        if rng.random() < 0.2:
            path.write_bytes(damaged(rng, data[:100]) + data[100:])
            return
        path.write_bytes(damaged(rng, data))

    def pages(self, rng: random.Random, path: Path) -> None:
        """Pages that were not written, were written elsewhere, or are cut off."""
        data = bytearray(path.read_bytes())
        size = 4096
        count = len(data) // size
        for _ in range(rng.choice([1, 1, 3])):
            at, other = size * rng.randrange(count), size * rng.randrange(count)
            page = data[other : other + size]
            data[at : at + size] = rng.choice([bytes(size), b"\xff" * size, page])
        path.write_bytes(data[: rng.choice([len(data)] * 3 + [size * rng.randrange(count)])])

    def cells(self, rng: random.Random, path: Path) -> None:
        """Cells and rows that pullquote would not write."""
        with closing(sqlite3.connect(path)) as connection:
            for _ in range(rng.choice([1, 1, 3])):
                table = rng.choice(list(_COLUMNS))
                column = rng.choice(_COLUMNS[table])
                least = f"WHERE {column} = (SELECT min({column}) FROM {table})"
                some = rng.choice(["", "", least])
                with suppress(sqlite3.Error, OverflowError):
                    if rng.random() < 0.15:
                        connection.execute(f"DELETE FROM {table} {some}")
                    else:
                        value = rng.choice(_CELLS)
                        if table == "words_config":  # FTS5's settings of the table
                            name = rng.choice(["rank", "pgsz", "hashsize", "crisismerge"])
                            change = "INSERT OR REPLACE INTO words_config VALUES (?, ?)"
                            connection.execute(change, [name, value])
                        connection.execute(
                            f"UPDATE OR IGNORE {table} SET {column} = ? {some}", [value]
                        )
            connection.commit()

    def foreign(self, rng: random.Random, path: Path) -> None:
        """A schema with more or less in it than an index has."""
        with closing(sqlite3.connect(path)) as connection:
            fitting = [one for one in _FOREIGN if "words_more" not in one or "fts5" in str(path)]
            connection.execute(rng.choice(fitting))
            connection.commit()

    def schema(self, rng: random.Random, path: Path) -> None:
        """The table of the schema itself, changed as by an editor of bytes."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
            column, value = rng.choice(_SCHEMA_CHANGES)
            with suppress(sqlite3.Error):
                connection.execute(
                    f"UPDATE sqlite_master SET {column} = {value} WHERE name = ?",
                    [rng.choice(names)],
                )
            connection.commit()

    def pragmas(self, rng: random.Random, path: Path) -> None:
        """Numbers of the header: format, application, encoding of texts, journal."""
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            value = rng.choice([0, 1, 2, 4, -1, 2**31 - 1])
            for statement in rng.sample(
                [
                    f"PRAGMA user_version = {value}",
                    f"PRAGMA application_id = {value}",
                    f"PRAGMA schema_version = {value}",
                    "PRAGMA journal_mode = DELETE",
                    "PRAGMA page_size = 512; VACUUM",
                    "PRAGMA auto_vacuum = FULL; VACUUM",
                    "DELETE FROM settings",
                    "DROP TABLE metadata; PRAGMA user_version = 2",
                    "DROP TABLE metadata; DROP TABLE skipped; PRAGMA user_version = 1",
                ],
                rng.choice([1, 2]),
            ):
                with suppress(sqlite3.Error):
                    connection.executescript(statement)

    def journal(self, rng: random.Random, path: Path) -> None:
        """Something beside the file that SQLite takes for its own."""
        other = self.sound["fts5"].read_bytes()
        for end in rng.sample(["-wal", "-shm", "-journal"], rng.choice([1, 2])):
            beside = path.with_name(path.name + end)
            if rng.random() < 0.1:
                rng.choice([beside.mkdir, lambda beside=beside: os.mkfifo(beside)])()
                continue
            beside.write_bytes(
                rng.choice([b"", rng.randbytes(5000), other, damaged(rng, self.log)])
            )

    def vectors(self, rng: random.Random, path: Path) -> None:
        """The file of vectors: damaged before the vectors, cut, of another index, or no file."""
        file = path.with_name(f"{path.name}.vectors")
        data = file.read_bytes()
        before = 64 + 12 * ((len(data) - 64) // (12 + HashEncoder.dimensions))
        match rng.randrange(6):
            case 0 | 1:
                file.write_bytes(damaged(rng, data[:before]) + data[before:])
            case 2:
                file.write_bytes(damaged(rng, data[:64]) + data[64:])
            case 3:
                file.write_bytes(data[: rng.randrange(len(data))])
            case 4:
                other = self.sound["tantivy" if "fts5" in path.name else "fts5"]
                shutil.copy(f"{other}.vectors", file)
            case _:
                file.unlink()
                rng.choice([file.mkdir, lambda: file.symlink_to(file), lambda: os.mkfifo(file)])()

    def cosines(self, rng: random.Random, path: Path) -> None:
        """The vectors themselves, which have no check of their own."""
        file = path.with_name(f"{path.name}.vectors")
        data = bytearray(file.read_bytes())
        for _ in range(rng.choice([1, 500])):
            data[rng.randrange(len(data) // 2, len(data))] = rng.randrange(256)
        file.write_bytes(data)

    def engine_files(self, rng: random.Random, path: Path) -> None:
        """Files of tantivy: damaged, gone, or others."""
        folder = path.with_name(f"{path.name}.tantivy")
        if not folder.exists():
            rng.choice([folder.mkdir, folder.touch])()  # of an index that has no such folder
            return
        # in an order that is the same in each run: names are random
        file = rng.choice(
            sorted(folder.iterdir(), key=lambda file: (file.suffix, file.stat().st_size))
        )
        match rng.randrange(5):
            case 0 | 1:
                file.write_bytes(damaged(rng, file.read_bytes()))
            case 2:
                file.unlink()
            case 3:
                meta = folder / "meta.json"
                meta.write_bytes(damaged_json(rng, json.loads(meta.read_text("utf-8"))))
            case _:
                shutil.rmtree(folder)
                rng.choice([folder.mkdir, folder.touch, lambda: None])()

    def checksums(self, rng: random.Random, path: Path) -> None:
        """Files of tantivy that were changed, and their checksums with them."""
        folder = path.with_name(f"{path.name}.tantivy")
        for file in sorted(folder.glob("*.*"), key=lambda file: (file.suffix, file.stat().st_size)):
            if file.suffix not in (".json", ".lock") and rng.random() < 0.2:
                file.write_bytes(with_checksum(rng, file.read_bytes()))

    def generations(self, rng: random.Random, path: Path) -> None:
        """An index that is behind or ahead of what stands beside it, or is another one."""
        value = rng.choice([n for n in ODD if type(n) is int and 0 <= n < 2**62])
        with closing(sqlite3.connect(path)) as connection:
            if rng.random() < 0.5:
                change, value = "value = ? WHERE name = 'generation'", value
            else:
                change, value = "value = ? WHERE name = 'identity'", rng.choice(["", "x" * 32])
            connection.execute(f"UPDATE settings SET {change}", [value])
            connection.commit()

    # ----

    def _make(self, engine: str) -> Path:
        path = self.folder / "sound" / f"{engine}.db"
        with Index.create(path, engine=engine, encoder=HASH) as index:
            index.add([self.documents])
            deeds = [{"id": "deed", "text": "Ann owns it.", "year": 2024}, "Bo rents it."]
            index.add_texts(deeds)
        return path

    def _copy(self, engine: str) -> Path:
        """A copy of a sound index, without what an earlier case left."""
        folder = self.folder / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder / "sound", folder)
        return folder / f"{engine}.db"


def with_checksum(rng: random.Random, data: bytes) -> bytes:
    """A damaged file of tantivy that ends with the checksum of what is in it."""
    length, number = struct.unpack("<II", data[-8:])
    body, footer = data[: -8 - length], json.loads(data[-8 - length : -8])
    changed = bytearray(body)
    for _ in range(rng.choice([1, 1, 3])):
        # more often near the end, where tantivy keeps what the rest is
        at = rng.choice([rng.random(), rng.random() ** 0.05])
        changed[int(at * len(changed))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    body = rng.choice([bytes(changed), bytes(changed), damaged(rng, body)])
    end = json.dumps({**footer, "crc": zlib.crc32(body)}).encode()
    return body + end + struct.pack("<II", len(end), number)


def _best(path: Path, encoder: HashEncoder | None = HASH) -> list[str]:
    """The best passage for a question; of the scores, tantivy's vary with its segments."""
    with Index.open(path, encoder=encoder) as index:
        return [entry.passage.text for entry in index.search(_ASKED, 1)]


def _within_budget(
    use: Callable[[Path], None], path: Path, expected: tuple[type[PullquoteError], ...]
) -> str:
    """Use an index: "read" or "refused"."""
    began = time.process_time()
    message = ""
    try:
        use(path)
    except expected as error:
        message = str(error)
    taken = time.process_time() - began
    assert taken < SECONDS, f"{taken:.1f} s of processor time"
    assert not message or 10 < len(message) < 2000, f"a message of {len(message):,} characters"
    return "refused" if message else "read"


def _write_ahead_log(path: Path) -> bytes:
    """A write-ahead log of the index with a commit that was not checkpointed."""
    with closing(sqlite3.connect(path)) as writer, closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM settings").fetchone()
        writer.execute("UPDATE settings SET value = value WHERE name = 'generation'")
        writer.commit()
        return path.with_name(f"{path.name}-wal").read_bytes()
