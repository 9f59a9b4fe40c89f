"""Tiny models, made here: three kinds of tokenizer, an ONNX file, and a checkpoint to train."""

from __future__ import annotations

import builtins
import itertools
import json
import signal
import string
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import hypothesis
import numpy as np
import pytest
from tokenizers import (
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from lessons import lesson, make_recipe
from opensearch_server import OpenSearchServer
from postgres_server import PostgresServer
from pullquote.data.formats import save
from pullquote.settings import ReaderConfig
from pullquote.training.recipe import Recipe

# timing never fails a test
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

# A shell's background job ignores Ctrl-C and hands that down; tests that send one want it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Room for 21 context tokens and more, so that a sentence or two already need several windows.
TINY = ReaderConfig(max_length=32, overlap=8, max_question_length=8, max_answer_length=4)

WORDS = (
    "who what when where led the norse by rollo came from sea river rises in hills and ends at "
    "an of to is was city year it he she they not duke king land water old new long great"
)
PROSE = [
    "The Norse, led by Rollo, came by sea and settled in the north of France in 911.",
    "The river rises in the hills and ends at the sea; it is 230 km long.",
    "Who led the Norse? Rollo did. Where did they settle? In Normandy.",
    "A duke of the old land was not a king, and the king was not a duke.",
    "Cafés, naïve façades: Zürich, Kraków and São Paulo are cities of two rivers each.",
] * 4

MakeModel: TypeAlias = Callable[..., Path]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


_numbers = itertools.count(1)


@pytest.fixture
def new_url(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an index that is not there yet; what is kept of it is kept in a folder."""
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "cache"))
    return postgres.url(f"index_{next(_numbers)}")


@pytest.fixture(scope="session")
def osmem() -> Iterator[OpenSearchServer]:
    with OpenSearchServer() as server:
        yield server


@pytest.fixture
def opensearch_url(osmem: OpenSearchServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a server, which OPENSEARCH_URL names."""
    monkeypatch.setenv("OPENSEARCH_URL", osmem.url)
    return osmem.url


@pytest.fixture
def no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra `report` were not installed."""
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.fixture(scope="session")
def tiny_config() -> ReaderConfig:
    return TINY


@pytest.fixture(scope="session")
def wordpiece() -> Tokenizer:
    """`[CLS] question [SEP] context [SEP]`, lower case, without accents, as BERT's."""
    characters = string.ascii_lowercase + string.digits
    vocabulary = [
        *("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
        *string.punctuation,
        *characters,
        *(f"##{character}" for character in characters),
        *WORDS.split(),
    ]
    ids = {token: id for id, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return _joined_like_bert(tokenizer)


@pytest.fixture(scope="session")
def byte_level() -> Tokenizer:
    """`<s> question </s></s> context </s>`, pieces of bytes, as RoBERTa's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROSE, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


@pytest.fixture(scope="session")
def unigram() -> Tokenizer:
    """`[CLS] question [SEP] context [SEP]`, pieces with the blank before a word, as ALBERT's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        unk_token="[UNK]",
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROSE, trainer)
    return _joined_like_bert(tokenizer)


def _joined_like_bert(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


@pytest.fixture(scope="session", params=["wordpiece", "byte_level", "unigram"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """Each of the three, one after another."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def onnx_bytes(wordpiece: Tokenizer) -> bytes:
    """A model of one embedding and one matrix, with random weights."""
    from onnx import TensorProto, helper

    rng = np.random.default_rng(0)
    rows, width = wordpiece.get_vocab_size(), 4

    def constant(name: str, value: np.ndarray) -> object:
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        return helper.make_tensor(name, kind, value.shape, value.tobytes(), raw=True)

    def values(kind: int, *names: str) -> list[object]:
        return [helper.make_tensor_value_info(name, kind, ["B", "T"]) for name in names]

    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["embeddings", "input_ids"], ["x"]),  # (B, T, 4)
            helper.make_node("MatMul", ["x", "head"], ["logits"]),  # (B, T, 2)
            helper.make_node("Split", ["logits"], ["start", "end"], axis=2, num_outputs=2),
            helper.make_node("Squeeze", ["start", "last"], ["start_logits"]),  # (B, T)
            helper.make_node("Squeeze", ["end", "last"], ["end_logits"]),  # (B, T)
        ],
        "tiny",
        values(TensorProto.INT64, "input_ids", "attention_mask", "token_type_ids"),
        values(TensorProto.FLOAT, "start_logits", "end_logits"),
        [
            constant("embeddings", rng.normal(size=(rows, width)).astype(np.float32)),
            constant("head", rng.normal(size=(width, 2)).astype(np.float32)),
            constant("last", np.array([2])),
        ],
    )
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    return model.SerializeToString()


@pytest.fixture(scope="session")
def make_model(wordpiece: Tokenizer, onnx_bytes: bytes) -> MakeModel:
    """Write a tiny model directory; keywords are settings of its config.json."""

    def make_model(path: Path, tokenizer: Tokenizer = wordpiece, **config: object) -> Path:
        path.mkdir()
        config = {"model_type": "bert", "vocab_size": tokenizer.get_vocab_size(), **config}
        (path / "config.json").write_text(json.dumps(config))
        (path / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
        (path / "reader.json").write_text(json.dumps(asdict(TINY)))
        (path / "model.onnx").write_bytes(onnx_bytes)
        return path

    return make_model


@pytest.fixture
def model_dir(tmp_path: Path, make_model: MakeModel) -> Path:
    """A model directory of one's own to read with, or to break."""
    return make_model(tmp_path / "model")


@pytest.fixture(scope="session")
def base(wordpiece: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT checkpoint of a few thousand random weights, with a head."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

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
    (directory / "reader.json").write_text(json.dumps(asdict(TINY)))
    return directory


@pytest.fixture(scope="session")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training and tune data as files; a third of the questions is unanswerable."""
    folder = tmp_path_factory.mktemp("lessons")
    save(lesson(60), folder / "train.jsonl")
    save(lesson(60, first=100), folder / "tune.jsonl")
    return folder / "train.jsonl", folder / "tune.jsonl"


@pytest.fixture
def recipe(base: Path, lessons: tuple[Path, Path]) -> Recipe:
    """A run of a second or two that learns the lesson."""
    return make_recipe(base, lessons)
