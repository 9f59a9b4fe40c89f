"""Tiny models to damage: a BERT of two layers in both forms, with three kinds of tokenizer."""

from __future__ import annotations

import json
import string
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from pullquote.checkpoints.encoder_weights import Nibbles, Quantized
from pullquote.checkpoints.packed import write_packed
from pullquote.checkpoints.tensor_file import write_tensors
from pullquote.settings import ReaderConfig

CONTEXT = "The Norse, led by Rollo, came from the sea. The river rises in the hills and ends there."
QUESTION = "Who led the Norse?"
SETTINGS = ReaderConfig(max_length=32, overlap=8, max_question_length=12, max_answer_length=4)
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
_HIDDEN, _INTERMEDIATE, _POSITIONS = 16, 24, 40


def tokenizers() -> dict[str, Tokenizer]:
    """One of each kind: BERT's word pieces, RoBERTa's bytes, ALBERT's pieces of sentences."""
    words = [*_SPECIAL, *string.punctuation, *string.ascii_lowercase]
    words += [f"##{letter}" for letter in string.ascii_lowercase] + CONTEXT.lower().split()
    wordpiece = Tokenizer(
        models.WordPiece({w: n for n, w in enumerate(dict.fromkeys(words))}, unk_token="[UNK]")
    )
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bytes_ = Tokenizer(models.BPE())
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _train(bytes_, trainers.BpeTrainer, vocab_size=300, initial_alphabet=alphabet)
    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.NFKC()
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    _train(unigram, trainers.UnigramTrainer, vocab_size=60, unk_token="[UNK]")
    for tokenizer in (wordpiece, bytes_, unigram):
        tokenizer.add_special_tokens(_SPECIAL)
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
        )
    return {"wordpiece": wordpiece, "bytes": bytes_, "unigram": unigram}


def _train(tokenizer: Tokenizer, trainer: Any, **options: Any) -> None:
    trainer = trainer(special_tokens=_SPECIAL, show_progress=False, **options)
    tokenizer.train_from_iterator([CONTEXT, QUESTION], trainer)


def write_model(directory: Path, tokenizer: Tokenizer) -> Path:
    """A model directory with both forms of weights."""
    directory.mkdir()
    weights = _weights(tokenizer.get_vocab_size())
    write_tensors(directory / "model.safetensors", weights, {"format": "pt"})
    packed: dict[str, Any] = {}
    for name, values in weights.items():
        packed[name] = values
        if "word_embeddings" in name:
            codes = np.random.default_rng(1).integers(0, 256, (len(values), _HIDDEN // 2), np.uint8)
            packed[name] = Nibbles(codes, np.full(len(values), 0.1, np.float32))
        elif ".layer." in name and values.ndim == 2:
            scales = np.abs(values).max(axis=1) / 63
            packed[name] = Quantized(np.rint(values / scales[:, None]).astype(np.int8), scales)
    write_packed(directory / "packed.safetensors", packed, tables=set())
    config = {
        **{"model_type": "bert", "vocab_size": tokenizer.get_vocab_size(), "hidden_act": "gelu"},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "type_vocab_size": 2},
        **{"max_position_embeddings": _POSITIONS, "layer_norm_eps": 1e-12, "pad_token_id": 0},
    }
    _write(directory / "config.json", config)
    settings = {"model_max_length": 40, "padding_side": "right", "model_input_names": ["input_ids"]}
    _write(directory / "tokenizer_config.json", settings)
    _write(directory / "reader.json", {"format": 2, **asdict(SETTINGS)})
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    return directory


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _weights(vocabulary: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    weights = {}

    def linear(name: str, out: int, into: int) -> None:
        weights[f"{name}.weight"] = rng.normal(size=(out, into)).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(size=out).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = np.ones(_HIDDEN, np.float32)
        weights[f"{name}.bias"] = np.zeros(_HIDDEN, np.float32)

    for table, rows in (("word", vocabulary), ("position", _POSITIONS), ("token_type", 2)):
        values = rng.normal(size=(rows, _HIDDEN)).astype(np.float32)
        weights[f"bert.embeddings.{table}_embeddings.weight"] = values
    norm("bert.embeddings.LayerNorm")
    for n in range(2):
        layer = f"bert.encoder.layer.{n}."
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(f"{layer}attention.{part}", _HIDDEN, _HIDDEN)
        norm(f"{layer}attention.output.LayerNorm")
        linear(f"{layer}intermediate.dense", _INTERMEDIATE, _HIDDEN)
        linear(f"{layer}output.dense", _HIDDEN, _INTERMEDIATE)
        norm(f"{layer}output.LayerNorm")
    linear("qa_outputs", 2, _HIDDEN)
    return weights
