"""Responses that tell how much of their texts is read, as lines of JSON; the last is the response.

    {"progress": 0.25}
    {"progress": 0.5}
    {"model": "small", "results": [...]}

Knows ASGI, nothing of questions. A client asks for such a response with the header
`Accept: application/x-ndjson`. It may take as long as the reading goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pullquote.progress import Progress
from pullquote.serving.error_responses import FAILED, ApiError, error_response

MEDIA_TYPE = "application/x-ndjson"
_log = logging.getLogger("pullquote.serving")

INTERVAL = 0.5
"""Seconds until the first line, and between two; what is ready sooner is an ordinary response."""


class Share:
    """The share of some texts that is read. Their lengths are in characters.

    Each text is read by one thread, which calls its `progress`.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self._total = max(sum(lengths), 1)
        self._done = [0] * len(lengths)

    def __call__(self) -> float:
        return min(sum(self._done) / self._total, 1.0)

    def progress(self, number: int) -> Progress:
        """The callback for the text of this number."""

        def progress(done: int, total: int, doing: str) -> None:
            self._done[number] = done

        return progress


def is_wanted(accept: str) -> bool:
    """Whether a client with this `Accept` header reads such responses."""
    return MEDIA_TYPE in accept


async def respond(work: Awaitable[Response], share: Callable[[], float], most: float) -> Response:
    """The response of `work`, or one of lines if it takes longer than `INTERVAL`.

    `most` is how many seconds may pass without progress. Raises what `work` raises in time.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=INTERVAL)
        if task.done():
            return task.result()
    except BaseException:
        task.cancel()
        raise
    return _Lines(task, share, most)


class _Lines(Response):
    media_type = MEDIA_TYPE

    def __init__(
        self, task: asyncio.Future[Response], share: Callable[[], float], most: float
    ) -> None:
        super().__init__()
        del self.headers["content-length"]  # unknown yet
        self._task, self._share, self._most = task, share, most
        unsent = weakref.finalize(self, task.cancel)  # a response that is never sent ends its work
        unsent.atexit = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def say(line: bytes, *, is_last: bool = False) -> None:
            body = line + b"\n"
            await send({"type": "http.response.body", "body": body, "more_body": not is_last})

        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            told, told_at = -1.0, time.monotonic()
            while not self._task.done():
                if (share := self._share()) > told:
                    told, told_at = share, time.monotonic()
                    await say(json.dumps({"progress": round(share, 4)}).encode())
                elif time.monotonic() - told_at > self._most:
                    break
                await asyncio.wait([self._task], timeout=INTERVAL)
            await say(bytes(self._result().body), is_last=True)
        finally:
            self._task.cancel()

    def _result(self) -> Response:
        """The response that is ready, or an error in its place."""
        if not self._task.done():
            return error_response(504, f"nothing was read for {self._most:g} seconds")
        try:
            return self._task.result()
        except ApiError as error:
            return error_response(error.status, error.error)
        except Exception:  # noqa: BLE001  # logged; the response has begun, and needs its last line
            _log.exception("a response failed after its first line")
            return error_response(500, FAILED)
