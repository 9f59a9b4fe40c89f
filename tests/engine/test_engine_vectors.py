"""Vectors of texts in the engine, and the nearest of many: the same on all kernels as in numpy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from engine_helpers import nibbles, random_weights

from pullquote.checkpoints.encoder_weights import EncoderWeights, dequantized
from pullquote.errors import InputError, ModelError
from pullquote.reading import vectors
from pullquote.reading.backends.native import NativeBackend
from pullquote.reading.backends.native_library import LIBRARY, kernels
from pullquote.reading.backends.numpy import NumpyBackend

pytestmark = pytest.mark.skipif(not LIBRARY.is_file(), reason="no engine here: make engine")
KERNELS = kernels() if LIBRARY.is_file() else ()
SHAPES: dict[str, dict[str, Any]] = {
    "minilm": {"hidden": 96, "heads": 3, "intermediate": 384, "words": "nibbles"},
    "electra": {"hidden": 64, "heads": 4, "embedding": 24},
    "odd": {"hidden": 35, "heads": 7, "intermediate": 71, "embedding": 13, "types": 0},
}
LENGTHS = np.array([1, 2, 15, 16, 17, 33, 40], np.int32)
IDS = np.random.default_rng(5).integers(0, 50, LENGTHS.sum()).astype(np.int32)


def headless(**shape: Any) -> EncoderWeights:
    return dataclasses.replace(random_weights(**shape), head=None)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_vector_is_the_mean_of_hidden_states(shape: str, name: str) -> None:
    weights = headless(**SHAPES[shape])
    numpy = NumpyBackend(weights)
    ends = np.cumsum(LENGTHS)[:-1]
    means = np.stack(
        [numpy.hidden_states(ids, np.zeros_like(ids)).mean(axis=0) for ids in np.split(IDS, ends)]
    )
    wanted = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(numpy.embed(IDS, LENGTHS), wanted, atol=1e-6)
    exact = NativeBackend(weights, precision="fp32", kernels=name).embed(IDS, LENGTHS)
    np.testing.assert_allclose(exact, wanted, atol=1e-5)
    rounded = NativeBackend(weights, kernels=name).embed(IDS, LENGTHS)
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=1), 1, atol=1e-6)
    assert (rounded * wanted).sum(axis=1).min() > 0.98


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_batched_equals_alone_and_one_thread_equals_two(name: str, precision: str) -> None:
    weights = headless(hidden=64, heads=2)
    backend = NativeBackend(weights, precision=precision, kernels=name, threads=2)
    together = backend.embed(IDS, LENGTHS)
    one = NativeBackend(weights, precision=precision, kernels=name, threads=1)
    assert np.array_equal(together, one.embed(IDS, LENGTHS))
    for vector, ids in zip(together, np.split(IDS, np.cumsum(LENGTHS)[:-1]), strict=True):
        assert np.array_equal(vector, one.embed(ids, np.array([len(ids)], np.int32))[0])


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_layers_in_four_bits_are_read_as_a_byte_each(precision: str) -> None:
    weights = headless(hidden=64, heads=2)
    packed, plain = [], []
    for layer in weights.layers:
        codes = {n: nibbles(np.asarray(getattr(layer, n).weight)) for n in ("query", "output")}
        for layers, unpack in ((packed, False), (plain, True)):
            parts = {
                n: dataclasses.replace(getattr(layer, n), weight=c.unpacked() if unpack else c)
                for n, c in codes.items()
            }
            layers.append(dataclasses.replace(layer, **parts))
    four, eight = (dataclasses.replace(weights, layers=tuple(part)) for part in (packed, plain))
    np.testing.assert_array_equal(
        dequantized(four.layers[0].query.weight), dequantized(eight.layers[0].query.weight)
    )
    found = NativeBackend(four, precision=precision).embed(IDS, LENGTHS)
    assert np.array_equal(found, NativeBackend(eight, precision=precision).embed(IDS, LENGTHS))
    assert not np.array_equal(found, NativeBackend(weights).embed(IDS, LENGTHS))


def test_a_model_without_a_head_reads_nothing() -> None:
    backend = NativeBackend(headless())
    with pytest.raises(InputError, match="a model without a head; it can only embed"):
        backend.read(np.ones(3, np.int64), np.zeros(3, np.int64), np.array([3]))


@pytest.mark.parametrize(
    ("ids", "lengths", "message"),
    [
        ([1, 2, 3], [2, 2], "windows of 4 tokens in all, but 3 ids"),
        ([1, 2, 3], [3, 0], "window 1 has 0 tokens"),
        ([1, 2, 3], [4, -1], "window 1 has -1 tokens"),
        ([1] * 41, [41], "window 0 has 41 tokens; expected 1 to 40"),
        ([1, 50, 3], [3], "token id 50; expected 0 to 49"),
        ([1, -1, 3], [3], "token id -1; expected 0 to 49"),
    ],
)
def test_lengths_and_ids_that_do_not_fit_are_refused(
    ids: list[int], lengths: list[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        NativeBackend(headless()).embed(np.array(ids, np.int32), np.array(lengths, np.int32))


def test_a_closed_backend_embeds_nothing() -> None:
    backend = NativeBackend(headless())
    backend.close()
    with pytest.raises(ModelError, match="the backend is closed"):
        backend.embed(IDS, LENGTHS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_hidden_states_that_are_no_numbers_are_reported(value: float) -> None:
    weights = headless()
    weights.layers[-1].output_norm.bias[3] = value
    with pytest.raises(ModelError, match="not finite"):
        NativeBackend(weights).embed(IDS, LENGTHS)


# ---- the nearest ----


def matrix(width: int, rows: int = 1500) -> Any:
    random = np.random.default_rng(width)
    codes = random.integers(-127, 128, (rows, width)).astype(np.int8)
    codes[0], codes[1] = 127, -127  # the sums that are the first to overflow
    codes[700:900] = codes[3]  # rows that are equal
    return codes


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("width", [1, 31, 64, 100, 256, 384, 1000])
def test_products_are_exact_on_all_kernels(
    width: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLQUOTE_KERNELS", name)
    codes = matrix(width)
    random = np.random.default_rng(0)
    for query in (random.integers(-63, 64, width), np.full(width, 63), np.full(width, -63)):
        products = codes.astype(np.int64) @ query
        wanted = np.lexsort((np.arange(len(codes)), -products))
        for threads in (1, 2):
            rows, found = vectors._engine_nearest(
                codes, query.astype(np.int8), len(codes), None, threads
            )
            assert np.array_equal(rows, wanted)
            assert np.array_equal(found, products[wanted])
        allowed = random.random(len(codes)) < 0.3
        rows, _ = vectors._engine_nearest(codes, query.astype(np.int8), 40, allowed, 2)
        assert np.array_equal(rows, wanted[allowed[wanted]][:40])


def test_threads_share_many_rows() -> None:
    codes = np.tile(matrix(16), (40, 1))  # several runs of blocks
    query = np.random.default_rng(1).integers(-63, 64, 16).astype(np.int8)
    products = codes.astype(np.int64) @ query
    wanted = np.argsort(-products, kind="stable")[:500]
    for threads in (1, 2, 5):
        rows, _ = vectors._engine_nearest(codes, query, 500, None, threads)
        assert np.array_equal(rows, wanted)


def test_of_equal_rows_the_first_are_found() -> None:
    codes, query = np.ones((50_000, 8), np.int8), np.ones(8, np.int8)
    for threads in (1, 3):
        rows, products = vectors._engine_nearest(codes, query, 10, None, threads)
        assert rows.tolist() == [*range(10)]
        assert set(products.tolist()) == {8}


@pytest.mark.parametrize(
    ("query", "threads", "message"),
    [
        ([64] * 16, 1, "a code of 64 in the query; expected -63 .. 63"),
        ([-64] * 16, 1, "a code of -64 in the query"),
        ([1] * 16, 0, "by 0 threads; expected 0 or more, 1 or more"),
    ],
)
def test_queries_that_do_not_fit_are_refused(query: list[int], threads: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        vectors._engine_nearest(matrix(16), np.array(query, np.int8), 5, None, threads)
