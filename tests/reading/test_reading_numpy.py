"""The numpy backend: its functions, steadiness, errors, and when it is the one that reads."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pullquote import Reader
from pullquote.checkpoints.directory import ModelDirectory, open_model
from pullquote.checkpoints.encoder_weights import (
    EncoderWeights,
    Layer,
    Linear,
    Nibbles,
    Norm,
    Quantized,
    dequantized,
)
from pullquote.cli import main
from pullquote.errors import InputError, MissingExtraError, ModelError, PullquoteWarning
from pullquote.reading.backends import native_library
from pullquote.reading.backends.choose import as_made, choose, load_backend
from pullquote.reading.backends.numpy import ACTIVATIONS, NumpyBackend, erf
from pullquote.types import Batch

V, P, E, H, INNER = 50, 24, 6, 8, 12


def make_weights(*, words: object = None, seed: int = 0) -> EncoderWeights:
    """Two layers of random weights, as ELECTRA's: embeddings are narrower than the layers."""
    rng = np.random.default_rng(seed)

    def array(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def linear(rows: int, columns: int) -> Linear:
        codes = rng.integers(-63, 64, (rows, columns)).astype(np.int8)
        return Linear(Quantized(codes, np.abs(array(rows)) / 63), array(rows))

    def norm(size: int) -> Norm:
        return Norm(array(size), array(size))

    def layer() -> Layer:
        query, key, value, attention = (linear(H, H) for _ in range(4))
        inner, output = linear(INNER, H), linear(H, INNER)
        return Layer(query, key, value, attention, norm(H), inner, output, norm(H))

    table = array(V, E)
    return EncoderWeights(
        words=table if words is None else words,
        positions=array(P, E),
        types=array(2, E),
        embedding_norm=norm(E),
        projection=linear(H, E),
        layers=(layer(), layer()),
        head=Linear(array(2, H), array(2)),
        heads=2,
        activation="gelu",
        epsilon=1e-12,
    )


def batch(*windows: list[int]) -> Batch:
    longest = max(map(len, windows))
    ids = np.array([window + [0] * (longest - len(window)) for window in windows])
    mask = np.array([[1] * len(window) + [0] * (longest - len(window)) for window in windows])
    types = (np.arange(longest) > 2) * mask
    return Batch(ids, mask, types)


def test_the_error_function() -> None:
    x = np.linspace(-6, 6, 10_001, dtype=np.float32)
    exact = np.array([math.erf(value) for value in x.tolist()])
    assert np.abs(erf(x) - exact).max() < 4.8e-7
    assert erf(np.array([0, -50, 50], dtype=np.float32)).tolist() == [0, -1, 1]


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("gelu", lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
        (
            "gelu_new",
            lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
        ),
        ("relu", lambda x: max(x, 0.0)),
    ],
)
def test_activations(name: str, exact: Callable[[float], float]) -> None:
    x = np.linspace(-8, 8, 1001, dtype=np.float32)
    expected = [exact(value) for value in x.tolist()]
    np.testing.assert_allclose(ACTIVATIONS[name](x), expected, atol=2e-6)


def test_large_scores_do_not_overflow() -> None:
    weights = make_weights()
    (first, *others), rng = weights.layers, np.random.default_rng(3)
    query = Linear(1e4 * rng.normal(size=(H, H)).astype(np.float32), first.query.bias)
    layers = (dataclasses.replace(first, query=query), *others)
    logits = NumpyBackend(dataclasses.replace(weights, layers=layers))(batch([1, 2, 3]))
    assert np.isfinite(logits.start).all()


def test_one_head_of_one_layer_by_hand() -> None:
    """A model of width 2 without a norm's gain: only attention and the residual sum remain."""
    rng = np.random.default_rng(1)

    def linear(values: object) -> Linear:
        weight = np.array(values, dtype=np.float32)
        return Linear(weight, np.zeros(len(weight), np.float32))

    plain, nothing = Norm(np.ones(2, np.float32), np.zeros(2, np.float32)), np.zeros((2, 2))
    query, key, value = (rng.normal(size=(2, 2)) for _ in range(3))
    layer = Layer(
        linear(query), linear(key), linear(value), linear(np.eye(2)), plain,
        linear(nothing), linear(nothing), plain,
    )  # fmt: skip
    words = rng.normal(size=(4, 2)).astype(np.float32)
    weights = EncoderWeights(
        words, np.zeros((3, 2), np.float32), None, plain, None, (layer,), linear(np.eye(2)),
        heads=1, activation="relu", epsilon=1e-12,
    )  # fmt: skip

    def norm(x: np.ndarray) -> np.ndarray:  # of two numbers: the larger is 1, the other -1
        return np.where(x == x.max(axis=1, keepdims=True), 1.0, -1.0)

    x = norm(words[[3, 0, 2]])
    scores = (x @ query.T) @ (x @ key.T).T / math.sqrt(2)
    attention = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = norm(norm(x + attention @ (x @ value.T)))
    logits = NumpyBackend(weights)(batch([3, 0, 2]))
    np.testing.assert_allclose(np.stack([logits.start[0], logits.end[0]], axis=1), expected, 1e-5)


