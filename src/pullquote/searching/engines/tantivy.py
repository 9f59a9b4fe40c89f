"""Tantivy, a search library in Rust (extra `tantivy`): faster for many passages.

Knows a folder beside the index file, where Tantivy keeps its files. Each commit writes the index's
generation into a special document, so that a folder that is behind the SQLite file is noticed.

Tantivy maps its files, and believes what is in them. So each is checked before Tantivy reads it,
and again when another program has changed it. Checksums that a stranger has made right tell
nothing: `tantivy_process` has an end for what those files do.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pullquote.errors import (
    IndexBusyError,
    IndexFileError,
    MissingExtraError,
    OutputError,
    first_line,
    shown,
)
from pullquote.searching.engines import Among, IndexedPassage, Match

OLDEST = "0.26"  # as pyproject.toml has it; 0.25 finds nothing among chosen documents
_HEAP = 128_000_000  # bytes for a batch of new passages
_STAMP = 0  # the id of the document that holds the generation; ids of passages start at 1
_END, _FOOTER = struct.Struct("<II"), 1337
_BLOCK = 1 << 20  # bytes of a file that are checked at once
_checked: dict[Path, dict[str, tuple[int, int, int]]] = {}  # by folder and name, as it was then
_WORD = re.compile(r"[^\W_]+")
_MANAGED = ".managed.json"
_OWN = re.compile(r"[0-9a-f]{32}\.[\w.]+|meta\.json", re.ASCII)
"""The names of Tantivy's files, of which it deletes those that `_MANAGED` lists and nobody uses."""


class TantivyEngine:
    """Ranks by Tantivy's BM25 over English word stems."""

    def __init__(self, folder: Path) -> None:
        self.tantivy = _tantivy()
        self.folder = folder
        self._writer: Any = None
        self._seen = -1  # the generation that searches see
        schema = self.tantivy.SchemaBuilder()
        schema.add_unsigned_field("id", stored=True, indexed=True)
        schema.add_unsigned_field("document", indexed=True)
        schema.add_unsigned_field("generation", stored=True)
        # term frequencies without positions, which only phrase queries need
        schema.add_text_field("text", tokenizer_name="en_stem", index_option="freq")
        self.schema = schema.build()
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _check_files(folder)
            self.index = self.tantivy.Index(self.schema, path=str(folder), reuse=True)
            # else a thread reads new files at any time, also before they were checked
            self.index.config_reader("manual")

    @property
    def generation(self) -> int:
        """The generation of the last commit, -1 before the first.

        Also -1 for a folder with several, which an earlier version left by deleting nothing.
        """
        with _explained(self.folder):
            _check_files(self.folder)
            self.index.reload()
            searcher = self.index.searcher()
            query = self.tantivy.Query.term_query(self.schema, "id", _STAMP)
            found = searcher.search(query, 2).hits
            return int(searcher.doc(found[0][1])["generation"][0]) if len(found) == 1 else -1

    @property
    def writer(self) -> Any:
        if self._writer is None:
            with _explained(self.folder):
                _check_files(self.folder)
                writer = self.index.writer(_HEAP, 1)
                # files of a commit that was killed have the names that the next one wants to use
                writer.garbage_collect_files()
                self._writer = writer
        return self._writer

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        for row in rows:
            self._add({"id": row.id, "document": row.document, "text": row.words})

    def _add(self, fields: dict[str, int | str]) -> None:
        with _explained(self.folder):
            self.writer.add_document(self.tantivy.Document.from_dict(fields, self.schema))

    def remove(self, rows: Iterable[IndexedPassage]) -> None:
        self._delete([row.id for row in rows])

    def _delete(self, ids: Sequence[int]) -> None:
        # not delete_documents_by_term: it looks for a signed number, and the field is unsigned, so
        # that it deletes nothing
        with _explained(self.folder):
            query = self.tantivy.Query.term_set_query(self.schema, "id", ids)
            self.writer.delete_documents_by_query(query)

    def clear(self) -> None:
        with _explained(self.folder):
            self.writer.delete_all_documents()

    def commit(self, generation: int) -> None:
        self._delete([_STAMP])
        self._add({"id": _STAMP, "generation": generation})
        with _explained(self.folder):
            self.writer.commit()

    def rollback(self) -> None:
        if self._writer is not None:
            with _explained(self.folder):
                self._writer.rollback()

    def settle(self, share: float) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with _explained(self.folder):
                writer.wait_merging_threads()  # closes the writer, too

    def refresh(self, generation: int) -> None:
        with _explained(self.folder):
            _check_files(self.folder)
            if generation != self._seen:
                self.index.reload()
        self._seen = generation

    def search(self, words: Sequence[str], limit: int, among: Among | None) -> list[Match]:
        # lower case makes OR and NOT terms, not operators; punctuation separates terms
        text = " ".join(part.lower() for word in words for part in _WORD.findall(word))
        if not text or (among is not None and not among.ids):
            return []
        with _explained(self.folder):
            query, _ = self.index.parse_query_lenient(text, ["text"])
            if among is not None:
                make, occur = self.tantivy.Query, self.tantivy.Occur
                within = make.term_set_query(self.schema, among.column, sorted(among.ids))
                # a score of 0 for the filter keeps the scores of an unfiltered search
                query = make.boolean_query(
                    [(occur.Must, query), (occur.Must, make.const_score_query(within, 0.0))]
                )
            searcher = self.index.searcher()
            found = searcher.search(query, limit).hits
            if odd := [score for score, _ in found if not math.isfinite(score)]:
                raise ValueError(f"a score is {odd[0]}")
            return [
                Match(int(searcher.doc(address)["id"][0]), float(score)) for score, address in found
            ]

    def close(self) -> None:
        with contextlib.suppress(IndexFileError):
            self.settle(0.0)


