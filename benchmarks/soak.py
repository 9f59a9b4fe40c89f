"""Mixed load for half an hour under a memory cap: no error, no growth.

    python benchmarks/soak.py --minutes 30

Clients ask short and long texts, lists, Hugging Face's way and the page; some requests are bad,
some are bytes of any kind, and some clients leave before their answer. A share of `--hostile` is
drawn from all classes of `hostile.py`; run it with 0 to see what they cost the others. The server
may have `--cap` megabytes of data (RLIMIT_DATA: what it allocates, not what it maps); its memory is
measured throughout. Ends with exit code 1 when a good request failed, a bad one got another status
than it should, or memory grew by more than 5 % from the middle third to the last one (the first
warms up), or by more than 10 % since the first minute.
"""

import argparse
import datetime
import json
import random
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

import psutil
from hostile import CLASSES, LEGAL
from machine import machine

from pullquote.files import write_json

HERE = Path(__file__).parent
_ENDED = "clients that came to the end"
TEXT = (HERE.parent / "examples" / "lighthouse.txt").read_text(encoding="utf-8")
QUESTIONS = ("Who built the first lighthouse?", "When was it lit?", "How much did it cost?")


def main() -> None:
    """Run the load, watch the server, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--cap", type=int, default=768, help="MiB of data the server may have")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--hostile", type=float, default=0.01, help="share of hostile requests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    process, port = start(arguments.model, arguments.cap)
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    seconds: dict[str, list[float]] = defaultdict(list)  # of good requests
    memory: list[float] = []
    over = time.monotonic() + 60 * arguments.minutes
    clients = [
        threading.Thread(
            target=client,
            args=(port, arguments.seed + n, over, arguments.hostile, seen, wrong, seconds),
        )
        for n in range(arguments.clients)
    ]
    for thread in clients:
        thread.start()
    watched = psutil.Process(process.pid)
    while time.monotonic() < over and process.poll() is None:
        memory.append(watched.memory_info().rss / 2**20)
        time.sleep(1)
    alive = process.poll() is None
    for thread in clients:
        thread.join()
    alive = alive and seen.pop(_ENDED, 0) == len(clients)
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    third = max(1, len(memory) // 3)
    begun, ended = median(memory[third : 2 * third]), median(memory[-third:])
    first = median(memory[min(60, third) : min(60, third) + 10])
    times = {
        kind: {"p50": ms(taken, 0.5), "p99": ms(taken, 0.99)} for kind, taken in seconds.items()
    }
    result = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "machine": machine(),
        "minutes": arguments.minutes,
        "requests": dict(sorted(seen.items())),
        "wrong": wrong[:20],
        "alive": alive,
        "exit_code": code,
        "rss_mib": {
            "after a minute": first,
            "middle third": begun,
            "last third": ended,
            "most": max(memory),
        },
        "ms": times,
        "cap_mib": arguments.cap,
    }
    write_json(arguments.out / f"{result['date'][:10]}-soak-{arguments.model}.json", result)
    print(
        f"{sum(seen.values()):,} requests in {arguments.minutes:g} minutes "
        f"({', '.join(f'{n:,} {kind}' for kind, n in sorted(seen.items()))}); {len(wrong)} wrong; "
        f"short questions took {times['short']['p50']:.0f} ms (median) and "
        f"{times['short']['p99']:.0f} ms (99th percentile), {arguments.hostile:.0%} of requests "
        f"hostile; resident memory {first:.0f} MiB after a minute, {begun:.0f} in the middle "
        f"third, {ended:.0f} in the last, at most "
        f"{max(memory):.0f}, with {arguments.cap} MiB of data allowed; exit code {code}. "
        f"`{result['command']}`, seed {arguments.seed}"
    )
    for one in wrong[:20]:
        print(one, file=sys.stderr)
    if wrong or not alive or code or ended > min(1.05 * begun, 1.1 * first):
        sys.exit(1)


def start(model: str, cap: int) -> tuple[subprocess.Popen, int]:
    """Run `pullquote serve` under the cap; the process and its port."""
    program = Path(sysconfig.get_path("scripts"), "pullquote")
    process = subprocess.Popen(
        [program, "serve", model, "--port", "0", "--max-seconds", "60"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (cap * 2**20,) * 2),
    )
    return process, int(re.search(r":(\d+) ", process.stdout.readline())[1])


def ms(seconds: list[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    return 1000 * sorted(seconds)[int(share * (len(seconds) - 1))]


def client(
    port: int,
    seed: int,
    over: float,
    hostile: float,
    seen: Counter,
    wrong: list[str],
    seconds: dict[str, list[float]],
) -> None:
    """Ask one thing after the other until the time is over."""
    rng = random.Random(seed)
    kinds = {
        "short": (60, lambda: ("/v1/answer", one(rng, TEXT), 200)),
        "pipeline": (10, lambda: ("/", {"inputs": one(rng, TEXT)}, 200)),
        "list": (8, lambda: ("/v1/answer", {"question": QUESTIONS, "context": [TEXT] * 4}, 200)),
        "long": (3, lambda: ("/v1/answer", one(rng, TEXT * rng.randrange(20, 150)), 200)),
        "unlike any other": (10, lambda: ("/v1/answer", one(rng, shuffled(rng)), 200)),
        "bad": (8, lambda: ("/v1/answer", rng.choice(([], {"question": ""}, "x", None)), 422)),
        "too long": (1, lambda: ("/v1/answer", one(rng, TEXT * 250), 413)),
        "too large": (1, lambda: ("/v1/answer", one(rng, TEXT * 4000), 413)),
        "page": (4, lambda: (rng.choice(("/", "/page.js", "/metrics", "/healthz")), ..., 200)),
        "noise": (4, None),
        "leaving": (4, None),
    }
    names, weights = list(kinds), [weight for weight, _ in kinds.values()]
    while time.monotonic() < over:
        kind = rng.choices(names, weights)[0]
        if rng.random() < hostile:
            kind = f"hostile: {rng.choice(list(CLASSES))}"
        begun = time.monotonic()
        try:
            if kind.startswith("hostile"):
                statuses = CLASSES[kind.partition(": ")[2]](port, rng)
                if illegal := set(statuses) - LEGAL:
                    wrong.append(f"{kind}: statuses {sorted(illegal)}")
            elif kind == "noise":
                speak(port, rng.randbytes(rng.randrange(1, 4000)), 0.2)
            elif kind == "leaving":
                body = json.dumps(one(rng, TEXT * 100)).encode()
                head = b"POST /v1/answer HTTP/1.1\r\nhost: localhost\r\n"
                head += b"content-type: application/json\r\n"
                data = head + b"content-length: %d\r\n\r\n" % len(body) + body
                speak(port, data[: rng.choice((len(data), len(data) // 2))], 0.05)
            else:
                path, body, expected = kinds[kind][1]()
                status = fetch(port, path, body)
                if status != expected:
                    wrong.append(f"{kind}: status {status}, expected {expected}")
                elif status == 200:
                    seconds[kind].append(time.monotonic() - begun)
        except (OSError, HTTPException) as error:
            wrong.append(f"{kind}: {type(error).__name__}: {error}")
        seen[kind] += 1
    seen[_ENDED] += 1


def one(rng: random.Random, text: str) -> dict[str, str]:
    """Return a question and its text."""
    return {"question": rng.choice(QUESTIONS), "context": text}


def shuffled(rng: random.Random) -> str:
    """Return a text that is in no cache."""
    words = TEXT.split()
    rng.shuffle(words)
    return " ".join(words)


def fetch(port: int, path: str, body: object) -> int:
    """Return the status of an answer that has come whole; `...` stands for GET."""
    connection = HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        if body is ...:
            connection.request("GET", path)
        else:
            headers = {"content-type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def speak(port: int, data: bytes, seconds: float) -> None:
    """Send bytes, wait a moment and leave."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(OSError):  # it may close before all is sent
            connection.sendall(data)
        time.sleep(seconds)


if __name__ == "__main__":
    main()