def test_a_batch_gives_what_its_windows_give_alone_to_the_bit() -> None:
    backend = NumpyBackend(make_weights())
    windows = [list(range(n, n + length)) for n, length in enumerate([5, 24, 1, 17])]
    together = backend(batch(*windows))
    assert together.start.shape == together.end.shape == (4, 24)
    assert together.start.dtype == np.float32
    for row, window in enumerate(windows):
        alone, T = backend(batch(window)), len(window)
        np.testing.assert_array_equal(alone.start[0], together.start[row, :T])
        np.testing.assert_array_equal(alone.end[0], together.end[row, :T])
        assert not np.array_equal(alone.start, alone.end)


def test_weights_are_not_changed_by_reading() -> None:
    """Arithmetic is done in place, and weights may be views of a file."""
    weights = make_weights()
    before = [array.copy() for array in (weights.words, weights.positions, weights.head.weight)]
    backend = NumpyBackend(weights)
    first, second = backend(batch([4, 5, 6])), backend(batch([4, 5, 6]))
    np.testing.assert_array_equal(first.start, second.start)
    for old, new in zip(
        before, (weights.words, weights.positions, weights.head.weight), strict=True
    ):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kind", ["4 bits", "8 bits"])
def test_packed_words_read_as_their_float32_form(kind: str) -> None:
    rng = np.random.default_rng(2)
    scales = np.abs(rng.normal(size=V)).astype(np.float32)
    table = (
        Nibbles(rng.integers(0, 256, (V, E // 2)).astype(np.uint8), scales)
        if kind == "4 bits"
        else Quantized(rng.integers(-127, 128, (V, E)).astype(np.int8), scales)
    )
    one, other = (
        NumpyBackend(make_weights(words=words))(batch([3, 49, 0, 7]))
        for words in (table, dequantized(table))
    )
    np.testing.assert_array_equal(one.start, other.start)


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([[V]], "token ids 50 to 50, the model has 0 to 49"),
        ([[1, -1]], "token ids -1 to 1, the model has 0 to 49"),
        ([[1] * (P + 1)], "positions 0 to 24, the model has 0 to 23"),
    ],
)
def test_batches_that_the_model_cannot_read(windows: list[list[int]], found: str) -> None:
    with pytest.raises(ModelError, match=f"{found}. Do tokenizer.json and the weights"):
        NumpyBackend(make_weights())(batch(*windows))


def test_token_types_that_the_model_does_not_have() -> None:
    given = batch([1, 2, 3])
    given = dataclasses.replace(given, token_type_ids=np.full_like(given.token_type_ids, 2))
    with pytest.raises(ModelError, match="token types 2 to 2, the model has 0 to 1"):
        NumpyBackend(make_weights())(given)
    NumpyBackend(dataclasses.replace(make_weights(), types=None))(given)  # DistilBERT has none


# ---- which weights win


@pytest.fixture
def forms(tmp_path: Path, make_model: Callable[..., Path]) -> Path:
    """A directory with all three forms; contents do not matter for the choice."""
    path = make_model(tmp_path / "forms", hidden_act="gelu")
    for name in ("packed.safetensors", "model.safetensors"):
        (path / name).write_bytes(b"weights")
    return path


@pytest.fixture(params=["engine", "numpy"])
def own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What reads where nothing else is needed: with an engine and without."""
    monkeypatch.setattr(native_library, "available", lambda: request.param == "engine")
    return str(request.param)


def chosen(path: Path, device: str = "cpu", precision: str = "auto") -> tuple[str, str, str]:
    choice = choose(open_model(path), device, precision)
    return choice.file.name, choice.package, choice.precision


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if these were not installed, and all others were."""
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in packages else object()
    )


def test_the_order_of_forms_on_a_cpu(
    forms: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "torch")
    precision = {"engine": "int8", "numpy": "fp32"}[own]
    assert chosen(forms) == ("packed.safetensors", own, precision)
    (forms / "packed.safetensors").unlink()
    assert chosen(forms) == ("model.onnx", "onnxruntime", "fp32")
    (forms / "model.onnx").unlink()
    assert chosen(forms) == ("model.safetensors", own, precision)


def test_torch_reads_bert_like_checkpoints_only_where_there_is_no_engine(
    forms: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch)
    (forms / "packed.safetensors").unlink()
    (forms / "model.onnx").unlink()
    reader = {"engine": "engine", "numpy": "torch"}[own]
    assert chosen(forms, precision="fp32") == ("model.safetensors", reader, "fp32")
    assert chosen(forms)[1] == reader


def test_fp32_reads_what_is_rounded_least(
    forms: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "torch")
    assert chosen(forms, precision="fp32") == ("model.safetensors", own, "fp32")
    (forms / "model.safetensors").unlink()
    assert chosen(forms, precision="fp32") == ("model.onnx", "onnxruntime", "fp32")
    (forms / "model.onnx").unlink()
    assert chosen(forms, precision="fp32") == ("packed.safetensors", own, "fp32")


