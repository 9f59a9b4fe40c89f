"""The engine's logits beside those of the numpy backend, for every family and all kernels."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import psutil
import pytest
from engine_helpers import forward_int8, quantised, random_weights

from pullquote.checkpoints.directory import bundled_models, open_model
from pullquote.checkpoints.encoder_weights import Linear, Quantized, Sevens
from pullquote.checkpoints.packed import pack7
from pullquote.checkpoints.read_weights import read_weights
from pullquote.publishing.rounding import quantize_array
from pullquote.reading.backends import choose
from pullquote.reading.backends.native import NativeBackend
from pullquote.reading.backends.native_library import LIBRARY, kernels
from pullquote.reading.backends.numpy import NumpyBackend
from pullquote.types import Batch

pytestmark = pytest.mark.skipif(not LIBRARY.is_file(), reason="no engine here: make engine")
KERNELS = kernels() if LIBRARY.is_file() else ()

SHAPES: dict[str, dict[str, Any]] = {
    "bert": {"hidden": 128, "heads": 2, "intermediate": 512, "layers": 2},
    "minilm": {"hidden": 96, "heads": 3, "intermediate": 384, "words": "nibbles"},
    "distilbert": {"hidden": 48, "heads": 3, "types": 0, "words": "int8"},
    "electra": {"hidden": 64, "heads": 4, "embedding": 24},
    "roberta": {"hidden": 80, "heads": 5, "types": 1, "intermediate": 200},
    "integers": {"hidden": 64, "heads": 2, "integers": True},
    "gelu_new": {"activation": "gelu_new"},
    "relu": {"activation": "relu"},
    "odd": {"hidden": 35, "heads": 7, "intermediate": 71, "embedding": 13},
    "one": {"hidden": 3, "heads": 3, "intermediate": 1, "layers": 3},
    "one head": {"hidden": 130, "heads": 1, "intermediate": 257, "layers": 1},
}
LENGTHS = (1, 2, 15, 16, 17, 33, 40)


def windows(vocabulary: int = 50, types: int = 2) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(5)
    ids = rng.integers(0, vocabulary, sum(LENGTHS))
    return ids, rng.integers(0, max(types, 1), sum(LENGTHS)), np.array(LENGTHS)


def expected(weights: Any, *, int8: bool = False) -> Any:
    ids, types, lengths = windows(types=0 if weights.types is None else len(weights.types))
    ends = np.cumsum(lengths)[:-1]
    pairs = zip(np.split(ids, ends), np.split(types, ends), strict=True)
    read = forward_int8 if int8 else forward
    return np.concatenate([read(weights, *pair) for pair in pairs])  # (N, 2)


def forward(weights: Any, ids: Any, types: Any) -> Any:
    logits = NumpyBackend(weights)(Batch(ids[None], np.ones_like(ids[None]), types[None]))
    return np.stack([logits.start[0], logits.end[0]], axis=1)  # (T, 2)


def logits(backend: NativeBackend, types: int, threads: int = 1) -> Any:
    return np.stack(backend.read(*windows(types=types), threads=threads), axis=1)  # (N, 2)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_fp32_is_what_numpy_reads(shape: str, name: str) -> None:
    weights = random_weights(**SHAPES[shape])
    found = logits(
        NativeBackend(weights, precision="fp32", kernels=name), SHAPES[shape].get("types", 2)
    )
    assert np.abs(found - expected(weights)).max() < 1e-4


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_int8_is_the_forward_pass_with_rounded_products(shape: str, name: str) -> None:
    """Sums in another order move a rounding here and there, and with it the ones that follow."""
    weights = random_weights(**SHAPES[shape])
    found = logits(NativeBackend(weights, kernels=name), SHAPES[shape].get("types", 2))
    wanted = expected(weights, int8=True)
    difference = np.abs(found - wanted)
    assert np.median(difference) < 0.5 * np.median(np.abs(wanted - expected(weights)))
    assert difference.max() < 0.2 * wanted.std()


@pytest.mark.parametrize("columns", [1, 4, 35, 128, 1537])
def test_integer_sums_are_the_same_on_all_kernels(linear: Any, columns: int) -> None:
    """Rows of whole numbers with a largest of 127 have a scale of 1: products are exact."""
    rng = np.random.default_rng(columns)
    x = rng.integers(-127, 128, (13, columns))
    x[:, 0] = 127
    x[0] = 127
    codes = rng.integers(-63, 64, (70, columns))
    codes[0], codes[1] = 63, -63  # the sums that are the first to overflow
    for name in KERNELS:
        assert np.array_equal(linear(codes, x, name), x @ codes.T), name


@pytest.mark.parametrize("name", KERNELS)
def test_floats_are_rounded_as_the_published_models_are(name: str) -> None:
    weights = random_weights(hidden=64, heads=2)
    rounded = random_weights(hidden=64, heads=2, integers=True)
    first = logits(NativeBackend(weights, kernels=name), 2)
    assert np.array_equal(first, logits(NativeBackend(rounded, kernels=name), 2))


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_batched_equals_alone_and_one_thread_equals_two(name: str, precision: str) -> None:
    weights = random_weights(hidden=64, heads=2)
    backend = NativeBackend(weights, precision=precision, kernels=name, threads=2)
    ids, types, lengths = windows()
    together = logits(backend, 2)
    assert np.array_equal(together, logits(backend, 2, threads=2))
    ends = np.cumsum(lengths)
    for start, end in zip(ends - lengths, ends, strict=True):
        alone = backend.read(ids[start:end], types[start:end], np.array([end - start]))
        assert np.array_equal(together[start:end], np.stack(alone, axis=1))


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("heads", [1, 4])
def test_threads_that_share_a_window_read_as_one_alone(
    name: str, precision: str, heads: int
) -> None:
    weights = random_weights(
        hidden=128, heads=heads, embedding=24, intermediate=512, layers=12, positions=300
    )
    for length in (60, 300):
        ids = np.arange(length) % 50
        window = ids, ids % 2, np.array([length])
        alone = NativeBackend(weights, precision=precision, kernels=name).read(*window)
        for threads in (2, 3, 8):
            # the first window of a backend is shared, however busy the machine is
            backend = NativeBackend(weights, precision=precision, kernels=name)
            assert np.array_equal(backend.read(*window, threads=threads), alone), (length, threads)


def test_only_a_window_that_takes_long_is_shared() -> None:
    """A backend starts the threads that help when they are first needed."""
    backend = NativeBackend(random_weights(hidden=128, intermediate=512, layers=4, positions=300))
    before = threading.active_count(), psutil.Process().num_threads()
    for tokens, helpers in ((20, 0), (300, 1), (300, 1)):
        ids = np.ones(tokens, np.int64)
        backend.read(ids, ids * 0, np.array([tokens]), threads=2)
        now = threading.active_count(), psutil.Process().num_threads()
        assert (now[0] - before[0], now[1] - before[1]) == (0, helpers)


def test_a_batch_is_read_without_its_padding() -> None:
    backend = NativeBackend(random_weights())
    ids = np.array([[5, 6, 7, 0, 0], [8, 9, 1, 2, 3]])
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    found = backend(Batch(ids, mask, np.zeros_like(ids)))
    alone = backend(Batch(ids[:1, :3], mask[:1, :3], np.zeros_like(ids[:1, :3])))
    assert found.start.shape == found.end.shape == (2, 5)
    assert np.array_equal(found.start[0], [*alone.start[0], 0, 0])
    assert np.array_equal(found.end[0], [*alone.end[0], 0, 0])


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("shape", ["bert", "minilm", "distilbert"])
def test_weights_in_seven_bits_are_read_as_a_byte_each(shape: str, precision: str) -> None:
    weights = random_weights(**SHAPES[shape], integers=True)

    def packed(linear: Linear) -> Linear:
        assert isinstance(linear.weight, Quantized)
        codes = Sevens(pack7(linear.weight.codes), linear.weight.scales)
        return dataclasses.replace(linear, weight=codes)

    layers = tuple(
        dataclasses.replace(
            layer, **{n: packed(getattr(layer, n)) for n in ("query", "value", "output")}
        )
        for layer in weights.layers
    )
    ids, types, lengths = windows()
    plain = NativeBackend(weights, precision=precision).read(ids, types, lengths)
    sevens = NativeBackend(dataclasses.replace(weights, layers=layers), precision=precision)
    assert np.array_equal(sevens.read(ids, types, lengths), plain)


# The largest difference of a window's logits from numpy's, which has the same weights and rounds
# nothing else: the largest over windows, and the median.
BOUNDS = {"tiny": (0.6, 0.25), "small": (1.2, 0.5)}


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_models_give_the_logits_of_numpy(name: str) -> None:
    rng = np.random.default_rng(2)
    weights = read_weights(open_model(name))
    exact = NumpyBackend(weights)
    engines = {kernel: NativeBackend(weights, kernels=kernel) for kernel in KERNELS}
    worst: dict[str, list[float]] = {kernel: [] for kernel in engines}
    for length in (12, 40, 64, 101):
        ids = rng.integers(1000, 20_000, (1, length))
        ids[0, [0, 8, -1]] = 101, 102, 102
        batch = Batch(ids, np.ones_like(ids), (np.arange(length)[None] > 8).astype(np.int64))
        wanted = exact(batch)
        for kernel, engine in engines.items():
            found = engine(batch)
            differences = np.abs([found.start - wanted.start, found.end - wanted.end])
            worst[kernel].append(float(differences.max()))
    most, median = BOUNDS[name]
    for kernel, differences in worst.items():
        assert max(differences) < most, kernel
        assert np.median(differences) < median, kernel


@pytest.mark.parametrize(
    ("form", "precision", "read"),
    [
        ("packed", "auto", "int8"),
        ("packed", "fp32", "fp32"),
        ("checkpoint", "auto", "int8"),
        ("checkpoint", "fp32", "fp32"),
    ],
)
def test_a_model_is_read_in_the_precision_that_was_asked_for(
    form: str, precision: str, read: str
) -> None:
    whole = open_model("tiny")
    unread = "safetensors" if form == "packed" else "packed"
    directory = dataclasses.replace(whole, **{unread: None})
    ids, types, lengths = np.arange(2000, 2060), np.arange(60) // 30, np.array([60])
    backend = choose.load_backend(directory, "cpu", 1, precision=precision)
    assert isinstance(backend, NativeBackend)
    assert backend.precision == read
    wanted = NativeBackend(read_weights(directory), precision=read).read(ids, types, lengths)
    assert np.array_equal(backend.read(ids, types, lengths), wanted)
    other = NativeBackend(read_weights(directory), precision="fp32" if read == "int8" else "int8")
    assert not np.array_equal(other.read(ids, types, lengths), wanted)


def test_the_helper_rounds_as_publishing_does() -> None:
    values = np.random.default_rng(0).standard_normal((7, 30)).astype(np.float32)
    codes, scales = quantize_array(values, axis=1, bits=7)
    mine = quantised(values)
    assert np.array_equal(mine.codes, codes)
    assert np.array_equal(mine.scales, scales)
