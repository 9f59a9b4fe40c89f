"""Fuzz targets: each makes one random case and reads it. A house error is a fine outcome.

A case says "read" or "refused"; anything else that it raises is a bug. Cases are made by a random
generator alone, so that a number names one.
"""

from __future__ import annotations

import json
import random
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from damage import damaged, damaged_json, damaged_value
from indexes import Indexes
from models import CONTEXT, QUESTION, tokenizers, write_model

from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.onnx_metadata import QUANTIZATION, quantization
from pullquote.checkpoints.read_weights import read_weights
from pullquote.checkpoints.tensor_file import open_tensors
from pullquote.errors import PullquoteError, PullquoteWarning
from pullquote.reading.backends import Backend, native_library
from pullquote.reading.backends.native import NativeBackend
from pullquote.reading.backends.numpy import NumpyBackend
from pullquote.reading.reader import Reader

_FILES = ("config.json", "tokenizer_config.json", "reader.json")
# of texts that break tokenizers and offsets
_ALPHABETS = [
    *("ab ", "The Norse, Rollo ", ".,;:!?()[]{}'\"-–— ", "0123456789 %€$.,"),
    *("\u200d\u200b\u200c\ufeff\u00ad", "\u0301\u0308\u20dd\u0e47", "\0\x01\x07\x1b\x7f\x85"),
    *(
        "\ud800\udfff\udc00",
        "👩👧🏽\u200d❤️🇫🇷",
        "東京の川は",
        "שלום\u202e\u2066",
        "İıßſﬀK",
        "\n\r\t\u2028\u00a0 ",
    ),
]
# runs of these once cost more than their length, or were one token each
_PIECES = [
    *(
        "東\u200d",
        "e\u0301",
        "😀\u200d",
        "🇫",
        "한\u1161",
        "a\u0316",
        " ",
        "\u00a0",
        "\n",
        "(",
        "1-",
    ),
    *("[UNK] ", "[SEP]", "[CLS] [PAD]", "##a ", "x" * 101 + " ", "x" * 5000, "\ud800 ", "。", "@a"),
]
_SECONDS, _PER_CHARACTER = 1.0, 0.001
"""Processor time that a question may take: some times what the slowest takes by itself."""


