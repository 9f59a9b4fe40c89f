"""A base encoder of a few thousand weights, and a little data about it that can be learned."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import transformers
from lessons import lesson, make_recipe
from tokenizers import Tokenizer

from pullquote.data.formats import save
from pullquote.training.recipe import Recipe
from pullquote.types import ReaderConfig


@pytest.fixture(scope="session")
def base(
    wordpiece: Tokenizer, tiny_config: ReaderConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A checkpoint with random weights and a head."""
    directory = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=wordpiece.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=2,
        num_hidden_layers=2,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    transformers.BertForQuestionAnswering(config).save_pretrained(directory)
    wordpiece.save(str(directory / "tokenizer.json"))
    (directory / "reader.json").write_text(json.dumps(asdict(tiny_config)))
    return directory


@pytest.fixture(scope="session")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training and tune data as files."""
    folder = tmp_path_factory.mktemp("lessons")
    save(lesson(60), folder / "train.jsonl")
    save(lesson(30, first=100), folder / "tune.jsonl")
    return folder / "train.jsonl", folder / "tune.jsonl"


@pytest.fixture
def recipe(base: Path, lessons: tuple[Path, Path]) -> Recipe:
    """A run of a second or two that learns the lesson."""
    return make_recipe(base, lessons)
