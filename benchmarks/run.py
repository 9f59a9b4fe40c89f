"""Time pullquote beside transformers 4.57.6's question-answering pipeline, in one run.

Prints Markdown for RESULTS.md and writes every number to results/<date>-<machine>.json; judges
nothing. Run with pullquote's environment, after the preparations in README.md:

    python benchmarks/run.py --data dev-v2.0.json.gz --hf4-python .hf4/bin/python \\
        --model tiny=src/pullquote/models/tiny:tiny --model small=build/small-hf:small
"""

import argparse
import datetime
import gzip
import json
import os
import random
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import machine
from measure import peak_mib

from pullquote.files import write_json

HERE = Path(__file__).parent

# The shortest script that does with the pipeline what `pullquote ask` does.
HF4_ASK = """
import sys, torch
from transformers import pipeline
question, file, model, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
pipe = pipeline("question-answering", model=model, tokenizer=model, device=-1, dtype=torch.float32)
print(pipe(question=question, context=open(file, encoding="utf-8").read(),
           handle_impossible_answer=True, max_answer_len=30, align_to_words=False)["answer"])
"""


def main() -> None:
    """Measure everything, write it down, print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="SQuAD JSON, .gz or not")
    parser.add_argument("--hf4-python", required=True, help="interpreter with transformers 4.57.6")
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="NAME=HF_DIR:PULLQUOTE_DIR_OR_NAME",
        help="one checkpoint, as each side wants it; repeatable",
    )
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3, help="processes of each side and model")
    parser.add_argument("--starts", type=int, default=7, help="fresh processes that answer once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    models = [re.fullmatch("(.+?)=(.+):(.+)", text) for text in arguments.model]
    if not all(models):
        parser.error("--model must read NAME=HF_DIR:PULLQUOTE_DIR_OR_NAME")
    # for both sides; and nothing is fetched or looked up
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS"), str(arguments.threads))
    os.environ["HF_HUB_OFFLINE"] = "1"
    # what is installed has its bytecode; else each start compiles all modules (0.04 s of pullquote)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

    questions = pick(arguments.data, arguments.questions, arguments.seed)
    git = ["git", "-C", HERE, "describe", "--always", "--dirty"]
    result = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "commit": subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip(),
        "machine": machine(),
        "settings": {k: getattr(arguments, k) for k in ("repeats", "starts", "threads", "seed")},
        "questions": len(questions["shuffled"]),
        "contexts": len({item["context"] for item in questions["shuffled"]}),
    }
    with tempfile.TemporaryDirectory() as folder:
        result["models"] = {
            match[1]: compare(arguments, match[2], match[3], questions, Path(folder))
            for match in models
        }
    result["import_s"] = import_times(2 * arguments.starts)
    result["driver_peak_mib"] = peak_mib()

    file = arguments.out / f"{result['date'][:10]}-{result['machine']['slug']}.json"
    write_json(file, result)
    print(markdown(result))
    print(f"written: {file}", file=sys.stderr)


def pick(data: Path, count: int, seed: int) -> dict[str, list[dict[str, str]]]:
    """Draw `count` questions by whole paragraphs, so that file order is that of real data.

    Neighbours in file order share a paragraph (ten questions each in SQuAD); shuffled, there are
    about a hundred other paragraphs in between. The warm-up comes from paragraphs of its own.
    """
    with (gzip.open if data.suffix == ".gz" else open)(data, "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    paragraphs = [
        [{"id": q["id"], "question": q["question"], "context": p["context"]} for q in p["qas"]]
        for article in articles
        for p in article["paragraphs"]
        if p["qas"]
    ]
    generator = random.Random(seed)
    drawn = generator.sample(range(len(paragraphs)), len(paragraphs))
    warm_up = [paragraphs[drawn.pop()][0] for _ in range(32)]
    taken = []
    while drawn and sum(len(paragraphs[i]) for i in taken) < count:
        taken.append(drawn.pop())
    in_file_order = [question for i in sorted(taken) for question in paragraphs[i]][:count]
    shuffled = generator.sample(in_file_order, len(in_file_order))
    return {"warm-up": warm_up, "file order": in_file_order, "shuffled": shuffled}


def compare(arguments, hf_dir: str, ours: str, questions: dict, folder: Path) -> dict:
    """Run both sides in turn, several times, each in a fresh process."""
    question_file, text_file = folder / "questions.json", folder / "text.txt"
    question_file.write_text(json.dumps(questions), encoding="utf-8")
    asked = questions["shuffled"][0]
    text_file.write_text(asked["context"], encoding="utf-8")
    python, threads = arguments.hf4_python, str(arguments.threads)
    options = ["--questions", question_file, "--threads", threads, "--model"]
    ask = [asked["question"], text_file]
    pullquote = Path(sysconfig.get_path("scripts"), "pullquote")
    whole = {
        "transformers": [python, HERE / "side_hf4.py", *options, hf_dir],
        "pullquote": [sys.executable, HERE / "side_pullquote.py", *options, ours],
    }
    once = {
        "transformers": [python, "-c", HF4_ASK, *ask, hf_dir, threads],
        "pullquote": [pullquote, "ask", *ask, "--model", ours, "--threads", threads],
    }
    runs = {side: [] for side in whole}
    for repeat in range(arguments.repeats):
        for side in whole:
            print(f"{hf_dir}: {side}, {repeat + 1} of {arguments.repeats}", file=sys.stderr)
            runs[side].append(json.loads(fresh(whole[side])["output"]))
    starts = {side: [] for side in once}
    for _ in range(arguments.starts + 1):
        for side in once:
            starts[side].append(fresh(once[side]))
    # The first start reads files from the disk; it is kept apart.
    return {
        "agreement": agreement(*(runs[side][-1].pop("answers") for side in runs)),
        **{
            side: {
                "versions": runs[side][0]["versions"],
                "lists_per_second": [run["per_second"] for run in runs[side]],
                "first_start": starts[side][0],
                "rows": rows(runs[side], starts[side][1:]),
            }
            for side in runs
        },
    }


def fresh(command: list[str | Path]) -> dict:
    """Run a process to its end: seconds from its start, its peak memory, what it printed.

    Linux counts the parent's peak at exec into the child's `ru_maxrss`, so this process must stay
    smaller than what it measures: no numpy here, no model. `driver_peak_mib` shows that it did.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} {command[1]}: exit code {process.returncode}, see above")
    return {
        "seconds": seconds,
        "peak_mib": usage.ru_maxrss / 1024,
        "output": output.decode().strip(),
    }


