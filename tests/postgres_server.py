"""A PostgreSQL server of its own for tests, which can be killed, and a proxy that cuts connections.

with PostgresServer() as server:
    Index.create(server.url("notes"))
    server.kill()                     # as kill -9 does, all its processes
    server.start()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest


def programs() -> Path | None:
    """The folder with initdb and pg_ctl; None where there is no PostgreSQL."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda path: int(path.parent.name),
        default=None,
    )


def free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


class PostgresServer:
    """A cluster in a temporary folder. The superuser is postgres; nobody needs a password."""

    def __init__(self) -> None:
        pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
        folder = programs()
        if folder is None:
            pytest.skip("no server of PostgreSQL here (Debian: apt-get install postgresql)")
        self._programs = folder
        # it refuses to run as root
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.port = free_port()

    def __enter__(self) -> PostgresServer:
        self._top = Path(tempfile.mkdtemp(prefix="pullquote-postgres-"))
        if self._as:
            shutil.chown(self._top, "postgres")
        self.data = self._top / "data"
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
        self.run("initdb", "--pgdata", self.data, "--no-sync", *options)
        self.start()
        self.sql("CREATE DATABASE library")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("pg_ctl", "stop", "--pgdata", self.data, "--mode", "immediate")
        shutil.rmtree(self._top, ignore_errors=True)

    def run(self, program: str, *arguments: object) -> None:
        """Run one of PostgreSQL's programs as the user that the server runs as."""
        command = [*self._as, self._programs / program, *arguments]
        log = self._top / "commands.log"
        with open(log, "ab") as output:  # no pipe, which the server would keep open
            subprocess.run(
                list(map(str, command)), check=True, stdout=output, stderr=output, cwd="/"
            )

    def start(self) -> None:
        # without fsync: the machine does not crash, only the server
        options = f"-p {self.port} -k {self._top} -c listen_addresses=127.0.0.1 -c fsync=off"
        where = ("--pgdata", self.data, "--log", self.data / "log")
        self.run("pg_ctl", "start", "--wait", *where, "--options", options)

    def kill(self) -> None:
        """End all processes of the server at once, as when they run out of memory."""
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while any(Path(f"/proc/{process}").exists() for process in (main, *children)):
            time.sleep(0.01)

    def url(self, index: str, *, user: str = "postgres", port: int | None = None) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/library/{index}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(
            f"postgresql://postgres@127.0.0.1:{self.port}/{database}", autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class Proxy:
    """Stands between a client and a server, and cuts what goes through when told to."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = []
        self.cut_after: int | None = None
        """Cut all after so many bytes from here on, of both directions."""
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        cut, self._open = self._open, []
        for one in cut:
            _end(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.cut_after is not None:
                    self.cut_after -= len(data)
                    if self.cut_after < 0:
                        self.cut_after = None
                        self.cut()
                        return
                target.sendall(data)
        for one in (source, target):
            _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
