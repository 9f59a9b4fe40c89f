"""Training and evaluation like run_squad.py: the same settings and the same output files.

Knows run_squad.py's names and files, and uses pullquote's training, reading and scoring. As in
Google's code, `doc_stride` is a step: windows start every 128 tokens.

    results, paths = evaluate_squad(SquadSettings("small", "dev-v2.0.json", "out", True))
    recipe = squad_recipe(SquadTraining(model_name_or_path="bert", train_file="train-v2.0.json"))
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pullquote.checkpoints.directory import find_tokenizer, open_model
from pullquote.compat.squad_metrics import Entry, nbest
from pullquote.data.formats import load
from pullquote.errors import InputError
from pullquote.files import write_all_json
from pullquote.progress import Progress, no_progress, tracked
from pullquote.reading import decode
from pullquote.reading.backends.choose import as_made
from pullquote.reading.batching import Batched, LogitRow
from pullquote.reading.encode import Encoder
from pullquote.reading.reader import Reader
from pullquote.scoring.squad import score
from pullquote.settings import Decision
from pullquote.training.recipe import Recipe
from pullquote.types import Example, Prediction, Window

Answered = tuple[Prediction, list[Entry]]
"""A prediction, and the entries of its n-best list."""


@dataclass(frozen=True, slots=True)
class SquadSettings:
    """The flags of run_squad.py for evaluation, with its defaults."""

    model_name_or_path: str
    predict_file: str
    output_dir: str
    version_2_with_negative: bool = False
    null_score_diff_threshold: float = 0.0
    max_seq_length: int = 384
    doc_stride: int = 128
    max_query_length: int = 64
    max_answer_length: int = 30
    n_best_size: int = 20
    device: str = "cpu"
    threads: int | None = None
    prefix: str = ""
    tokenizer_name: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_seq_length", "doc_stride", "max_query_length", "max_answer_length"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.n_best_size < 1:
            raise InputError(f"n_best_size is {self.n_best_size}, expected at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class SquadTraining:
    """The flags of run_squad.py for training, with its defaults."""

    model_name_or_path: str
    train_file: str
    evaluate_on: str = ""
    max_seq_length: int = 384
    doc_stride: int = 128
    max_query_length: int = 64
    max_answer_length: int = 30
    per_gpu_train_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    num_train_epochs: float = 3.0
    max_steps: int = -1
    warmup_steps: int = 0
    seed: int = 42
    fp16: bool = False


def squad_recipe(flags: SquadTraining) -> Recipe:
    """The training recipe of run_squad.py, for `training.train`.

    A step has the same number of windows, but they are of similar length with little padding.
    Windows of the longest question start `doc_stride` tokens apart, those of shorter questions
    somewhat farther apart. `fp16` means bf16 where the machine supports it. `evaluate_on` is the
    data of `evaluate_during_training`; the checkpoint and the threshold are chosen on it, so it is
    not test data any more.
    """
    windows = flags.per_gpu_train_batch_size * flags.gradient_accumulation_steps
    room = flags.max_seq_length - flags.max_query_length - 1
    overlap = room - 2 - flags.doc_stride
    return Recipe.from_values(
        {
            "model": flags.model_name_or_path,
            "train": flags.train_file,
            "tune": flags.evaluate_on,
            "max_length": flags.max_seq_length,
            "overlap": max(min(overlap, room - 8), 2 * flags.max_answer_length),
            "max_question_length": flags.max_query_length,
            "max_answer_length": flags.max_answer_length,
            "windows": windows,
            "tokens": windows * flags.max_seq_length,
            "micro_tokens": flags.per_gpu_train_batch_size * flags.max_seq_length,
            "learning_rate": flags.learning_rate,
            "weight_decay": flags.weight_decay,
            "adam_epsilon": flags.adam_epsilon,
            "max_grad_norm": flags.max_grad_norm,
            "epochs": flags.num_train_epochs,
            "max_steps": max(flags.max_steps, 0),
            "warmup_steps": flags.warmup_steps,
            "warmup_share": 0.0,
            "dropout": 0.1,  # BERT's own
            "precision": "auto" if flags.fp16 else "fp32",
            "seed": flags.seed,
        },
        "run-squad",
    )


def evaluate_squad(
    settings: SquadSettings,
    *,
    progress: Progress = no_progress,
) -> tuple[dict[str, float | int], list[Path]]:
    """Answer `predict_file`, write run_squad.py's two or three files, and score the predictions.

    All spans of a window are compared; run_squad.py compared only the best 20 starts and ends.
    """
    directory = open_model(settings.model_name_or_path)
    reader = Reader(
        directory.path,
        device=settings.device,
        threads=settings.threads,
        precision=as_made(directory, settings.device),
    )
    positions = reader.directory.positions
    if settings.max_seq_length > positions:
        raise InputError(
            f"max_seq_length is {settings.max_seq_length}, the model has {positions} positions"
        )
    examples = load(settings.predict_file).examples
    if settings.tokenizer_name:
        tokenizer = find_tokenizer(settings.tokenizer_name)
        reader.encoder = Encoder.of(replace(reader.directory, tokenizer=tokenizer))
    answers = _answers(reader, examples, settings)
    answered = list(tracked(answers, len(examples), "answering", progress))
    predictions = {prediction.id: prediction.text for prediction, _ in answered}
    folder, suffix = Path(settings.output_dir), f"{settings.prefix}.json"
    contents: dict[Path, Any] = {
        folder / f"predictions_{suffix}": predictions,
        folder / f"nbest_predictions_{suffix}": {p.id: nbest(e, "logit") for p, e in answered},
    }
    if settings.version_2_with_negative:
        odds = {prediction.id: prediction.null_score_diff for prediction, _ in answered}
        contents[folder / f"null_odds_{suffix}"] = odds
    write_all_json(contents, indent=4)
    return score(examples, predictions).as_dict(), list(contents)


def _answers(
    reader: Reader, examples: Sequence[Example], settings: SquadSettings
) -> Iterator[Answered]:
    abstains = settings.version_2_with_negative
    limit = settings.null_score_diff_threshold if abstains else math.inf

    def windows(example: Example) -> Iterator[Window]:
        return reader.encoder.windows(
            example.question,
            example.context,
            max_length=settings.max_seq_length,
            step=settings.doc_stride,
            max_question_length=settings.max_query_length,
        )

    def read(example: Example, window: Window, start: LogitRow, end: LogitRow) -> decode.Candidates:
        return decode.read_window(
            window,
            start,
            end,
            example.context,
            max_answer_length=settings.max_answer_length,
            limit=settings.n_best_size,
            overlapping=True,
        )

    def finish(example: Example, candidates: list[decode.Candidates]) -> Answered:
        prediction = decode.merge(
            example.id,
            example.context,
            candidates,
            limit=settings.n_best_size,
            top_k=settings.n_best_size,
            decision=Decision(threshold=limit),
            calibration=reader.config.calibration,
            overlapping=True,
        )
        entries = [Entry(a.text, a.start_logit, a.end_logit) for a in prediction.answers]
        if abstains and candidates:
            lowest = min(candidates, key=lambda window: window.null)
            null = Entry("", lowest.null_start, lowest.null_end)
            ranked = sorted([*entries, null], key=lambda entry: -entry.score)
            entries = ranked[: settings.n_best_size]
            entries += [null] if null not in entries else []
        return prediction, entries or [Entry("empty", 0.0, 0.0)]

    return Batched(reader.encoder, reader.backend, windows, read, finish).run(examples)
