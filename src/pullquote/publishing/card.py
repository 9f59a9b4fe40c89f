"""Writes model cards: scores, calibration, size, speed, training recipe and licence.

Scores are measured with the user's own `Reader`. The card is Markdown with the metadata of the
Hugging Face hub.

    text = card("runs/tiny", [Data("dev-v2.0.json", examples)])
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote import __version__
from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import ModelDirectory, open_model
from pullquote.checkpoints.tensor_file import open_tensors
from pullquote.errors import ConfigError
from pullquote.progress import Progress, named, no_progress
from pullquote.reading.backends.choose import choose
from pullquote.reading.evaluate import Evaluation, evaluate
from pullquote.reading.reader import Reader
from pullquote.training.family import encoder_flops, reader_parameters
from pullquote.training.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from pullquote.types import Example


@dataclass(frozen=True, slots=True)
class Data:
    """Data to measure on: its name in the card, and its questions."""

    name: str
    examples: Sequence[Example]


def card(
    model: str | Path,
    data: Sequence[Data],
    *,
    licence: str = "apache-2.0",
    language: str = "en",
    dataset: str = "",
    base_model: str = "",
    notes: str = "",
    progress: Progress = no_progress,
) -> str:
    """The text of a model card, with scores measured now on each of `data`.

    `dataset` and `base_model` are hub ids for the metadata; `notes` is Markdown for the section
    Limits; `progress` counts the questions of each of `data` in turn. Raises `ConfigError` for
    empty `data`.

    >>> from pullquote.data import load  # doctest: +SKIP
    >>> from pullquote.publishing.card import Data, card  # doctest: +SKIP
    >>> dev = Data("SQuAD 2.0 dev", load("dev-v2.0.json").examples)  # doctest: +SKIP
    >>> text = card("runs/tiny", [dev], dataset="rajpurkar/squad_v2")  # doctest: +SKIP
    """
    if not data:
        raise ConfigError("a card needs data to measure the model on")
    directory = open_model(model)
    reader = Reader(model)
    results = []
    for part in data:
        results.append((part, evaluate(reader, part.examples, progress=named(progress, part.name))))
    recipe = read_recipe(directory.path)
    name = directory.path.resolve().name
    sections = [
        _metadata(name, results, licence, language, dataset, base_model, directory),
        f"# {name}\n",
        "Answers questions from a text with an exact quote, or says that it has no answer. "
        "Made with pullquote.\n",
        f"    pullquote ask --model {name} QUESTION FILE\n",
        _scores_section(results, directory),
        _calibration_section(results, directory),
        _size_section(directory, results),
        _training_section(recipe, directory),
        f"## Limits\n\n{notes.strip() or _limits(directory)}\n",
        f"## Licence\n\nWeights: {licence}.{_training_licence(dataset)}\n",
    ]
    return "\n".join(section for section in sections if section)


def _limits(directory: ModelDirectory) -> str:
    lines = ["It knows nothing that is not in the text, and does not count, compare or combine."]
    if not directory.config.calibration.fitted_on:
        lines.append("Its scores are bounded and comparable, not calibrated probabilities.")
    lines.append("It reads best what resembles its training data.")
    return "\n".join(f"- {line}" for line in lines)


def _training_licence(dataset: str) -> str:
    if dataset != "rajpurkar/squad_v2":
        return ""
    return (
        " Training text: SQuAD 2.0 by Rajpurkar, Jia and Liang, CC BY-SA 4.0, over text of the\n"
        "English Wikipedia."
    )


def _metadata(
    name: str,
    results: Sequence[tuple[Data, Evaluation]],
    licence: str,
    language: str,
    dataset: str,
    base_model: str,
    directory: ModelDirectory,
) -> str:
    """The YAML front matter of a model card of the hub."""
    tags = ["extractive-question-answering", *(["onnx"] if directory.onnx else [])]
    part, evaluation = results[0]
    lines = [
        "---",
        f"language: {json.dumps(language)}",
        f"license: {json.dumps(licence)}",
        "library_name: pullquote",
        "pipeline_tag: question-answering",
        "tags:",
        *(f"- {tag}" for tag in tags),
        *(["datasets:", f"- {json.dumps(dataset)}"] if dataset else []),
        *([f"base_model: {json.dumps(base_model)}"] if base_model else []),
        "metrics:",
        "- exact_match",
        "- f1",
        "model-index:",
        f"- name: {json.dumps(name)}",
        "  results:",
        "  - task:",
        "      type: question-answering",
        "    dataset:",
        f"      type: {json.dumps(dataset or 'custom')}",
        f"      name: {json.dumps(part.name)}",
        "    metrics:",
        "    - type: exact_match",
        f"      value: {evaluation.scores.exact:.2f}",
        "    - type: f1",
        f"      value: {evaluation.scores.f1:.2f}",
        "---",
        "",
    ]
    return "\n".join(lines)


def _scores_section(results: Sequence[tuple[Data, Evaluation]], directory: ModelDirectory) -> str:
    config = directory.config
    rows = [
        "| data | questions | EM | F1 | HasAns EM / F1 | NoAns | AvNA |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for part, evaluation in results:
        scores = evaluation.scores
        has, no = scores.has_answer, scores.no_answer
        rows.append(
            f"| {part.name} | {scores.total:,} | {scores.exact:.2f} | {scores.f1:.2f} | "
            f"{f'{has.exact:.2f} / {has.f1:.2f}' if has else '–'} | "
            f"{f'{no.f1:.2f}' if no else '–'} | {scores.avna:.2f} |"
        )
    if config.answerable is None:
        chosen = config.threshold_fitted_on
        rule = (
            f"null logit − best span logit exceeds {config.no_answer_threshold:.4g}, the threshold "
        )
    else:
        chosen = config.answerable_chosen_on
        rule = (
            "no answer is likelier than that its best quote is right, where "
            f"{100 * config.answerable:.4g} % of the questions are expected to have an answer, the "
            "share "
        )
    table = "\n".join(rows)
    return (
        "## Scores\n\n"
        "SQuAD's official arithmetic, in percent, answers of at most "
        f"{config.max_answer_length} tokens.\n\n{table}\n\n"
        f"It abstains when {rule}stored in `reader.json` ({chosen or 'not fitted'}).\n\n"
        + "".join(f"    pullquote evaluate {directory.path.name} {p.name}\n" for p, _ in results)
    )


def _calibration_section(
    results: Sequence[tuple[Data, Evaluation]], directory: ModelDirectory
) -> str:
    calibration = directory.config.calibration
    if not calibration.fitted_on:
        return ""
    answerable = directory.config.answerable
    expected = "half" if answerable is None else f"{100 * answerable:.4g} %"
    rows = [
        "| data | ECE | MacroCE | Brier | AURC | coverage at 80 / 90 / 95 % right |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for part, evaluation in results:
        metrics = evaluation.calibration_metrics["decisions"]
        coverage = " / ".join(f"{100 * share:.1f}" for share in metrics.coverage.values())
        rows.append(
            f"| {part.name} | {metrics.ece:.3f} | {metrics.macro_ce:.3f} | {metrics.brier:.3f} | "
            f"{metrics.aurc:.3f} | {coverage} % |"
        )
    table = "\n".join(rows)
    return (
        "## Trust\n\n"
        f"Scores are probabilities where {expected} of the questions have an answer: how far what "
        "it says (an answer, or that there is none) can be trusted.\n\n"
        f"{table}\n\nCalibrated on {calibration.fitted_on}.\n"
    )


def _size_section(directory: ModelDirectory, results: Sequence[tuple[Data, Evaluation]]) -> str:
    size = sum(file.stat().st_size for file in layout.published(directory.path))
    choice = choose(directory)
    weights = choice.file
    reader = (
        f"pullquote's engine {__version__}"
        if choice.package == "engine"
        else f"{choice.package} {version(choice.package)}"
    )
    kind = "int8 ONNX" if directory.quantized else "ONNX"
    if weights != directory.onnx:
        kind = "packed" if weights == directory.packed else "safetensors"
    parameters = _parameters(directory)
    config = directory.read_config()
    flops = ""
    if {"num_hidden_layers", "hidden_size", "intermediate_size"} <= set(config):
        count = encoder_flops(
            config["num_hidden_layers"],
            config["hidden_size"],
            config["intermediate_size"],
            directory.config.max_length,
        )
        flops = (
            f"- {count / 1e6:,.0f} MFLOP for a window of {directory.config.max_length} tokens.\n"
        )
    part, evaluation = results[0]
    return (
        "## Size and speed\n\n"
        + (f"- {parameters / 1e6:.2f} M parameters.\n" if parameters else "")
        + f"- {size / 2**20:.2f} MiB in all; {weights.name} ({kind}) "
        f"{weights.stat().st_size / 2**20:.2f} MiB.\n{flops}"
        f"- {evaluation.questions_per_second:,.0f} questions a second of {part.name}, in batches, "
        f"with {reader} in {choice.precision} on {_machine()}.\n"
    )


def _training_section(recipe: Recipe | None, directory: ModelDirectory) -> str:
    if recipe is None:
        return ""
    text = recipe.named_only().to_toml()
    verb = "distill" if recipe.teacher else "train"
    return (
        "## How it was made\n\n"
        f"    pullquote {verb} recipe.toml -o {directory.path.name}\n\n"
        f"recipe.toml, whole (seed {recipe.seed}):\n\n```toml\n{text}```\n"
    )


def _parameters(directory: ModelDirectory) -> int | None:
    """The number of parameters: of the safetensors checkpoint, or computed for BERT's shape."""
    if directory.safetensors:
        return open_tensors(directory.safetensors).total_size
    config = directory.read_config()
    if config.get("model_type") != "bert" or "intermediate_size" not in config:
        return None
    rows = config["vocab_size"] + config["max_position_embeddings"] + config["type_vocab_size"]
    return reader_parameters(
        config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"], rows
    )


def _machine() -> str:
    """The name of the processor, and its number of cores."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} cores"
