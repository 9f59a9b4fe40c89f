"""The plan of a batch: which files are answered, in which order and how, in `_batch.json`.

    sources = find("questions/*.parquet")
    planned = plan(folder, sources, settings)   # those of the plan before, then new ones

A plan that was begun with other settings, or of files that have changed since, is refused. Knows
names, sizes and settings, not what the files hold.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.data.remote import filesystem, store_errors, without_file_scheme
from pullquote.errors import ConfigError, DataError, shown
from pullquote.json_text import decode_text, parse_json
from pullquote.urls import is_url, without_password

if TYPE_CHECKING:
    from pullquote.scale.folders import Folder

FORMAT = 3
"""The version of the plan that is written and read."""
PLAN = "_batch.json"  # readers of Parquet folders leave out names that begin so

_ENDINGS = re.compile(r"\.(?:parquet|(?:jsonl|csv|tsv|json)(?:\.gz)?)\Z", re.I)


@dataclass(frozen=True, slots=True)
class Source:
    """A file of questions as it was when the work began."""

    path: str
    """Or a URL."""
    size: int
    modified: int
    """In nanoseconds since 1970; 0 where a store does not tell."""


def find(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    without: str | os.PathLike[str] | None = None,
) -> list[Source]:
    """The files of questions at a path, in a folder and those below, or that a glob matches.

    Each may be the URL of an object store. Left out are files in the folder `without`, and hidden
    ones in folders. Raises `DataError` where there is none.
    """
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    found: dict[Source, None] = {}
    for one in given:
        name = without_file_scheme(one)
        some = _in_store(name) if is_url(name) else _on_disk(name)
        some = [entry for entry in some if not (without and _is_in(entry.path, without))]
        if not some:
            raise DataError(
                f"{without_password(name)}: no file of questions; expected .parquet, .jsonl, .csv, "
                ".tsv or .json files, or a folder or a glob with some"
            )
        found |= dict.fromkeys(some)
    return list(found)


def names(sources: Sequence[Source]) -> list[str]:
    """A name for each file: the shortest end of its path that none before it has.

    The first counts for none, since its rows need no name. More files leave names as they are.

    >>> names([Source(path, 0, 0) for path in ("/x/a.csv", "/y/a.csv", "/z/a.csv", "/z/b.csv")])
    ['a.csv', 'a.csv', 'z/a.csv', 'b.csv']
    """
    found: list[str] = []
    for source in sources:
        parts = (source.path if is_url(source.path) else Path(source.path).as_posix()).split("/")
        ends = ("/".join(parts[at:]) for at in reversed(range(len(parts))))
        found.append(next(end for end in ends if end not in found[1:]))
    return found


def _on_disk(name: str) -> list[Source]:
    if Path(name).is_dir():
        paths = sorted(
            str(path)
            for path in Path(name).rglob("*")
            if path.is_file() and _is_of_questions(path.name)
        )
    elif Path(name).exists():
        paths = [name]
    else:
        paths = sorted(
            path
            for path in glob.glob(name, recursive=True)  # noqa: PTH207 -- of any path, with or without a root
            if Path(path).is_file()
        )
    return [
        Source(os.path.realpath(path), status.st_size, status.st_mtime_ns)
        for path, status in ((path, Path(path).stat()) for path in paths)
    ]


def _in_store(url: str) -> list[Source]:
    system, path = filesystem(url)
    with store_errors(url):
        system.invalidate_cache()
        if glob.has_magic(path):
            paths = sorted(system.glob(path))
        elif system.isfile(path):
            paths = [path]
        else:
            paths = sorted(
                below for below in system.find(path) if _is_of_questions(below.rsplit("/", 1)[-1])
            )
        return [
            Source(system.unstrip_protocol(path), system.size(path), _modified(system, path))
            for path in paths
        ]


def _is_of_questions(name: str) -> bool:
    return bool(_ENDINGS.search(name)) and not name.startswith((".", "_"))


def _is_in(path: str, folder: str | os.PathLike[str]) -> bool:
    folder = without_file_scheme(folder)
    if is_url(path) != is_url(folder):
        return False
    if is_url(folder):
        (system, path), (other, root) = filesystem(path), filesystem(folder)
        return type(system) is type(other) and path.startswith(f"{root.rstrip('/')}/")
    return Path(os.path.realpath(folder)) in Path(path).parents


def _modified(system: Any, path: str) -> int:
    try:
        return int(system.modified(path).timestamp() * 1e9)
    except NotImplementedError:
        return 0


def plan(folder: Folder, sources: list[Source], settings: dict[str, Any]) -> list[Source]:
    """The files to answer: those that were planned before, and new ones after them.

    Raises `ConfigError` where the folder was begun otherwise, or holds something else.
    """
    known: list[Source] = []
    there = folder.names()
    if PLAN in there:
        before = _read(folder)
        for name, value in settings.items():
            if differ := "; ".join(_differences(name, before["settings"].get(name), value)):
                raise ConfigError(
                    f"{folder}: was begun with {differ}; give the same, or another folder"
                )
        known = [Source(**entry) for entry in before["files"]]
    elif there:
        raise ConfigError(f"{folder}: holds other files; expected a new or an empty folder")
    now = {entry.path: entry for entry in sources}
    for entry in known:
        if entry.path in now and now[entry.path] != entry:
            raise ConfigError(
                f"{without_password(entry.path)}: has changed since its questions were answered "
                f"into {folder}; answer it into another folder"
            )
        if entry.path not in now:
            raise ConfigError(
                f"{without_password(entry.path)}: was begun, and is not among the files now; name "
                "it, too, or another folder"
            )
    begun = set(known)
    planned = [*known, *(entry for entry in sources if entry not in begun)]
    if planned != known:
        files = [asdict(entry) for entry in planned]
        content = {"format": FORMAT, "settings": settings, "files": files}
        folder.write(PLAN, f"{json.dumps(content, ensure_ascii=False, indent=2)}\n".encode())
    return planned


def _differences(name: str, before: Any, now: Any) -> Iterator[str]:
    """What differs of a setting, as "reader.spelling true, not false"."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before | now:
            yield from _differences(f"{name}.{key}", before.get(key), now.get(key))
    elif before != now:
        yield f"{name} {json.dumps(before)}, not {json.dumps(now)}"


def _read(folder: Folder) -> dict[str, Any]:
    try:
        found = parse_json(decode_text(folder.read(PLAN)))
        number = found["format"]
        if type(number) is not int:
            raise TypeError(f"format is {shown(number)}")
        if number == FORMAT:
            if not isinstance(found["settings"], dict):
                raise TypeError(f"settings is {shown(found['settings'])}")
            for entry in found["files"]:
                values = asdict(Source(**entry))
                if [type(value) for value in values.values()] != [str, int, int]:
                    raise TypeError(f"a file is {shown(entry)}")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder}/{PLAN}: is damaged ({error}); choose another folder") from None
    if number > FORMAT:
        raise ConfigError(
            f"{folder}/{PLAN}: has format {number}, written by a newer pullquote; this one reads "
            f"format {FORMAT}"
        )
    if number < FORMAT:
        raise ConfigError(f"{folder}: was begun by an older pullquote; choose another folder")
    return dict(found)
