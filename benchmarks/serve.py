"""Load a server: 32 clients at once, its requests gathered into batches beside one at a time.

    python benchmarks/serve.py --data dev-v2.0.json.gz --model tiny --model small
    python benchmarks/serve.py ... --other /tmp/old/bin/pullquote    # another version, too

`wrk` makes the load (Debian: apt-get install wrk): a closed loop, each client asks when it has its
answer. Every question comes with its own paragraph, drawn as benchmarks/run.py draws them. Both
servers take turns, several rounds; single clients are timed in the same rounds. Client and server
share the cores.
"""

import argparse
import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
from machine import machine
from run import cell, pick

from pullquote.files import write_json

HERE = Path(__file__).parent
LUA = """
local bodies = {}
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
local next = math.random(#bodies)
function request()
  next = next % #bodies + 1
  return wrk.format("POST", "/v1/answer", {["content-type"] = "application/json"}, bodies[next])
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests": %d, "us": %d, "p50": %f, "p99": %f, "errors": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
WAYS = {
    "one at a time": ["--max-batch", "1"],
    "gathered": [],
    "gathered, a process for each core": ["--workers", str(os.cpu_count()), "--threads", "1"],
}


def main() -> None:
    """Measure every model both ways, write it down, print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="SQuAD JSON, .gz or not")
    parser.add_argument("--model", action="append", required=True, help="repeatable")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=20, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--option", action="append", default=[], help="of pullquote serve")
    parser.add_argument("--other", type=Path, help="the command of another version, to compare")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        parser.error("wrk is not installed: apt-get install wrk")
    own = Path(sysconfig.get_path("scripts"), "pullquote")
    ways = {way: (own, options) for way, options in WAYS.items()}
    if arguments.other:
        ways["gathered, by the other version"] = (arguments.other, [])
    git = ["git", "-C", HERE, "describe", "--always", "--dirty"]
    result = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "commit": subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip(),
        "machine": machine(),
        "settings": {k: getattr(arguments, k) for k in ("clients", "seconds", "rounds", "seed")},
        "questions": arguments.questions,
        "models": {model: {way: [] for way in ways} for model in arguments.model},
    }
    with tempfile.TemporaryDirectory() as folder:
        questions = pick(arguments.data, arguments.questions, arguments.seed)["shuffled"]
        bodies, script = Path(folder, "bodies.jsonl"), Path(folder, "load.lua")
        script.write_text(LUA)
        bodies.write_text(
            "\n".join(
                json.dumps({"question": item["question"], "context": item["context"]})
                for item in questions
            )
        )
        for number in range(arguments.rounds):
            for model, found in result["models"].items():
                for way, (command, options) in ways.items():
                    print(f"{model}, {way}: {number + 1} of {arguments.rounds}", file=sys.stderr)
                    line = [command, "serve", model, "--port", "0", *options, *arguments.option]
                    found[way].append(measure(line, bodies, script, arguments))
    write_json(
        arguments.out / f"{result['date'][:10]}-serve-{result['machine']['slug']}.json", result
    )
    print(markdown(result))


def measure(line: list, bodies: Path, script: Path, arguments) -> dict:
    """Start a server, warm it, time one client and then many."""
    with server(line) as (url, process):

        def load(clients: int, seconds: int) -> dict:
            command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", "-s"]
            done = subprocess.run(
                [*command, script, url],
                env={"BODIES": str(bodies), "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                check=True,
            )
            found = json.loads(re.search(r"^RESULT (.*)$", done.stdout, re.M)[1])
            if found["errors"]:
                raise SystemExit(f"{found['errors']} errors under load:\n{done.stdout}")
            return found

        load(4, 3)
        one = load(1, max(3, arguments.seconds // 2))
        before = cpu_seconds(process)
        many = load(arguments.clients, arguments.seconds)
        spent = cpu_seconds(process) - before
        return {
            "single_p50_ms": one["p50"] / 1000,
            "single_p99_ms": one["p99"] / 1000,
            "single_per_second": one["requests"] / one["us"] * 1e6,
            "per_second": many["requests"] / many["us"] * 1e6,
            "p50_ms": many["p50"] / 1000,
            "p99_ms": many["p99"] / 1000,
            "cpu_ms": 1000 * spent / many["requests"],
            "rss_mib": sum(p.memory_info().rss for p in tree(process)) / 2**20,
        }


def cpu_seconds(process: psutil.Process) -> float:
    """Return what the server has spent so far, on all cores."""
    return sum(p.cpu_times().user + p.cpu_times().system for p in tree(process))


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and its children."""
    return [process, *process.children(recursive=True)]


@contextmanager
def server(line: list):
    """Run a command line that serves on a free port; yield its address and process."""
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://\S+", process.stdout.readline())[0], psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        time.sleep(0.5)


def markdown(result: dict) -> str:
    """Write the table; a cell is the median of the rounds, with the least and the most."""
    box, settings = result["machine"], result["settings"]
    lines = [
        f"{box['cpu']}, {box['cores']} cores, {box['memory_gib']} GiB, {box['system']}, Python "
        f"{box['python']}, load {box['load_at_start']:.1f} at the start; {result['date'][:10]}, "
        f"commit {result['commit'] or 'unknown'}. {settings['clients']} clients in a closed loop "
        f"(wrk, on the same cores), {result['questions']:,} questions, seed {settings['seed']}; "
        f"median (least–most) of {settings['rounds']} rounds of {settings['seconds']} s. "
        f"`{result['command']}`",
    ]
    rows = {
        "questions/s": "per_second",
        "median latency, ms": "p50_ms",
        "99th percentile, ms": "p99_ms",
        "CPU time of a question, ms": "cpu_ms",
        "a single client: median latency, ms": "single_p50_ms",
        "a single client: questions/s": "single_per_second",
        "memory, MiB": "rss_mib",
    }
    for model, ways in result["models"].items():
        lines += ["", f"| `{model}` | {' | '.join(ways)} |", f"|---|{'---:|' * len(ways)}"]
        for label, key in rows.items():
            cells = " | ".join(cell([run[key] for run in runs]) for runs in ways.values())
            lines.append(f"| {label} | {cells} |")
        middle = {
            key: [median(run[key] for run in runs) for runs in ways.values()]
            for key in ("per_second", "p99_ms", "single_p50_ms")
        }
        base = middle["per_second"][0]
        times = " | ".join(f"{value / base:.2f}" for value in middle["per_second"])
        tails = zip(middle["p99_ms"], middle["single_p50_ms"], strict=True)
        lines += [
            f"| questions/s, times one at a time | {times} |",
            "| 99th percentile, times the median of a single client | "
            + " | ".join(f"{tail / single:.1f}" for tail, single in tails)
            + " |",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
