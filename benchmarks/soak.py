"""Half an hour of mixed load under a memory cap, every other half minute with hostile requests.

    python benchmarks/soak.py --minutes 30

Clients ask short and long texts, lists, Hugging Face's way, documents and the page; some requests
are bad. Every answer is compared with that of the library. In every other phase of 30 seconds a
share of `--hostile` of the requests is drawn from all classes of `hostile.py`, so that outside load
is the same for both kinds of phases. The server may have `--cap` megabytes of data (RLIMIT_DATA:
what it allocates, not what it maps). It passes, with exit code 0, if

- no answer is wrong, and no good or bad request has another status than it should;
- 99 % of good requests beside hostile ones take at most twice as long as without;
- the server's memory is at the end within 10 % of what it was after the first minute, and in the
  last third within 5 % of the middle one.
"""

import argparse
import datetime
import json
import random
import re
import resource
import shlex
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

import psutil
from hostile import CLASSES, LEGAL
from machine import machine

from pullquote import Index, Reader, Searcher, pipeline
from pullquote.files import write_json

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
TEXT = (EXAMPLES / "lighthouse.txt").read_text(encoding="utf-8")
QUESTIONS = ("Who built the first lighthouse?", "When was it lit?", "How much did it cost?")
ABOUT_DOCUMENTS = ("Who repairs the sluice gate?", "How much is the rent?", "Who is the king?")
ALL = "all"
PHASE, SETTLING = 30.0, 5.0  # seconds; those in which a phase begins are not measured
SLOWER = 2.0  # what hostile requests may do to the others
LARGER, GROWN = 1.1, 1.05  # what time may do to memory: since the first minute, since the middle


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and what should come of it."""

    path: str
    body: object = None
    """None for GET."""
    status: int = 200
    answers: tuple[str | None, ...] = ()
    """The text of each answer; empty where there is none to compare."""


@dataclass
class Load:
    """What clients do, and what they have seen."""

    port: int
    requests: dict[str, tuple[int, list[Request]]]
    """How often each kind is sent, and the requests to choose from."""
    hostile: float
    begun: float = field(default_factory=time.monotonic)
    seen: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: dict[tuple[str, bool], list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of good requests, by their kind and whether hostile ones were sent beside them."""

    def client(self, seed: int, over: float, attackers: ThreadPoolExecutor) -> None:
        """Ask one thing after the other until the time is over."""
        rng = random.Random(seed)
        names, weights = list(self.requests), [weight for weight, _ in self.requests.values()]
        while (now := time.monotonic()) < over:
            number, since = divmod(now - self.begun, PHASE)
            beside = number % 2 == 0
            if beside and rng.random() < 2 * self.hostile:  # in half of the time
                attackers.submit(self.attack, rng.choice(list(CLASSES)), rng.random())
            kind = rng.choices(names, weights)[0]
            request = rng.choice(self.requests[kind][1])
            status = self.good(kind, request)
            if status == request.status == 200 and since > SETTLING:
                for name in (kind, ALL):
                    self.seconds[name, beside].append(time.monotonic() - now)

    def good(self, kind: str, request: Request) -> int:
        """Send a request, and check what comes; returns the status."""
        self.seen[kind] += 1
        try:
            status, body = fetch(self.port, request)
        except (OSError, HTTPException) as error:
            self.wrong.append(f"{kind}: {type(error).__name__}: {error}")
            return 0
        self.statuses[status] += 1
        if status != request.status:
            self.wrong.append(f"{kind}: status {status}, expected {request.status}: {body[:200]!r}")
        elif status == 200 and request.answers and (got := answers(body)) != request.answers:
            self.wrong.append(f"{kind}: {got}, expected {request.answers}")
        return status

    def attack(self, name: str, seed: float) -> None:
        """Send what a hostile client sends."""
        kind = f"hostile: {name}"
        self.seen[kind] += 1
        try:
            statuses = CLASSES[name](self.port, random.Random(seed))
        except OSError as error:
            self.wrong.append(f"{kind}: {type(error).__name__}: {error}")
            return
        self.statuses.update(statuses)
        if illegal := set(statuses) - LEGAL:
            self.wrong.append(f"{kind}: statuses {sorted(illegal)}")


