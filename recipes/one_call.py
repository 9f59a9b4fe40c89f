"""A teacher, its labels and both students in one call, on one GPU and without a network.

    python recipes/parcel.py pack base/mpnet carried/teacher        # parts of at most 50 MiB
    python recipes/parcel.py pack base/minilm carried/student

    python recipes/one_call.py run --data carried --teacher carried/teacher --student \\
        carried/student --minutes 8 --out OUT                       # there
    python recipes/one_call.py join OUT runs                        # here: runs/small, runs/tiny

`--data` is a folder of SQuAD 2.0 files:

    train*.json.gz   to learn from, by teacher and students
    gold-*.json.gz   more of the same
    rough-*.json.gz  questions without gold answers, which only the students see, with the labels of
                     the teacher; each is written as `is_impossible: true`, which nothing reads
    tune.json.gz     held out, to choose checkpoints and thresholds

Four processes share the work through files in OUT/work:

    prepare   CPU   tokenises: teacher.npz, windows.npz; with labels: students.npz
    teacher   GPU   is fine-tuned on teacher.npz, then labels windows.npz: OUT/labels.npz
    small     GPU   6 layers, on students.npz
    tiny      GPU   2 layers, beside it

The result is OUT/labels.npz, 75 bytes a window, and OUT/small.part* and OUT/tiny.part*, at most
15 MiB each.
`--rehearse` does all of it on a few hundred questions, on a CPU in a minute. What the first call on
a GPU did is in EXPERIMENTS.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "recipes")]

import parcel  # noqa: E402

from pullquote.checkpoints.directory import find_tokenizer  # noqa: E402
from pullquote.progress import Progress  # noqa: E402
from pullquote.reading.encode import Encoder  # noqa: E402
from pullquote.training.labels import Labels  # noqa: E402
from pullquote.training.recipe import Recipe  # noqa: E402
from pullquote.training.windows import LabelledWindows, SoftLabels, encode  # noqa: E402

# The stages import torch themselves: the processes that tokenise import this file, and need none.
if TYPE_CHECKING:
    from pullquote.training.train import TrainingReport

ASKED = ROOT / "datasets" / "asked" / "train.json.gz"
VOCABULARY = ROOT / "src" / "pullquote" / "models" / "tiny"
"""BERT's tokenizer, which teacher and students share."""
PART_MIB = 15
"""Of the files that are written."""

# A GPU waits for Python between kernels, the longer the smaller micro-batches are. On an H200,
# `small` reads 733,000 tokens a second in those of 16,384 tokens and 1,677,000 in those of 65,536,
# `tiny` 1.36 and 2.75 million, and mpnet 274,000 in those of 32,768. A micro-batch holds windows of
# about one length, and here it is the whole step. Compiled models or CUDA graphs, not tried, would
# allow steps of many small ones.
COMMON: dict[str, Any] = {"evaluation_questions": 1000, "precision": "bf16", "save_minutes": 60.0}
TEACHER: dict[str, Any] = {
    **COMMON,
    "learning_rate": 5e-5,
    "warmup_share": 0.06,
    "tokens": 32768,
    "micro_tokens": 32768,
    "dropout": 0.1,
    "evaluations": 1,
    "seed": 1,
}
STUDENT: dict[str, Any] = {
    **COMMON,
    "warmup_share": 0.04,
    "tokens": 65536,
    "micro_tokens": 65536,
    "label_weight": 0.0,
    "temperature": 2.0,
    "evaluations": 2,
}
SMALL = STUDENT | {"learning_rate": 2.5e-4, "seed": 2}
TINY = STUDENT | {
    "learning_rate": 2e-3,
    "embedding_rate_share": 0.2,
    "average": 0.999,
    "seed": 3,
}
REHEARSAL: dict[str, Any] = {
    "precision": "fp32",
    "tokens": 2048,
    "micro_tokens": 512,
    "evaluations": 1,
    "evaluation_questions": 40,
    "dropout": 0.0,
}
ASKED_TIMES = {"teacher": 4, "students": 3}
"""How often a question of datasets/asked is seen for each one of SQuAD."""

