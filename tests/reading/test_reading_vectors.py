"""Text vectors, and exact search among them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pullquote.checkpoints.text_encoder import open_text_encoder, read_text_encoder
from pullquote.errors import InputError, ModelError
from pullquote.reading import vectors
from pullquote.reading.backends import native_library
from pullquote.reading.vectors import LONGEST, TextEncoder, nearest, quantize_vectors

TEXTS = [
    "When is the rent due?",
    "Tenants pay on the first of each month.",
    "The cat sat on the mat.",
    "Dogs and other animals need the consent of the landlord.",
    "Who may keep a pet?",
    "The harvest was poor that year, and bread was dear.",
]
# The cosines of all-MiniLM-L6-v2 in float32 (torch), of each pair of TEXTS
COSINES = np.array(
    [
        [1.000, 0.530, 0.091, 0.362, 0.114, 0.078],
        [0.530, 1.000, 0.065, 0.363, 0.130, 0.001],
        [0.091, 0.065, 1.000, 0.196, 0.230, 0.064],
        [0.362, 0.363, 0.196, 1.000, 0.529, -0.033],
        [0.114, 0.130, 0.230, 0.529, 1.000, 0.006],
        [0.078, 0.001, 0.064, -0.033, 0.006, 1.000],
    ]
)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.open()


@pytest.mark.packed
def test_what_means_the_same_lies_close_together(encoder: TextEncoder) -> None:
    found = encoder.encode(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), encoder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.abs(found @ found.T - COSINES).max() < 0.1


@pytest.mark.packed
def test_a_vector_does_not_depend_on_the_texts_beside_it(
    encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = encoder.encode(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.array_equal(encoder.encode([text])[0], vector)
    monkeypatch.setattr(vectors, "_CHUNK", 4)
    assert np.array_equal(encoder.encode(TEXTS), together)


@pytest.mark.packed
def test_numpy_gives_nearly_the_vectors_of_the_engine(
    encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_library, "_CHOSEN", "off")
    numpy = TextEncoder.open()
    assert numpy.name == encoder.name
    assert (numpy.encode(TEXTS) * encoder.encode(TEXTS)).sum(axis=1).min() > 0.99


@pytest.mark.packed
def test_the_first_tokens_of_a_long_text_are_read(encoder: TextEncoder) -> None:
    room = LONGEST - 2  # beside [CLS] and [SEP]; every word is a token
    short, full, long = encoder.encode(["tree " * n for n in (room - 1, room, 5 * room)])
    assert np.array_equal(full, long)
    assert not np.array_equal(short, full)


@pytest.mark.packed
def test_any_text_has_a_vector(encoder: TextEncoder) -> None:
    found = encoder.encode(["", " \n", "\ud800", "日本", "\x00"])
    assert np.isfinite(found).all()
    assert encoder.encode([]).shape == (0, encoder.dimensions)
    with pytest.raises(InputError, match="a text is int, expected text"):
        encoder.encode([3])  # type: ignore[list-item]


def test_the_directory_of_a_checkpoint_is_opened(base: Path, tmp_path: Path) -> None:
    small = TextEncoder.open(str(base))
    assert small.dimensions == 32
    assert small.encode(["Rollo " * 100]).shape == (1, 32)  # longer than its 64 positions
    copy = tmp_path / "copy"
    shutil.copytree(base, copy)
    assert TextEncoder.open(str(copy)).name == small.name
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert TextEncoder.open(str(copy)).name != small.name


@pytest.mark.packed
def test_the_words_of_another_reader_make_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = open_text_encoder()
    name = read_text_encoder(directory).name
    assert read_text_encoder(directory).name == name
    shared = read_text_encoder(directory).encoder.words
    monkeypatch.setattr(
        "pullquote.checkpoints.text_encoder._shared_words",
        lambda: type(shared)(shared.codes ^ 1, shared.scales),
    )
    assert read_text_encoder(directory).name != name


def test_missing_weights_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        TextEncoder.open(str(tmp_path / "none"))


# ---- search ----


def unit(count: int, dimensions: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_codes_have_one_scale_and_are_clipped() -> None:
    found = quantize_vectors(np.array([[0.25, -0.25, 0.125, 0, 0.9, -0.9]], np.float32))
    assert found.dtype == np.int8
    assert found.tolist() == [[127, -127, 64, 0, 127, -127]]


@pytest.mark.parametrize("engine", [True, False])
def test_cosines_are_nearly_exact(engine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not engine:
        monkeypatch.setattr(native_library, "_CHOSEN", "off")
    given, query = unit(2000, 256), unit(1, 256, seed=1)[0]
    ids, cosines = nearest(quantize_vectors(given), query, 50)
    assert ids.dtype == np.int64
    assert cosines.dtype == np.float32
    assert np.abs(cosines - given[ids] @ query).max() < 0.005
    assert (np.diff(cosines) <= 0).all()
    assert set(np.argsort(-(given @ query))[:10]) <= set(ids.tolist())


@pytest.mark.skipif(not native_library.available(), reason="no engine here: make engine")
@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 95])
@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_the_engine_and_numpy_find_the_same(
    rows: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_SLICE", 10)
    monkeypatch.setattr(vectors, "_BLOCK", 3)
    codes = quantize_vectors(unit(95, 24))[np.arange(95) % 40][:rows]  # some are equal
    query = unit(1, 24, seed=2)[0]
    allowed = np.arange(rows) % 3 > 0
    for choice in (None, allowed, np.zeros(rows, bool)):
        engine = nearest(codes, query, count, choice)
        with monkeypatch.context() as without:
            without.setattr(native_library, "_CHOSEN", "off")
            numpy = nearest(codes, query, count, choice)
        kept = np.arange(rows) if choice is None else np.flatnonzero(choice)
        products = codes.astype(int) @ np.rint(query / np.abs(query).max() * 63).astype(int)
        wanted = kept[np.lexsort((kept, -products[kept]))][:count]
        assert engine[0].tolist() == numpy[0].tolist() == wanted.tolist()
        assert np.array_equal(engine[1], numpy[1])


def test_a_mapped_matrix_is_searched(tmp_path: Path) -> None:
    codes = quantize_vectors(unit(50, 16))
    codes.tofile(tmp_path / "codes")
    mapped = np.memmap(tmp_path / "codes", np.int8, "r", shape=codes.shape)
    query = unit(1, 16, seed=3)[0]
    assert nearest(mapped, query, 9)[0].tolist() == nearest(codes, query, 9)[0].tolist()


@pytest.mark.parametrize(
    ("matrix", "query", "count", "allowed", "message"),
    [
        ((5, 4), (3,), 1, None, r"a matrix int8 \(5, 4\) and a query \(3,\); expected int8"),
        ((5, 4), (4,), 1, (4,), r"allowed is bool \(4,\); expected bool \(5,\)"),
        ((5, 4), (4,), -1, None, "-1 rows near a vector"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    matrix: tuple[int, ...],
    query: tuple[int, ...],
    count: int,
    allowed: tuple[int, ...] | None,
    message: str,
) -> None:
    choice = None if allowed is None else np.ones(allowed, bool)
    with pytest.raises(InputError, match=message):
        nearest(np.ones(matrix, np.int8), np.ones(query, np.float32), count, choice)
    with pytest.raises(InputError, match="float64"):
        nearest(np.ones((5, 4)), np.ones(4, np.float32), 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a component of nan"):
        nearest(np.ones((5, 4), np.int8), np.full(4, np.nan, np.float32), 1)
