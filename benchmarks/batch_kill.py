"""Kills a batch at random moments until it is done, and checks that each row stands there once.

    python benchmarks/batch_kill.py local
    python benchmarks/batch_kill.py ray-driver      # and ray-actor, ray-node
    python benchmarks/batch_kill.py ray-join        # no kill: a machine joins in the middle

`kill -9` of the process (local), of the process that leads a Ray cluster's work, of one of its
readers, or of all processes of a machine. The cluster is three of Ray's own nodes on this machine;
after a node was killed, another one joins. An uninterrupted batch gives the rows to compare with:
any that is lost, doubled or another, and any file that is a half, is an error. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

FOLDER = Path("build/bench/batch-kill")
STORE = 100 * 2**20  # bytes of a node's object store
NAMES = ["Rollo", "Harald", "Sven", "Olaf", "Knut", "Erik", "Leif"]
QUESTIONS = ["Who led the ships?", "When did they come?", "How many ships came?", "Why?"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", choices=["local", "ray-driver", "ray-actor", "ray-node", "ray-join"]
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--block", type=int, default=500, help="rows of a file of results")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    random.seed(options.seed)
    FOLDER.mkdir(parents=True, exist_ok=True)
    source = make_rows(options.rows)
    expected = whole(source, options.block, options.rows)
    if options.what == "local":
        return report(options, *local(source, options, expected))
    with_cluster = {
        "ray-driver": kill_driver,
        "ray-actor": kill_actor,
        "ray-node": kill_node,
        "ray-join": join,
    }[options.what]
    return report(options, *on_ray(source, options, expected, with_cluster))


def make_rows(rows: int) -> Path:
    """Files of short texts, each of them another one."""
    folder = FOLDER / f"in-{rows}"
    if folder.exists():
        return folder
    temporary = folder.with_suffix(".new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for file in range(4):
        with open(temporary / f"{file}.jsonl", "w", encoding="utf-8") as out:
            for n in range(file, rows, 4):
                name, ships = NAMES[n % 7], n % 97 + 2
                context = f"In {700 + n % 400} {name} came by sea with {ships} ships ({n})."
                row = {"id": f"q{n}", "question": QUESTIONS[n // 4 % 4], "context": context}
                out.write(f"{json.dumps(row)}\n")
    temporary.rename(folder)
    return folder


def start(source: Path, out: Path, block: int, *more: str, **env: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pullquote", "batch", str(source), str(out)]
    command += ["--model", "tiny", "--rows", str(block), "--threads", "1", *more]
    return subprocess.Popen(command, env={**os.environ, **env})


def whole(source: Path, block: int, rows: int) -> list[dict[str, Any]]:
    """What a batch that nothing interrupts gives."""
    out = FOLDER / f"whole-{rows}-{block}"
    if start(source, out, block).wait():
        sys.exit("the batch failed that nothing interrupted")
    found = read(out)
    if sorted(row["id"] for row in found) != sorted(f"q{n}" for n in range(rows)):
        sys.exit("rows are lost or doubled in the batch that nothing interrupted")
    return found


def read(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return rows


def faults(out: Path, expected: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the results."""
    found = read(out)
    ids = [row["id"] for row in found]
    wrong = []
    if lost := {row["id"] for row in expected} - set(ids):
        wrong.append(f"{len(lost):,} rows lost")
    if doubled := len(ids) - len(set(ids)):
        wrong.append(f"{doubled:,} rows doubled")
    if not wrong and found != expected:
        wrong.append("answers or their order differ")
    if half := list(out.glob(".*")):
        wrong.append(f"{len(half)} half files")
    return wrong


def parts(out: Path) -> int:
    return len(list(out.glob("part-*")))


def local(source: Path, options: argparse.Namespace, expected: list[dict[str, Any]]) -> Any:
    out = FOLDER / "out-local"
    shutil.rmtree(out, ignore_errors=True)
    blocks = options.rows // options.block
    for kill in range(options.kills):
        process = start(source, out, options.block)
        enough = parts(out) + random.randrange(1, max(2, blocks // options.kills))
        wait_for(lambda enough=enough: parts(out) >= enough, process)
        time.sleep(random.random() / 2)
        if process.poll() is not None:
            return kill, ["the batch ended before all kills"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"kill {kill + 1}: {parts(out):,} of about {blocks:,} files", flush=True)
    if start(source, out, options.block).wait():
        return options.kills, ["the last batch failed"]
    return options.kills, faults(out, expected)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None and not condition():
        time.sleep(0.02)


def on_ray(
    source: Path,
    options: argparse.Namespace,
    expected: list[dict[str, Any]],
    disturb: Callable[..., None],
) -> tuple[int, list[str]]:
    """Batches on a cluster until there were enough kills; each is finished and checked."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    nodes = [cluster.add_node(**node) for _ in range(2 if disturb is kill_node else 1)]
    out = FOLDER / "out-ray"
    kills, wrong = 0, list[str]()
    try:
        while kills < options.kills and not wrong:
            shutil.rmtree(out, ignore_errors=True)
            process = ray_batch(source, out, options, cluster)
            while kills < options.kills:
                enough = parts(out) + random.randrange(1, 8)
                wait_for(lambda enough=enough: parts(out) >= enough, process)
                time.sleep(random.random())
                if process.poll() is not None:
                    break
                disturb(process, cluster, nodes, node)
                kills += 1
                print(f"{disturb.__name__} {kills}: {parts(out):,} files", flush=True)
                if disturb is join:
                    kills = options.kills
                if disturb is kill_driver:
                    process = ray_batch(source, out, options, cluster)
            if process.wait():
                wrong = [f"the batch failed with {process.returncode}"]
            else:
                wrong = faults(out, expected)
    finally:
        cluster.shutdown()
    return kills, wrong


def ray_batch(
    source: Path, out: Path, options: argparse.Namespace, cluster: Any
) -> subprocess.Popen[bytes]:
    return start(source, out, options.block, "--engine", "ray", RAY_ADDRESS=cluster.address)


def kill_driver(process: subprocess.Popen[bytes], *_: Any) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def kill_actor(process: subprocess.Popen[bytes], cluster: Any, nodes: list[Any], _: Any) -> None:
    """One of the readers, which are processes of the nodes that this program started."""
    below = psutil.Process().children(recursive=True)
    readers = [one for one in below if "_Answering" in " ".join(one.cmdline())]
    if readers:
        random.choice(readers).kill()


def kill_node(process: Any, cluster: Any, nodes: list[Any], node: dict[str, Any]) -> None:
    victim = nodes.pop(random.randrange(len(nodes)))
    cluster.remove_node(victim, allow_graceful=False)
    nodes.append(cluster.add_node(wait=False, **node))


def join(process: Any, cluster: Any, nodes: list[Any], node: dict[str, Any]) -> None:
    nodes.append(cluster.add_node(**node))


def report(options: argparse.Namespace, kills: int, wrong: list[str]) -> int:
    print(
        f"{options.what}: {kills} kills, {options.rows:,} rows, seed {options.seed}: "
        f"{'; '.join(wrong) or '0 lost, 0 doubled, no half file, the same answers'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