def test_int8_takes_the_first_that_is_read_in_int8(
    forms: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch)
    if own == "engine":
        assert chosen(forms, precision="int8") == ("packed.safetensors", "engine", "int8")
        (forms / "packed.safetensors").unlink()  # model.onnx is fp32
        assert chosen(forms, precision="int8") == ("model.safetensors", "engine", "int8")
    else:
        message = r"has packed\.safetensors, read by numpy in fp32; use 'auto'.* compiled engine"
        with pytest.raises(InputError, match=message):
            chosen(forms, precision="int8")
    (forms / "model.safetensors").unlink()
    (forms / "packed.safetensors").unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"has model\.onnx, read by onnxruntime in fp32"):
        chosen(forms, precision="int8")


def test_a_quantised_onnx_file_is_read_in_int8(
    forms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch)
    monkeypatch.setattr(ModelDirectory, "quantized", property(lambda self: True))
    (forms / "packed.safetensors").unlink()
    assert chosen(forms) == ("model.onnx", "onnxruntime", "int8")
    assert chosen(forms, precision="int8")[0] == "model.onnx"
    assert chosen(forms, precision="fp32")[0] == "model.safetensors"
    (forms / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"precision is 'fp32', but .*forms has model\.onnx, read"):
        chosen(forms, precision="fp32")


def test_an_unknown_precision_is_named(forms: Path) -> None:
    with pytest.raises(InputError, match="precision is 'fp16', expected auto, fp32, int8"):
        chosen(forms, precision="fp16")


def test_code_that_promises_the_logits_of_transformers_rounds_no_checkpoint(
    forms: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "onnxruntime")
    assert as_made(open_model(forms)) == "auto"  # packed weights were made for int8
    (forms / "packed.safetensors").unlink()
    assert as_made(open_model(forms)) == "fp32"


def test_without_onnxruntime_a_checkpoint_wins(
    forms: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "torch", "onnxruntime")
    (forms / "packed.safetensors").unlink()
    assert chosen(forms)[:2] == ("model.safetensors", own)
    (forms / "model.safetensors").unlink()
    assert chosen(forms)[:2] == ("model.onnx", "onnxruntime")
    with pytest.raises(MissingExtraError, match=r"onnxruntime, which reads .*model\.onnx.*onnx\]"):
        load_backend(open_model(forms), "cpu", None)


def test_other_families_need_torch(forms: Path, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch", "onnxruntime")
    config = (forms / "config.json").read_text().replace('"bert"', '"deberta-v2"')
    (forms / "config.json").write_text(config)
    (forms / "packed.safetensors").unlink()
    assert chosen(forms) == ("model.safetensors", "torch", "fp32")
    message = (
        r"torch, which reads .*model\.safetensors \(pullquote does not: the model type 'deberta-v2'"
    )
    with pytest.raises(MissingExtraError, match=message):
        load_backend(open_model(forms), "cpu", None)


def test_other_devices_take_the_checkpoint(forms: Path) -> None:
    assert chosen(forms, "cuda:1") == ("model.safetensors", "torch", "fp32")
    with pytest.raises(InputError, match="on the CPU"):
        chosen(forms, "cuda:1", "int8")
    (forms / "model.safetensors").unlink()
    assert chosen(forms, "cuda:1") == ("model.onnx", "onnxruntime", "fp32")
    (forms / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"'cuda:1' is not available for .*forms: packed weights"):
        chosen(forms, "cuda:1")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where the engine was not built, and nobody has switched it off."""
    monkeypatch.setattr(native_library, "_CHOSEN", None)
    monkeypatch.setattr(native_library, "LIBRARY", Path("no-engine.so"))
    native_library.warn_if_missing.cache_clear()
    yield
    native_library.warn_if_missing.cache_clear()


@pytest.mark.packed
def test_the_first_reader_without_an_engine_says_how_to_get_it(no_engine: None) -> None:
    with pytest.warns(PullquoteWarning, match=r"no compiled engine, so that numpy .* pip install"):
        assert type(Reader("tiny").backend) is NumpyBackend
    Reader("tiny")  # a second warning would be an error


@pytest.mark.packed
def test_models_says_how_to_get_the_engine(
    no_engine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["models"])
    out, errors = capsys.readouterr()
    assert " numpy " in out
    assert errors.startswith("pullquote: note: this installation has no compiled engine")
    assert errors.count("\n") == 1


@pytest.mark.packed
def test_an_engine_that_was_switched_off_is_not_missed(
    no_engine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_library, "_CHOSEN", "off")
    assert type(Reader("tiny").backend) is NumpyBackend


@pytest.mark.parametrize("value", ["off", "", "elsewhere.so"])
def test_the_environment_switches_the_engine_off_or_names_another(value: str) -> None:
    code = "from pullquote.reading.backends import native_library as n; print(n.available())"
    environment = {**os.environ, "PULLQUOTE_ENGINE": value}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    built = Path(native_library.__file__).with_name("_engine").is_dir()
    assert done.stdout.strip() == str({"off": False, "": built, "elsewhere.so": True}[value])
