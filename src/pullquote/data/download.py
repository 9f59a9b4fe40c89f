"""The official SQuAD 2.0 files: fetched once, resumed when broken off, verified before use.

    paths = download_squad2("data/squad2")

Knows HTTP and checksums, nothing of what the files hold; the standard library is enough.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pullquote.errors import DownloadError
from pullquote.files import cannot_write, open_file
from pullquote.progress import Progress, no_progress

OFFICIAL = "https://rajpurkar.github.io/SQuAD-explorer/dataset/"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file whose content is known before it is fetched."""

    name: str
    size: int  # bytes
    sha256: str


SQUAD2 = (
    RemoteFile(
        "train-v2.0.json",
        42_123_633,
        "68dcfbb971bd3e96d5b46c7177b16c1a4e7d4bdef19fb204502738552dede002",
    ),
    RemoteFile(
        "dev-v2.0.json",
        4_370_528,
        "80a5225e94905956a6446d296ca1093975c4d3b3260f1d6c8f68bc2ab77182d8",
    ),
)


def download_squad2(
    directory: str | os.PathLike[str],
    *,
    base_url: str = OFFICIAL,
    files: Sequence[RemoteFile] = SQUAD2,
    progress: Progress = no_progress,
    timeout: float = 30.0,
) -> list[Path]:
    """Return the paths of the verified files in `directory`, fetching what is not there yet.

    >>> from pullquote.data.download import download_squad2
    >>> train, dev = download_squad2("data/squad2")  # doctest: +SKIP

    What has arrived waits in `NAME.part` for the next call, whether the network, the disk or
    Ctrl-C broke it off. `timeout` is seconds without a byte. Raises `DownloadError`, which says
    what to fetch by hand, and `OutputError` if the directory cannot be written.
    """
    directory, base_url = Path(directory), f"{base_url.rstrip('/')}/"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in files:
            try:
                _fetch(file, directory, base_url, progress, timeout)
            except DownloadError as error:
                raise DownloadError(f"{error}\n{_by_hand(files, directory, base_url)}") from error
    except OSError as error:
        again = ", and run again: what has arrived is kept"
        raise cannot_write(error.filename or directory, error, again) from error
    return [directory / file.name for file in files]


def _fetch(
    file: RemoteFile, directory: Path, base_url: str, progress: Progress, timeout: float
) -> None:
    path, part = directory / file.name, directory / f"{file.name}.part"
    url = base_url + file.name
    if not (why := _mismatch(path, file)):
        return
    if path.exists():
        raise DownloadError(f"{path} is another file: {why}. Move it away and run again.")
    done = part.stat().st_size if part.exists() else 0
    if done >= file.size and _mismatch(part, file):
        part.unlink()
        done = 0
    if done < file.size:
        with _open(url, done, timeout) as response:
            if response.status != 206:  # the whole file, not the rest that was asked for
                done = 0
            if response.length is not None and done + response.length != file.size:
                raise DownloadError(
                    f"{url} has {done + response.length:,} bytes, expected {file.size:,}: "
                    "not the official file, or a log-in page in front of it."
                )
            with open_file(part, "ab" if done else "wb") as out:
                while done < file.size and (chunk := _read(response, file.size - done)):
                    out.write(chunk)
                    done += len(chunk)
                    progress(done, file.size, file.name)
    if done < file.size:
        raise DownloadError(
            f"{file.name} broke off at {done:,} of {file.size:,} bytes. "
            "Run again to go on from there."
        )
    if why := _mismatch(part, file):
        part.unlink()
        raise DownloadError(f"{url} is another file: {why}. It was removed.")
    os.replace(part, path)


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "pullquote", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.urlopen(request, timeout=timeout)
        if not isinstance(response, http.client.HTTPResponse):
            raise ValueError("not an HTTP address")
        return response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # what we have is longer than what is there: start over
            return _open(url, 0, timeout)
        raise DownloadError(f"{url}: HTTP {error.code} {error.reason}.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{url} cannot be reached ({reason}).") from error


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    """Read the next bytes; none at the end, and none when the connection breaks."""
    try:
        return response.read1(min(most, 1 << 16))
    except (OSError, http.client.HTTPException):
        return b""


def _mismatch(path: Path, file: RemoteFile) -> str:
    """Say how the file differs from what is expected; "" if it does not."""
    if not path.exists():
        return "absent"
    if (size := path.stat().st_size) != file.size:
        return f"{size:,} bytes, expected {file.size:,}"
    digest = hashlib.sha256()
    with open_file(path) as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != file.sha256:
        return f"sha256 {digest.hexdigest()}, expected {file.sha256}"
    return ""


def _by_hand(files: Sequence[RemoteFile], directory: Path, base_url: str) -> str:
    lines = [
        f"  {base_url}{file.name}  {file.size:,} bytes  sha256 {file.sha256}"
        for file in files
        if _mismatch(directory / file.name, file)
    ]
    return "\n".join(
        [f"Without a network, fetch by hand, put into {directory} and run again:", *lines]
    )