def rows(runs: list[dict], starts: list[dict]) -> dict[str, list[float]]:
    """Return a side's rows of the table: a value for each run or start."""
    speeds = [run["per_second"] for run in runs]
    return {
        "questions/s, list in file order": [max(s["file order"].values()) for s in speeds],
        "questions/s, list shuffled": [max(s["shuffled"].values()) for s in speeds],
        "one by one, shuffled: median ms": [run["median_ms"] for run in runs],
        "one by one, shuffled: 95th percentile, ms": [run["p95_ms"] for run in runs],
        "peak memory, one by one, MiB": [run["peak_one_by_one_mib"] for run in runs],
        "peak memory with the lists, MiB": [run["peak_mib"] for run in runs],
        "fresh process, start to answer, s": [start["seconds"] for start in starts],
        "peak memory of that process, MiB": [start["peak_mib"] for start in starts],
    }


def import_times(count: int) -> dict[str, list[float]]:
    """Time `import pullquote` in a fresh process, beside a bare start of the interpreter."""
    seconds: dict[str, list[float]] = {"pass": [], "import pullquote": []}
    for _ in range(count):
        for code, times in seconds.items():
            times.append(fresh([sys.executable, "-c", code])["seconds"])
    return seconds


def agreement(theirs: dict[str, str], ours: dict[str, str]) -> dict[str, int]:
    """Count equal answers: a check that both sides do the same work."""
    both = [id_ for id_ in theirs if theirs[id_] and ours[id_]]
    return {
        "same": sum(theirs[id_] == ours[id_] for id_ in theirs),
        "both_answer": len(both),
        "both_answer_same": sum(theirs[id_] == ours[id_] for id_ in both),
        "transformers_abstains": list(theirs.values()).count(""),
        "pullquote_abstains": list(ours.values()).count(""),
    }


def markdown(result: dict) -> str:
    """Write the tables; a cell is the median, with the least and the most in brackets."""
    box, settings = result["machine"], result["settings"]
    lines = [
        f"{box['cpu']}, {box['cores']} cores, {box['memory_gib']} GiB, {box['system']}, Python "
        f"{box['python']}, load {box['load_at_start']:.1f} at the start; {result['date'][:10]}, "
        f"commit {result['commit'] or 'unknown'}. {result['questions']:,} questions on "
        f"{result['contexts']} paragraphs, seed {settings['seed']}, {settings['threads']} threads "
        f"a side; median (least–most) of {settings['repeats']} processes or {settings['starts']} "
        f"starts. `{result['command']}`"
    ]
    for name, model in result["models"].items():
        theirs, ours = model["transformers"], model["pullquote"]
        heads = [", ".join(f"{k} {v}" for k, v in x["versions"].items()) for x in (theirs, ours)]
        lines += ["", f"| `{name}` | {heads[0]} | {heads[1]} | ratio |", "|---|---:|---:|---:|"]
        for label, old in theirs["rows"].items():
            new = ours["rows"][label]
            ratio = median(new) / median(old)
            lines.append(f"| {label} | {cell(old)} | {cell(new)} | {ratio:.2f} |")
        same = model["agreement"]
        ways = theirs["lists_per_second"][-1]
        best = ", ".join(f"{order} {max(x, key=x.get)}" for order, x in ways.items())
        lines += [
            "",
            f"Same text: {same['same']} of {result['questions']} answers; where both answer, "
            f"{same['both_answer_same']} of {same['both_answer']}. transformers abstains "
            f"{same['transformers_abstains']} times, pullquote {same['pullquote_abstains']}. "
            f"Lists were fastest in transformers with: {best}.",
        ]
    bare, full = result["import_s"].values()
    return "\n".join(
        [
            *lines,
            "",
            f"`import pullquote`: {1000 * (median(full) - median(bare)):.0f} ms beyond a bare "
            f"Python; whole process {cell(full)} s, bare {cell(bare)} s.",
        ]
    )


def cell(numbers: list[float]) -> str:
    """Return "median (least–most)" with three significant digits or all before the point."""
    digits = max(0, 3 - len(str(int(max(numbers)))) + (max(numbers) < 1))
    return "{} ({}–{})".format(
        *(f"{x:,.{digits}f}" for x in (median(numbers), min(numbers), max(numbers)))
    )


if __name__ == "__main__":
    main()