# Of 480 seconds on an H200, with 33 million tokens of the teacher's data and 36 million to label:
#    15  loading and tokenising the teacher's data, on 16 cores
#   200  teacher: 55 million tokens at 274,000 a second, 1.7 epochs
#    25  labels: three times as fast as training, and writing them
#    15  the students' windows with labels
#   200  `small`: at half of its speed, since `tiny` runs beside it, 160 million tokens, 4 epochs
#    25  closing
TEACHER_SHARE = 0.45
"""Of all minutes: until when the teacher trains."""
TINY_SHARE = 0.6
"""Of the time that `small` has: most of what `tiny` learns, it learns early."""
CLOSING_SECONDS = 25
"""What a student does after its time: two evaluations of 1000 questions, a fit, and a parcel."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the processes are told: places, times, and how much to leave out."""

    data: str
    teacher: str
    student: str
    out: str
    begin: float
    """`time.time()` when it began."""
    minutes: float
    questions: int
    """How many to sample; 0: all."""
    rehearse: bool

    @property
    def work(self) -> Path:
        return Path(self.out) / "work"

    @property
    def elapsed(self) -> float:
        """Minutes since the beginning."""
        return (time.time() - self.begin) / 60

    @property
    def tune(self) -> str:
        return str(Path(self.data) / "tune.json.gz")

    def files(self, *patterns: str) -> list[str]:
        """The files of the data that match, in order of their names."""
        return [str(path) for name in patterns for path in sorted(Path(self.data).glob(name))]

    def recipe(self, settings: Mapping[str, Any], **more: Any) -> Recipe:
        """A recipe of settings, which a rehearsal makes small."""
        return Recipe.from_values({**settings, **(REHEARSAL if self.rehearse else {}), **more})


# ---- the stages


def prepare(job: Job) -> None:
    """Tokenise for the teacher, then for the students; add the labels once they are there."""
    from pullquote.training.data import reworded_windows, training_examples, with_reworded

    bert, processes = encoder(), os.cpu_count() or 1
    examples = training_examples(teacher_recipe(job))
    write_windows(job.work / "teacher.npz", encode(examples, bert, processes=processes))
    say("prepare", f"{len(examples):,} questions of the teacher")

    recipe = Recipe.from_values(
        {
            "train": job.files("train*.json.gz", "gold-*.json.gz", "rough-*.json.gz")
            + [str(ASKED)] * ASKED_TIMES["students"],
            "augment": ["misspelt", "keywords", "moved"],
            "augment_share": 0.15,
            "questions": job.questions,
            "seed": 5,
        }
    )
    examples = training_examples(recipe)
    windows = encode(examples, bert, processes=processes)
    own, alike = reworded_windows(examples, windows)
    asked = windows.subset(own)
    write_windows(job.work / "windows.npz", asked)
    say("prepare", f"{len(examples):,} questions, {len(own):,} + {len(alike):,} windows")

    wait_for(job, labels_file(job))
    found, _, soft = Labels.load(labels_file(job)).find(asked)
    windows, soft = with_reworded(windows, own[found], alike, soft, bert)
    write_windows(job.work / "students.npz", windows, start=soft.start, end=soft.end)
    say("prepare", f"{len(windows):,} labelled windows of {windows.lengths.mean():.0f} tokens")


