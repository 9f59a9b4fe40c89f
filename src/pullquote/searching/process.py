"""A process of this Python that answers lines of JSON, within limits of time and memory.

    process = Process("from pullquote.searching.worker import main; main()")
    process.ask({"path": ...}, seconds=30)     # None where it has ended

Both ends are here: `Process` for the one that asks; `requests` and `limit` for the one that
answers. Nothing that is received is run, on either side.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import IO, Any

# Windows has none; there, the process that asks watches the time.
resource: Any = importlib.import_module("resource") if os.name == "posix" else None

PATIENCE = 10 if os.name == "posix" else 1
"""How many times as long a process may be silent: it waits for the processor and the disk. Where
the system limits no processor time, that is the limit."""


_begun: weakref.WeakSet[Process] = weakref.WeakSet()


def can_start() -> bool:
    """Whether Python can start itself again: a program that was frozen cannot."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


class Process:
    """A process that runs a program, as seen by the one that asks it."""

    def __init__(self, program: str) -> None:
        program = f"import sys; sys.path[:] = {sys.path!a}; {program}"
        self.is_late = False
        self.is_ours = True
        """Whether this process began it, and not the one from which this one was forked."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        _begun.add(self)

    def send(self, request: dict[str, Any]) -> None:
        """Send a request; that the process has ended is what `receive` tells."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(_line(request).encode("ascii"))
            self.process.stdin.flush()

    def receive(self) -> dict[str, Any] | None:
        """The next answer; None where the process has ended."""
        assert self.process.stdout is not None
        try:
            answer = json.loads(self.process.stdout.readline())
        except ValueError:  # nothing at its end, or half a line
            return None
        return answer if isinstance(answer, dict) else None

    def ask(self, request: dict[str, Any], seconds: int) -> dict[str, Any] | None:
        """The answer to a request that may take so many seconds of processor time, or None."""
        late = threading.Timer(PATIENCE * seconds, self.stop)
        late.daemon = True
        late.start()
        try:
            self.send(request)
            return self.receive()
        finally:
            late.cancel()

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """End the process since its answer is late."""
        self.is_late = True
        self.process.kill()

    def end(self) -> None:
        """End the process, and wait for that."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what it was still to be told is lost
                pipe.close()  # type: ignore[union-attr]
        self.process.wait()

    def let_go(self) -> None:
        """Leave the process to the one from which this one was forked, which it answers.

        It ends with the last of those that hold its pipes. They are not closed, which may wait for
        what a thread did at the fork.
        """
        self.is_ours = False
        self.process.returncode = 0  # not to be ended from here, nor waited for
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe and not pipe.closed:
                os.dup2(nothing, pipe.fileno(), inheritable=False)
        os.close(nothing)

    def was_killed(self) -> bool:
        """Whether someone else ended it: a system whose memory is full, or a person."""
        return not self.is_late and -self.process.wait() == getattr(signal, "SIGKILL", None)

    def how_it_ended(self, seconds: int) -> str:
        """How a process ended that had so many seconds of processor time: "crashed (SIGABRT)"."""
        code = -self.process.wait()
        if self.is_late:
            return f"was stopped: it did not go on for {PATIENCE * seconds:,} s"
        if code == getattr(signal, "SIGXCPU", None):
            return f"was stopped: more than {seconds:,} s of processor time"
        with contextlib.suppress(ValueError):
            return f"crashed ({signal.Signals(code).name})"
        return f"ended (exit code {-code})"


def _let_all_go() -> None:
    for process in [*_begun]:
        process.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_all_go)


def requests() -> tuple[Iterator[dict[str, Any]], Callable[[dict[str, Any]], None]]:
    """The requests to this process until there are no more, and what answers them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, which ends this
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints is no answer
    return map(json.loads, sys.stdin), lambda answer: _write(answers, answer)


def limit(seconds: int, memory: int) -> None:
    """Limit this process from now on, where the platform can."""
    if resource is None:
        return
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)
    _set(resource.RLIMIT_AS, _address_space() + memory)


def _set(limit: int, value: int) -> None:
    """Set a limit, or leave it as low as it is."""
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, hard))


def _address_space() -> int:
    """How many bytes this process has mapped; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * int(resource.getpagesize())
    except OSError:
        return 0


def most_memory() -> int:
    """The most bytes that this process has held; 0 where the system does not say.

    Not `ru_maxrss`, which on Linux begins with what the process that started this one held.
    """
    try:
        with open("/proc/self/status") as file:
            held = next(line for line in file if line.startswith("VmHWM:"))
        return int(held.split()[1]) << 10
    except (OSError, StopIteration):
        return 0


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _write(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(_line(answer))
    answers.flush()
