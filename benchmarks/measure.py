"""How both sides are timed: the same few lines, imported under either environment.

Knows neither transformers nor pullquote; standard library only.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def arguments_and_questions() -> tuple[argparse.Namespace, dict[str, list[dict[str, str]]]]:
    """Read what run.py passes to a side.

    The questions are `{id, question, context}` in three lists: "warm-up", "file order" and, the
    same ones again, "shuffled".
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    return arguments, json.loads(arguments.questions.read_text(encoding="utf-8"))


def one_by_one(
    answer: Callable[[str, str], str], questions: Sequence[dict[str, str]]
) -> tuple[float, float, dict[str, str]]:
    """Time each call alone: median and 95th percentile in ms, and the answers by question id."""
    milliseconds, answers = [], {}
    for item in questions:
        start = time.perf_counter()
        answers[item["id"]] = answer(item["question"], item["context"])
        milliseconds.append(1000 * (time.perf_counter() - start))
    p95 = statistics.quantiles(milliseconds, n=20, method="inclusive")[-1]
    return statistics.median(milliseconds), p95, answers


def per_second(answer_list: Callable[[], Sequence[object]]) -> float:
    """Time one call that answers a whole list."""
    start = time.perf_counter()
    count = len(answer_list())
    return count / (time.perf_counter() - start)


def peak_mib() -> float:
    """Return this process's largest resident memory so far.

    Not `ru_maxrss`, which on Linux survives exec: there, a small child of a large parent reports
    its parent's peak.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