def teacher(job: Job) -> None:
    """Fine-tune the teacher until its share of the time is over, and write its labels."""
    from pullquote.training.data import TrainingData, load_examples, load_teacher
    from pullquote.training.distributed import start_processes
    from pullquote.training.teacher import soft_labels
    from pullquote.training.train import train

    held_out = load_examples(job.tune)
    model = opened(job, job.teacher, "teacher-start")
    windows, _ = read_windows(job, job.work / "teacher.npz")
    minutes = max(0.05, TEACHER_SHARE * job.minutes - job.elapsed)
    recipe = replace(teacher_recipe(job), model=model, minutes=minutes)
    data = TrainingData(windows, None, [], held_out, ())
    report = train(recipe, job.work / "teacher", data=data, progress=told("teacher"))
    say("teacher", result(report))

    windows, _ = read_windows(job, job.work / "windows.npz")
    reader = load_teacher(str(job.work / "teacher"), recipe.precision, start_processes())
    soft = soft_labels([reader], windows, encoder(), job.work, told("labels"))
    Labels.of(soft, windows).save(labels_file(job))
    say("labels", f"{len(windows):,} windows")


def small(job: Job) -> None:
    """Train `small` from the student that came along."""
    student(job, "small", SMALL, {}, 1.0)


def tiny(job: Job) -> None:
    """Train `tiny` from new layers, with the word embeddings of the student."""
    student(job, "tiny", TINY, {"model": "L2-H128", "tokenizer": str(VOCABULARY)}, TINY_SHARE)


def student(
    job: Job, name: str, settings: Mapping[str, Any], shape: dict[str, str], share: float
) -> None:
    """Train a student on the labels for a share of the time that is left, and pack it."""
    wait_for(job, job.work / "windows.npz")  # until then, tokenising needs the cores
    from pullquote.training.data import TrainingData, load_examples
    from pullquote.training.train import train

    held_out = load_examples(job.tune)
    start = opened(job, job.student, f"{name}-start")
    if not shape:
        shape = {"model": start, "tokenizer": str(VOCABULARY)}
    elif Path(start).is_dir():  # a shape has no embeddings to start from
        shape = {**shape, "embeddings": start}
    windows, soft = read_windows(job, job.work / "students.npz")
    left = job.minutes - job.elapsed - CLOSING_SECONDS / 60
    recipe = job.recipe(
        settings,
        **shape,
        train=["students.npz"],
        labels="labels.npz",
        tune=job.tune,
        minutes=max(0.05, share * left),
    )
    data = TrainingData(windows, soft, [], held_out, ())
    report = train(recipe, job.work / name, data=data, progress=told(name))
    say(name, result(report))
    # finer than what ships, whose words have 4 bits and whose layers 7
    parts = parcel.pack(
        job.work / name, Path(job.out) / name, words_step=1 / 24, layers_step=0, part_mib=PART_MIB
    )
    say(name, f"written in {len(parts)} parts")


STAGES = {stage.__name__: stage for stage in (prepare, teacher, small, tiny)}


# ---- what the stages share


def teacher_recipe(job: Job) -> Recipe:
    """The recipe of the teacher, as yet without a model and a time."""
    return job.recipe(
        TEACHER,
        train=job.files("train*.json.gz", "gold-*.json.gz") + [str(ASKED)] * ASKED_TIMES["teacher"],
        tokenizer=str(VOCABULARY),
        tune=job.tune,
        questions=job.questions,
        augment=["moved"],
        augment_share=0.08,
    )


def encoder() -> Encoder:
    """The encoder that teacher and students share."""
    tokenizer = find_tokenizer(VOCABULARY)
    return Encoder.from_file(tokenizer, Recipe().reader_config(), type_vocab_size=2)


def labels_file(job: Job) -> Path:
    return Path(job.out) / "labels.npz"


def write_windows(path: Path, windows: LabelledWindows, **soft: np.ndarray) -> None:
    """Write windows, and their labels as `start` and `end`; the file is whole or not there."""
    values = {spec.name: getattr(windows, spec.name) for spec in fields(windows)}
    with open(path.with_suffix(".writing"), "wb") as file:
        np.savez(file, **values, **soft)
    os.replace(path.with_suffix(".writing"), path)