def main() -> None:
    """Run the load, watch the server, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--cap", type=int, default=768, help="MiB of data the server may have")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--hostile", type=float, default=0.01, help="share of hostile requests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    memory: list[float] = []
    about = machine()  # before there is any load
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "mill.db"
        requests = good_requests(arguments.model, index, random.Random(arguments.seed))
        with serving(arguments.model, index, arguments.cap) as (server, port):
            load = Load(port, requests, arguments.hostile)
            over = load.begun + 60 * arguments.minutes
            with ThreadPoolExecutor(32) as attackers:
                clients = [
                    threading.Thread(
                        target=load.client, args=(arguments.seed + number, over, attackers)
                    )
                    for number in range(arguments.clients)
                ]
                for thread in clients:
                    thread.start()
                while time.monotonic() < over and server.poll() is None:
                    memory.append(resident(server.pid))
                    time.sleep(1)
                for thread in clients:
                    thread.join()
            alive = server.poll() is None
            server.send_signal(signal.SIGTERM)
            code = server.wait(60)
    first, last = median(memory[50:70] or memory), median(memory[-60:])
    third = max(1, len(memory) // 3)
    middle, end = median(memory[third : 2 * third] or memory), median(memory[-third:])
    times = {
        kind: summary(load.seconds[kind, False], load.seconds[kind, True])
        for kind in (ALL, *requests)
    }
    ratio = times[ALL]["ratio"]
    failures = [
        *([f"{len(load.wrong):,} wrong"] if load.wrong else []),
        *([] if alive and not code else [f"the server ended with {code}"]),
        *([f"99 % of requests took {ratio:.2f} x as long"] if ratio > SLOWER else []),
        *([f"{last:.0f} MiB, {first:.0f} after a minute"] if last > LARGER * first else []),
        *([f"{end:.0f} MiB at last, {middle:.0f} in the middle"] if end > GROWN * middle else []),
    ]
    result = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "machine": about,
        "minutes": arguments.minutes,
        "requests": dict(sorted(load.seen.items())),
        "statuses": dict(sorted(load.statuses.items())),
        "wrong": load.wrong[:20],
        "failures": failures,
        "rss_mib": {"after a minute": first, "at the end": last, "most": max(memory)},
        "ms": times,
        "cap_mib": arguments.cap,
    }
    write_json(arguments.out / f"{result['date'][:10]}-soak-{arguments.model}.json", result)
    hostile = sum(count for kind, count in load.seen.items() if kind.startswith("hostile"))
    every, short = times[ALL], times["short"]
    print(
        f"{sum(load.seen.values()):,} requests in {arguments.minutes:g} minutes, {hostile:,} of "
        f"them hostile; {len(load.wrong)} wrong, {load.statuses[503]} x 503; 99 % of good requests "
        f"took at most {every['p99 beside']:.0f} ms beside hostile ones and {every['p99']:.0f} ms "
        f"without ({ratio:.2f} x), of short questions {short['p99 beside']:.0f} and "
        f"{short['p99']:.0f} ms; resident memory {first:.0f} MiB after a minute, {last:.0f} at the "
        f"end, at most {max(memory):.0f}, with {arguments.cap} MiB of data allowed. "
        f"`{result['command']}`, seed {arguments.seed}: {'; '.join(failures) or 'passed'}"
    )
    for one in load.wrong[:20]:
        print(one, file=sys.stderr)
    sys.exit(bool(failures))


def good_requests(
    model: str, index: Path, rng: random.Random
) -> dict[str, tuple[int, list[Request]]]:
    """Requests of every kind, with the library's own answers; makes the index."""
    reader, asks_one = Reader(model), pipeline("question-answering", model)

    def answer(questions: tuple[str, ...], *contexts: str) -> Request:
        pairs = [(question, context) for question in questions for context in contexts]
        texts = tuple(reader.answer(*pair).text or None for pair in pairs)
        return Request("/v1/answer", {"question": questions, "context": contexts}, 200, texts)

    def as_pipeline(question: str) -> Request:
        inputs = {"question": question, "context": TEXT}
        return Request("/", {"inputs": inputs}, 200, (asks_one(**inputs)["answer"],))

    def shuffled() -> str:
        words = TEXT.split()
        rng.shuffle(words)
        return " ".join(words)

    with Index.create(index) as filled:
        filled.add([EXAMPLES / "mill"])
    with Index.open(index, private=True) as opened:
        searcher = Searcher(reader, opened)
        about_documents = []
        for question in ABOUT_DOCUMENTS:
            hits = searcher.ask(question)
            texts = (hits[0].text if hits else None,)
            about_documents.append(Request("/v1/ask", {"question": question}, 200, texts))
    bad = [Request("/v1/answer", body, 422) for body in ([], {"question": ""}, "x", {"x": 1})]
    too_long = {"question": QUESTIONS[0], "context": TEXT * 250}
    too_large = {"question": QUESTIONS[0], "context": TEXT * 4000}
    return {
        "short": (60, [answer((question,), TEXT) for question in QUESTIONS]),
        "pipeline": (10, [as_pipeline(question) for question in QUESTIONS]),
        "list": (8, [answer(QUESTIONS, *[TEXT] * 4)]),
        "long": (3, [answer(QUESTIONS[:1], TEXT * rng.randrange(20, 150)) for _ in range(5)]),
        # more than the server keeps the tokens of
        "unlike any other": (10, [answer(QUESTIONS[:1], shuffled()) for _ in range(200)]),
        "documents": (5, about_documents),
        "bad": (8, bad),
        "too long": (1, [Request("/v1/answer", too_long, 413)]),
        "too large": (1, [Request("/v1/answer", too_large, 413)]),
        "page": (4, [Request(path) for path in ("/", "/page.js", "/metrics")]),
        "health": (4, [Request("/healthz")]),
    }


