"""Folders of results, on this machine or in an object store: each file whole or not at all.

    folder = folder_at("s3://bucket/answers")
    with folder.locked():
        folder.write("part-00000-0000000.parquet", data)

Knows files by their names, not what they hold.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pullquote.data.remote import filesystem, store_errors, without_file_scheme
from pullquote.errors import OutputError
from pullquote.files import atomic_write, open_file
from pullquote.scale.locking import locked
from pullquote.urls import is_url, without_password

_LEFT_OVER = ".pullquote-*"  # of files that were not finished
# Stores in which a file appears when all of it is there. In others (sftp, smb, hdfs, ...) a kill
# leaves the half of one.
_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "r2", "memory"}


class Folder(Protocol):
    """A folder that results are written to."""

    def names(self) -> set[str]:
        """The names of what is there."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises `OutputError`."""

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file. Raises `OutputError`, and leaves an older one as it was."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder, where that is possible, and remove what a kill left unfinished."""


def folder_at(path: str | os.PathLike[str]) -> Folder:
    """The folder at a path or URL, which need not exist. It can be pickled.

    Raises `OutputError` for a store in which files may be halves.
    """
    path = without_file_scheme(path)
    if not is_url(path):
        return _Local(Path(path))
    scheme = path.split("://", 1)[0].lower()
    if scheme not in _WHOLE:
        raise OutputError(
            f"{without_password(path)}: a file of {scheme}:// may be seen half written; expected a "
            "folder of this machine, or of a store such as s3://, gs:// or az://"
        )
    return _Remote(path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path

    def names(self) -> set[str]:
        return {entry.name for entry in os.scandir(self.path)}

    def read(self, name: str) -> bytes:
        try:
            with open_file(self.path / name) as file:
                return bytes(file.read())
        except OSError as error:
            raise OutputError(f"{self.path / name}: cannot be read ({error.strerror})") from None

    def write(self, name: str, data: bytes) -> None:
        with atomic_write(self.path / name, "wb", links=False) as file:
            file.write(data)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from None
        with locked(self.path):
            self._remove_left_over()
            yield
            self._remove_left_over()  # of a worker that was killed meanwhile

    def _remove_left_over(self) -> None:
        for left_over in self.path.glob(_LEFT_OVER):
            left_over.unlink(missing_ok=True)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class _Remote:
    url: str

    def names(self) -> set[str]:
        system, path = self._there()
        with store_errors(self.url, OutputError):
            system.invalidate_cache()  # or another process's files are not seen
            found = system.find(path)
        return {name.removeprefix(path).lstrip("/").split("/")[0] for name in found}

    def read(self, name: str) -> bytes:
        system, path = self._there()
        with store_errors(f"{self.url}/{name}", OutputError):
            return bytes(system.cat_file(f"{path}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        system, path = self._there()
        with store_errors(f"{self.url}/{name}", OutputError):
            system.pipe_file(f"{path}/{name}", data)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield  # stores have no locks; two processes write the same parts, each whole

    def _there(self) -> tuple[Any, str]:
        system, path = filesystem(self.url)
        return system, path.rstrip("/")

    def __str__(self) -> str:
        return without_password(self.url)
