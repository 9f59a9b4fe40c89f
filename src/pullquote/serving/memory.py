"""What open requests take: bytes of memory, bounded for each and for all together, and time.

Knows numbers and texts. A request holds its body and the quotes that were found for it, until it
has its response. Worker threads add quotes before a response is built of them.

    memory = Memory(128 * 2**20)
    deadline = time.monotonic() + 30
    with memory.account(len(body), deadline) as account:         # raises MemoryFullError
        account.take_quotes([answer.text for answer in answers]) # raises InputError, too
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterable, Iterator

from pullquote.errors import InputError, PullquoteError
from pullquote.serving.workers import AbandonedError

MAX_QUOTED_BYTES = 4 * 2**20
"""UTF-8 bytes of all quotes of a request, with `QUOTE_BYTES` for each. Quotes are short, unless a
text has words without end: a word of over a hundred characters is one unknown token."""

QUOTE_BYTES = 100
"""About what the numbers of a quote take in JSON."""


class MemoryFullError(PullquoteError):
    """Requests hold all the memory that they may; the client should try again later."""


class Memory:
    """`most` is in bytes. Several threads may use it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes, of all open requests."""
        return self._held

    @contextlib.contextmanager
    def account(self, body: int, deadline: float = math.inf) -> Iterator[Account]:
        """The account of one request, which holds its body of so many bytes, for the block.

        `deadline` is when it must be answered, in seconds of `time.monotonic`.
        """
        account = Account(self, deadline)
        account.take(body)
        try:
            yield account
        finally:
            with self._lock:
                self._held -= account.held
                account.is_closed = True

    def take(self, account: Account, count: int) -> None:
        """Add to an account. Raises `MemoryFullError`; `AbandonedError` once it is closed."""
        with self._lock:
            if account.is_closed:
                raise AbandonedError
            # one request is accepted whatever it holds
            if self._held + count > self._most and self._held > account.held:
                raise MemoryFullError(
                    f"open requests hold {self._held:,} bytes, of at most {self._most:,}; come "
                    "again in a moment"
                )
            self._held += count
            account.held += count


class Account:
    """The bytes that one request holds, and its deadline."""

    def __init__(self, memory: Memory, deadline: float) -> None:
        self.deadline = deadline
        self._memory = memory
        self._quoted = 0
        self.held = 0
        self.is_closed = False

    def take(self, count: int) -> None:
        """Add so many bytes. Raises `MemoryFullError`."""
        self._memory.take(self, count)

    def take_quotes(self, quotes: Iterable[str]) -> None:
        """Add quotes. Raises `InputError` when those of this request are too much."""
        count = sum(QUOTE_BYTES + utf8_length(quote) for quote in quotes)
        self.take(count)
        self._quoted += count
        if self._quoted > MAX_QUOTED_BYTES:
            raise InputError(
                f"the quotes have over {MAX_QUOTED_BYTES:,} bytes, the most that a response holds; "
                "lower top_k, or ask fewer questions at once"
            )


def utf8_length(text: str) -> int:
    """The number of bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