@contextmanager
def serving(model: str, index: Path, cap: int) -> Iterator[tuple[subprocess.Popen, int]]:
    """Run `pullquote serve` under the cap; the process and its port."""
    program = Path(sysconfig.get_path("scripts"), "pullquote")
    process = subprocess.Popen(
        [program, "serve", model, "--index", index, "--port", "0", "--max-seconds", "60"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (cap * 2**20,) * 2),
    )
    try:
        yield process, int(re.search(r":(\d+) ", process.stdout.readline())[1])
    finally:
        process.kill()
        process.wait()


def resident(pid: int) -> float:
    """MiB in memory of a process and of those that it started."""
    server = psutil.Process(pid)
    total = 0
    for process in (server, *server.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # it has ended meanwhile
            continue
    return total / 2**20


def summary(quiet: list[float], beside: list[float]) -> dict[str, float]:
    """Milliseconds of good requests without hostile ones and beside them."""
    figures: dict[str, float] = {"requests": len(quiet), "requests beside": len(beside)}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        figures[name] = quantile(quiet, share)
        figures[f"{name} beside"] = quantile(beside, share)
    figures["ratio"] = figures["p99 beside"] / max(figures["p99"], 1e-9)
    return figures


def quantile(seconds: list[float], share: float) -> float:
    """A quantile in milliseconds."""
    return 1000 * sorted(seconds or [0.0])[int(share * max(len(seconds) - 1, 0))]


def answers(body: bytes) -> tuple[str | None, ...]:
    """The texts of the answers in a response, of any of the paths."""
    response = json.loads(body)
    found = [one["answer"] for one in response.get("results", [response])]
    return tuple(one["text"] if isinstance(one, dict) else one for one in found)


def fetch(port: int, request: Request) -> tuple[int, bytes]:
    """Return the status and the body of a response that has come whole."""
    connection = HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        if request.body is None:
            connection.request("GET", request.path)
        else:
            headers = {"content-type": "application/json"}
            connection.request("POST", request.path, json.dumps(request.body), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
