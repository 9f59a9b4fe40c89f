"""run_squad.py's evaluation: the same settings, the same files.

Knows run_squad.py's names and files; reading and scoring are everyone's. `doc_stride` is a step
here, as in Google's code: windows start every 128 tokens.

    results, paths = evaluate_squad(SquadSettings("small", "dev-v2.0.json", "out", True))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullquote.data.formats import load
from pullquote.errors import InputError
from pullquote.files import write_all_json
from pullquote.reading import decode
from pullquote.reading.batching import Batched, Row
from pullquote.reading.reader import Reader
from pullquote.scoring.squad import score
from pullquote.types import Example, Prediction, Window


@dataclass(frozen=True, slots=True)
class SquadSettings:
    """The flags of run_squad.py that answering depends on, with its defaults."""

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

    def __post_init__(self) -> None:
        for name in ("max_seq_length", "doc_stride", "max_query_length", "max_answer_length"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.n_best_size < 1:
            raise InputError(f"n_best_size is {self.n_best_size}, expected at least 1")
        if self.max_seq_length < self.max_query_length + self.doc_stride:
            raise InputError(
                f"max_seq_length is {self.max_seq_length}: windows of it, with questions of "
                f"{self.max_query_length} tokens, would leave out what a doc_stride of "
                f"{self.doc_stride} steps over; expected at least the sum of the two"
            )


def evaluate_squad(
    settings: SquadSettings,
    *,
    progress: Callable[[Iterable[Prediction], int], Iterable[Prediction]] = lambda items, _: items,
) -> tuple[dict[str, float | int], list[Path]]:
    """Answer `predict_file`, write run_squad.py's two or three files, and score them.

    All spans of a window compete, where run_squad.py looked at the best 20 starts and ends alone.
    """
    reader = Reader(settings.model_name_or_path, device=settings.device, threads=settings.threads)
    positions = reader.directory.positions
    if settings.max_seq_length > positions:
        raise InputError(
            f"max_seq_length is {settings.max_seq_length}, the model has {positions} positions"
        )
    examples = load(settings.predict_file).examples
    predictions = list(progress(_predictions(reader, examples, settings), len(examples)))
    folder, suffix = Path(settings.output_dir), f"{settings.prefix}.json"
    contents: dict[Path, Any] = {
        folder / f"predictions_{suffix}": {p.id: p.text for p in predictions},
        folder / f"nbest_predictions_{suffix}": {
            p.id: _nbest(p, settings.version_2_with_negative) for p in predictions
        },
    }
    if settings.version_2_with_negative:
        contents[folder / f"null_odds_{suffix}"] = {p.id: p.null_score_diff for p in predictions}
    write_all_json(contents, indent=4)
    return score(examples, {p.id: p.text for p in predictions}).as_dict(), list(contents)


def _predictions(
    reader: Reader, examples: Sequence[Example], settings: SquadSettings
) -> Iterator[Prediction]:
    abstains = settings.version_2_with_negative

    def windows(example: Example) -> Iterator[Window]:
        return reader.encoder.windows(
            example.question,
            example.context,
            max_length=settings.max_seq_length,
            step=settings.doc_stride,
            max_question_length=settings.max_query_length,
        )

    def read(example: Example, window: Window, start: Row, end: Row) -> decode.Candidates:
        return decode.read_window(
            window,
            start,
            end,
            example.context,
            max_answer_length=settings.max_answer_length,
            limit=settings.n_best_size,
        )

    def finish(example: Example, candidates: list[decode.Candidates]) -> Prediction:
        return decode.merge(
            example.id,
            example.context,
            candidates,
            n_best_size=settings.n_best_size,
            top_k=settings.n_best_size,
            threshold=settings.null_score_diff_threshold if abstains else math.inf,
        )

    return Batched(reader.encoder, reader.backend, windows, read, finish).run(examples)


def _nbest(prediction: Prediction, with_null: bool) -> list[dict[str, Any]]:
    """The answers, and "" among them where it belongs, with a softmax over all."""
    entries: list[dict[str, Any]] = [
        {
            "text": answer.text,
            "probability": 0.0,
            "start_logit": answer.start_logit,
            "end_logit": answer.end_logit,
        }
        for answer in prediction.answers
    ]
    logits = [entry["start_logit"] + entry["end_logit"] for entry in entries]
    if with_null or not entries:
        top = max(logits, default=0.0)
        half = (prediction.null_score_diff + top) / 2  # its two logits are known as a sum alone
        entries.append({"text": "", "probability": 0.0, "start_logit": half, "end_logit": half})
        logits.append(2 * half)
    highest = max(logits)
    total = math.fsum(math.exp(logit - highest) for logit in logits)
    for entry, logit in zip(entries, logits, strict=True):
        entry["probability"] = math.exp(logit - highest) / total
    return sorted(entries, key=lambda entry: -entry["probability"])