def _check_files(folder: Path) -> None:
    """Raise `ValueError` for a file whose checksum is not that of its content.

    A writer merges files in threads of its own, where a panic over a damaged one ends the process;
    so does the reading of a mapped file that was cut. A file that ends with its checksum is not
    written to again, so that a process checks it once. Tantivy follows links, and deletes what
    `_MANAGED` names, wherever that is.
    """
    if folder.is_symlink():
        raise ValueError("it is a link, expected a folder")
    before = _checked.get(folder, {})
    found: dict[str, tuple[int, int, int]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another writer has done with it
                status = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):  # Tantivy would wait for ever for a pipe
                    raise ValueError(f"{entry.name} is no file")
                if entry.name == _MANAGED:
                    _check_managed(Path(entry.path))
                now = status.st_ino, status.st_size, status.st_mtime_ns
                if before.get(entry.name) == now or _has_checksum(Path(entry.path)):
                    found[entry.name] = now
                elif entry.name in before:
                    raise ValueError(f"{entry.name} is damaged")
    _checked[folder] = found


def _check_managed(path: Path) -> None:
    """Raise `ValueError` for a list of Tantivy's files that names others."""
    names = json.loads(path.read_bytes())
    if not isinstance(names, list):
        raise ValueError(f"{path.name} is damaged")
    for name in names:
        if not (isinstance(name, str) and _OWN.fullmatch(name)):
            raise ValueError(f"{path.name} lists {shown(name)}, which is no file of Tantivy")


def _has_checksum(path: Path) -> bool:
    """Whether a file ends with its checksum as JSON, the length of that, and a number.

    Others are lists of files, or are still written to. Raises `ValueError` for a wrong checksum.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _END.size, 0))
        length, number = _END.unpack(file.read(_END.size).rjust(_END.size))
        if number != _FOOTER:
            return False
        body = size - _END.size - length
        file.seek(max(body, 0))
        known = json.loads(file.read(length))["crc"]
        file.seek(0)
        found = 0
        while body > 0 and (block := file.read(min(body, _BLOCK))):
            found = zlib.crc32(block, found)
            body -= len(block)
    if found != known:
        raise ValueError(f"{path.name} is damaged")
    return True


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Raise pullquote's errors in place of tantivy's, and of the panics of damaged files."""
    try:
        yield
    except BaseException as error:
        if "LockBusy" in str(error):
            raise IndexBusyError(f"{folder}: another process is writing to it") from None
        if "No space left" in str(error):
            raise OutputError(
                f"{folder}: cannot be written (the disk is full); make room"
            ) from None
        # PanicException is not a subclass of Exception and cannot be imported
        damage = isinstance(error, (ValueError, OSError, LookupError, TypeError, RecursionError))
        if damage or type(error).__name__ == "PanicException":
            raise not_readable(folder, first_line(error)) from None
        raise


def not_readable(folder: Path, why: str) -> IndexFileError:
    """The error for a folder whose files Tantivy cannot use."""
    return IndexFileError(f"{folder}: not readable ({why}); remove it, and it is made again")


def check_installed() -> None:
    """Raise `MissingExtraError` where tantivy is not installed, or is too old."""
    _tantivy()


def _tantivy() -> Any:
    try:
        import tantivy
    except ImportError:
        raise MissingExtraError("tantivy", "tantivy") from None
    try:
        installed = metadata.version("tantivy")
    except metadata.PackageNotFoundError:  # built in place
        return tantivy
    if _version(installed) < _version(OLDEST):
        what = f"tantivy {OLDEST} or newer (found {installed})"
        raise MissingExtraError(what, "tantivy")
    return tantivy


def _version(text: str) -> tuple[int, ...]:
    """Major and minor: "0.26.1" is (0, 26)."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
