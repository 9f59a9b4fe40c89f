"""A server of OpenSearch (extra `opensearch`): where it is, how long it may take, plain errors.

    server = Server.from_environment()               # OPENSEARCH_URL=https://ann:secret@es.lan:9200
    server.call(lambda client: client.search(index="notes", body=query))
    server.call(lambda client: client.bulk(body=lines), patient=True)

Knows requests, neither words nor tables. The server is named by the environment alone: a file from
elsewhere cannot send a user's password to another one. What passes by itself (a dropped connection,
429 and its like, a timeout) is tried again after a while, so a request must be one that may arrive
twice. No answer is larger than `MOST` bytes, and every error leaves as one of pullquote's errors,
none of which shows a password.
"""

from __future__ import annotations

import base64
import os
import random
import ssl
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from pullquote.errors import (
    IndexFileError,
    IndexUnreachableError,
    InputError,
    MissingExtraError,
    OutputError,
    PullquoteError,
    first_line,
    shown,
)

VARIABLE = "OPENSEARCH_URL"
MOST = 1 << 25
"""Bytes of an answer, unpacked."""

_FORM = "https://USER:PASSWORD@HOST:PORT, or http:// within a network that you trust"
_SECONDS = 30.0  # for one request, between two bytes
_WAIT = 0.1  # before it is sent again; then twice as long, and so on
_LONG, _SHORT = 30.0, 0.5  # seconds after which it is not
_PASSING = {429, 502, 503, 504}
_T = TypeVar("_T")


class UnexpectedAnswerError(Exception):
    """The server said what OpenSearch does not say; `Server.call` makes it an error of ours."""


# what is raised where an answer lacks a key, or has a list in place of a number
_SHAPES = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


_UNEXPECTED = (UnexpectedAnswerError, UnicodeDecodeError)  # while an answer is read


class Server:
    """A server that has answered."""

    def __init__(self, url: str) -> None:
        """Raises `InputError` for what is no URL, `IndexUnreachableError` without an answer."""
        library, parts = _library(), _split(url)
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        headers = {}
        if parts.username:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
        encrypted = parts.scheme == "https"
        # the certificates that Python trusts, and those of SSL_CERT_FILE
        options = {"ssl_context": ssl.create_default_context()} if encrypted else {}
        self._client = library.OpenSearch(
            [{"host": parts.hostname, "port": parts.port or 9200, "use_ssl": encrypted}],
            url_prefix=parts.path.strip("/"),
            headers=headers,
            timeout=_SECONDS,
            max_retries=0,  # `call` tries again, and waits before
            **options,
        )
        connection = self._client.transport.get_connection()
        connection.pool = _BoundedPool(connection.pool)
        self.k1_factor = self.call(_k1_factor)
        """What makes BM25 of the server's scores."""

    @classmethod
    def from_environment(cls) -> Server:
        """The server that `OPENSEARCH_URL` names. Raises `InputError` if it names none."""
        _library()
        if not (url := os.environ.get(VARIABLE)):
            raise InputError(
                f"{VARIABLE} is not set; expected the URL of a server of OpenSearch: {_FORM}"
            )
        return cls(url)

    def call(self, request: Callable[[Any], _T], *, patient: bool = False) -> _T:
        """What a request returns, a function of opensearch-py's client; it also checks the answer.

        With `patient`, it is tried for half a minute, else for half a second. What it raises for an
        answer of another shape is an `IndexFileError`.
        """
        library = _library()
        until = time.monotonic() + (_LONG if patient else _SHORT)
        wait = _WAIT
        while True:
            try:
                return request(self._client)
            except library.TransportError as error:
                if not _may_pass(error) or time.monotonic() + wait > until:
                    raise self._in_our_words(error) from None
            except (UnexpectedAnswerError, library.SerializationError, *_SHAPES) as error:
                raise self._unexpected(error) from None
            time.sleep(wait * random.uniform(0.5, 1.0))  # not all at once
            wait *= 2

    def busy(self) -> Exception:
        """What a request raises of which the server did only a part: `call` tries it again."""
        error: Exception = _library().TransportError(429, "it did only a part", None)
        return error

    def _in_our_words(self, error: Any) -> PullquoteError:
        if isinstance(error.info, _UNEXPECTED):
            return self._unexpected(error.info)
        status = error.status_code
        if not isinstance(status, int):  # there was no answer
            said = first_line(error.info) if isinstance(error.info, Exception) else shown(status)
        else:
            said = f"{status} {shown(error.error)}"
        if status == 404:
            return IndexFileError(
                f"{self.shown}: the words of this index are not there; pullquote index -o INDEX "
                "puts them there"
            )
        if status == 403:
            return OutputError(
                f"{self.shown}: refused ({said}); expected a user who may read and write the "
                "indexes pullquote-*, and a server that has space"
            )
        if status == 401 or _may_pass(error) or not isinstance(status, int):
            return IndexUnreachableError(
                f"{self.shown}: the server cannot be reached, is busy or does not let this user in "
                f"({said}); see that it runs, and {VARIABLE}, and try again: what was committed "
                "stays"
            )
        return IndexFileError(f"{self.shown}: the server failed ({said}); see its log")

    def _unexpected(self, error: Exception) -> IndexFileError:
        return IndexFileError(
            f"{self.shown}: answered what OpenSearch does not ({first_line(error)}); see that "
            f"{VARIABLE} names a server of OpenSearch or Elasticsearch"
        )

    def close(self) -> None:
        self._client.close()


class _BoundedPool:
    """urllib3's connections to a server, of which each answer is read up to `MOST` bytes."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def urlopen(self, *arguments: Any, **options: Any) -> SimpleNamespace:
        response = self._pool.urlopen(*arguments, **options, preload_content=False)
        try:
            data = response.read(MOST + 1)
        except BaseException:
            response.close()
            raise
        if len(data) > MOST:
            response.close()
            raise UnexpectedAnswerError(f"more than {MOST:,} bytes")
        response.release_conn()
        response.headers.discard("warning")  # else opensearch-py prints what the server says
        return SimpleNamespace(data=data, status=response.status, headers=response.headers)

    def close(self) -> None:
        self._pool.close()


def _may_pass(error: Any) -> bool:
    """Whether a request may succeed if it is sent again."""
    library = _library()
    if isinstance(error, library.ConnectionError):
        return not isinstance(error, library.SSLError) and not isinstance(error.info, _UNEXPECTED)
    return error.status_code in _PASSING


def _k1_factor(client: Any) -> float:
    """The factor k1 + 1 of BM25 where scores lack it: from OpenSearch 3 on."""
    version = client.info(ignore=404)["version"]
    major = int(version["number"].partition(".")[0])
    return 2.2 if version.get("distribution") == "opensearch" and major > 2 else 1.0


def _split(url: str) -> SplitResult:
    """The parts of a server's URL. Raises `InputError`, and shows nothing of what it refuses."""
    try:
        parts = urlsplit(url)
        is_one = bool(parts.hostname) and parts.port != 0 and parts.scheme in ("http", "https")
    except ValueError:  # such as a port that is no number, after which a password may go on
        is_one = False
    if not is_one or parts.query or parts.fragment or "@" in parts.path:
        raise InputError(
            f"{VARIABLE} is not the URL of a server; expected {_FORM}; in a password, write %2F "
            "for /, %40 for @, %3F for ?, %23 for # and %25 for %"
        )
    return parts


def _library() -> Any:
    try:
        import opensearchpy
    except ImportError:
        raise MissingExtraError("opensearch-py", "opensearch") from None
    return opensearchpy