class Targets:
    """The targets, with the models that they damage below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = {
            name: write_model(folder / name, tokenizer) for name, tokenizer in tokenizers().items()
        }
        self.model = self.models["wordpiece"]
        self._readers: dict[tuple[str, type], Reader] = {}
        self._indexes: Indexes | None = None
        self.all: dict[str, Callable[[random.Random], str]] = {
            "settings": self.settings,
            "tokenizer": self.tokenizer,
            "packed": self.packed,
            "checkpoint": self.checkpoint,
            "shards": self.shards,
            "onnx": self.onnx,
            "texts": self.texts,
            "indexes": self.indexes,
        }

    def settings(self, rng: random.Random) -> str:
        """config.json, tokenizer_config.json and reader.json."""
        copy = self._copy(self.model)
        for name in rng.sample(_FILES, rng.choice([1, 1, 2])):
            value = json.loads((self.model / name).read_text("utf-8"))
            (copy / name).write_bytes(damaged_json(rng, value))
        return _reads(copy, rng)

    def tokenizer(self, rng: random.Random) -> str:
        """tokenizer.json, of three kinds."""
        model = self.models[rng.choice(list(self.models))]
        copy = self._copy(model)
        value = json.loads((model / "tokenizer.json").read_text("utf-8"))
        # the parts beside the vocabulary, which is the longest
        parts = [name for name in value if name not in ("model", "version")]
        if rng.random() < 0.5:
            part = rng.choice(parts)
            value[part] = damaged_value(rng, value[part])
            text = json.dumps(value).encode()
        else:
            text = damaged_json(rng, value)
        (copy / "tokenizer.json").write_bytes(text)
        return _reads(copy, rng)

    def packed(self, rng: random.Random) -> str:
        """packed.safetensors."""
        copy = self._copy(self.model)
        _damage_tensors(rng, copy / "packed.safetensors")
        return _reads(copy, rng)

    def checkpoint(self, rng: random.Random) -> str:
        """model.safetensors."""
        copy = self._copy(self.model)
        (copy / "packed.safetensors").unlink()
        _damage_tensors(rng, copy / "model.safetensors")
        return _reads(copy, rng)

    def shards(self, rng: random.Random) -> str:
        """model.safetensors.index.json, and the files that it names."""
        copy = self._copy(self.model)
        (copy / "packed.safetensors").unlink()
        (copy / "model.safetensors").rename(copy / "model-1.safetensors")
        index = copy / "model.safetensors.index.json"
        names = list(open_tensors(copy / "model-1.safetensors"))
        value = {"weight_map": dict.fromkeys(names, "model-1.safetensors")}
        value["weight_map"]["x"] = rng.choice([index.name, ".", "..", "a" * 300, "config.json"])
        if rng.random() < 0.7:
            del value["weight_map"]["x"]
        index.write_bytes(damaged_json(rng, value))
        return _reads(copy, rng)

    def onnx(self, rng: random.Random) -> str:
        """The metadata of an ONNX file, which are read without ONNX."""
        entry = _field(1, QUANTIZATION.encode()) + _field(
            2, damaged_json(rng, {"format": 1, "words": 4, "layers": 8, "weights": ["a"]})
        )
        data = _field(8, _field(1, b"com.microsoft")) + _field(7, bytes(50)) + _field(14, entry)
        path = self.folder / "model.onnx"
        path.write_bytes(damaged(rng, data) if rng.random() < 0.5 else data)
        return _outcome(lambda: quantization(path))

    def texts(self, rng: random.Random) -> str:
        """A question on a context, by every tokenizer, the engine and numpy, and by `tiny`."""
        name = rng.choice([*self.models, "tiny"])
        reader = self._reader(name, rng.choice(_backends()))
        question, context = _text(rng, 40), _text(rng, 400)
        began = time.process_time()

        def answers() -> None:
            prediction = reader.answer(question, context, top_k=rng.choice([1, 5, 20]))
            ends = [0]
            for answer in sorted(prediction.answers, key=lambda answer: answer.start):
                assert ends[-1] <= answer.start < answer.end, prediction
                assert answer.text == context[answer.start : answer.end], answer
                assert 0 <= answer.score <= 1, answer
                ends.append(answer.end)
            assert 0 <= prediction.no_answer_score <= 1, prediction

        outcome = _outcome(answers)
        taken = time.process_time() - began
        allowed = _SECONDS + _PER_CHARACTER * (len(question) + len(context))
        assert taken < allowed, f"{taken:.1f} s for {len(context):,} characters: {context[:20]!r}"
        return outcome

    def indexes(self, rng: random.Random) -> str:
        """The file of an index, and those beside it."""
        if self._indexes is None:
            self._indexes = Indexes(self.folder, self._reader("tiny", _backends()[-1]))
        return self._indexes.case(rng)

    def _copy(self, model: Path) -> Path:
        copy = self.folder / "case"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(model, copy)
        return copy

    def _reader(self, name: str, backend: type) -> Reader:
        if (name, backend) not in self._readers:
            model = self.models.get(name, name)
            weights = read_weights(open_model(model))
            self._readers[name, backend] = Reader(model, backend=backend(weights))
        return self._readers[name, backend]


def _backends() -> list[Any]:
    return [NumpyBackend, NativeBackend] if native_library.available() else [NumpyBackend]


def _outcome(run: Callable[[], object]) -> str:
    try:
        with warnings.catch_warnings():
            # damaged weights may overflow, which is a wrong answer and no harm
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("ignore", PullquoteWarning)
            run()
    except PullquoteError as error:
        message = str(error)
    else:
        return "read"
    assert 10 < len(message) < 2000, f"a message of {len(message):,} characters"
    return "refused"


def _reads(directory: Path, rng: random.Random) -> str:
    """Open a model by the engine or numpy, and ask it."""
    backend = rng.choice(_backends())

    def reads() -> None:
        model = open_model(directory)
        assert model.model_max_length > 0
        made: Backend = backend(read_weights(model))
        reader = Reader(directory, backend=made)
        reader.answer(QUESTION, CONTEXT)

    return _outcome(reads)


def _damage_tensors(rng: random.Random, path: Path) -> None:
    """Damage a safetensors file: its header as JSON or as bytes, its length, or any byte."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length], data[8 + length :]
    match rng.randrange(6):
        case 0 | 1:
            header = json.dumps(damaged_value(rng, json.loads(header))).encode()
        case 2:
            header = damaged(rng, header)
        case 3:
            path.write_bytes(damaged(rng, data))
            return
        case 4:
            length = rng.choice([0, 1, length - 1, length + 1, len(data), 2**63, 2**64 - 1])
            path.write_bytes(length.to_bytes(8, "little") + header + body)
            return
        case _:
            changed = bytearray(body)
            for _ in range(rng.randint(1, 20)):
                at = rng.randrange(len(changed) - 3)
                changed[at : at + 4] = rng.choice([bytes(4), b"\xff" * 4, b"\0\0\x80\x7f"])
            body = bytes(changed)
    path.write_bytes(len(header).to_bytes(8, "little") + header + body)


def _field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message with bytes of any length below 2^14."""
    length = bytes([len(content) & 127 | 128, len(content) >> 7])
    return bytes([number << 3 | 2]) + length + content


def _text(rng: random.Random, most: int) -> str:
    """Up to about `most` characters out of a few alphabets, in runs; rarely many of one kind."""
    if rng.random() < 0.02:
        return rng.choice(rng.choice(_ALPHABETS)) * rng.choice([1, 300, 4000])
    if rng.random() < 0.05:
        piece = "".join(rng.choices(_PIECES, k=rng.choice([1, 1, 2, 3])))
        return piece * (rng.choice([50, 50, 800, 4000]) // len(piece) + 1)
    alphabets = rng.sample(_ALPHABETS, rng.randint(1, 4))
    out = ""
    length = rng.randint(0, most)
    while len(out) < length:
        alphabet = rng.choice(alphabets)
        out += "".join(rng.choices(alphabet, k=rng.randint(1, 12)))
        if rng.random() < 0.3:
            out += rng.choice([" ", CONTEXT, QUESTION])
    return out