def read_windows(job: Job, path: Path) -> tuple[LabelledWindows, SoftLabels | None]:
    """Read what `write_windows` wrote, once it is there."""
    wait_for(job, path)
    with np.load(path) as arrays:
        values = {spec.name: arrays[spec.name] for spec in fields(LabelledWindows)}
        soft = SoftLabels(arrays["start"], arrays["end"]) if "start" in arrays else None
    return LabelledWindows(**{**values, "pad_id": int(values["pad_id"])}), soft


def wait_for(job: Job, path: Path) -> None:
    """Wait for a file of another process; end when one has failed."""
    while not path.exists():
        if (job.work / "failed").exists():
            sys.exit(f"no {path.name}: another process failed")
        time.sleep(0.2)


def opened(job: Job, name: str, folder: str) -> str:
    """A model as a directory or shape; of a parcel, once all of its parts are there."""
    while True:
        parts = sorted(Path(name).parent.glob(f"{Path(name).name}.part*"))
        if not parts:
            return name
        if len(parts) == int(parts[0].name.rpartition("of")[2]):
            break
        time.sleep(0.2)
    parcel.unpack(parts, job.work / folder)
    return str(job.work / folder)


def say(stage: str, text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {stage}: {text}")


def told(stage: str) -> Progress:
    """A progress that prints a line every ten seconds."""
    last = 0.0

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 10:
            last = time.monotonic()
            say(stage, f"{done:,} of {total:,}, {text}")

    return progress


def result(report: TrainingReport) -> str:
    fitted = report.evaluation and report.evaluation.fitted
    score = f"balanced F1 {fitted.score:.2f}" if fitted else "not evaluated"
    return f"{report.steps:,} steps in {report.seconds:.0f} s, {score}"


# ---- command line


@click.group()
def main() -> None:
    """Teacher, labels and students in one call."""


@main.command()
@click.option("--data", required=True, help="Folder of the questions.")
@click.option("--teacher", required=True, help="Parts, directory or shape to fine-tune.")
@click.option("--student", required=True, help="Parts, directory or shape that `small` starts as.")
@click.option("--minutes", default=8.0, show_default=True, help="Time for all of it.")
@click.option("--out", required=True, help="Folder to write.")
@click.option("--questions", default=0, help="Use a random sample of so many; 0: all.")
@click.option("--rehearse", is_flag=True, help="Small steps in fp32, and 100 questions.")
def run(
    data: str,
    teacher: str,
    student: str,
    minutes: float,
    out: str,
    questions: int,
    rehearse: bool,
) -> None:
    """Do everything; the exit status is 1 when a stage failed."""
    questions = questions or (100 if rehearse else 0)
    job = Job(data, teacher, student, out, time.time(), minutes, questions, rehearse)
    job.work.mkdir(parents=True)
    environment = os.environ | {"PULLQUOTE_CACHE": str(job.work)}
    processes = {
        name: subprocess.Popen(
            [sys.executable, __file__, "stage", name, json.dumps(asdict(job))], env=environment
        )
        for name in STAGES
    }
    failed = []
    while processes:
        time.sleep(0.2)
        for name, process in list(processes.items()):
            if process.poll() is not None:
                del processes[name]
                if process.returncode:
                    failed.append(name)
                    (job.work / "failed").touch()
    say("all", f"{job.elapsed:.1f} minutes" + (f"; failed: {', '.join(failed)}" if failed else ""))
    sys.exit(bool(failed))


@main.command(hidden=True)
@click.argument("name", type=click.Choice(list(STAGES)))
@click.argument("job")
def stage(name: str, job: str) -> None:
    """One process of `run`."""
    STAGES[name](Job(**json.loads(job)))


@main.command()
@click.argument("out")
@click.argument("runs")
def join(out: str, runs: str) -> None:
    """Put the students in OUT together, as RUNS/small and RUNS/tiny."""
    for name in ("small", "tiny"):
        parcel.join(Path(out) / name, Path(runs) / name)
        click.echo(str(Path(runs) / name))


if __name__ == "__main__":
    main()
