"""The packed form: the same codes and scales come back, and the layout is the documented one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pullquote.checkpoints.encoder_weights import (
    Nibbles,
    Quantized,
    Sevens,
    dequantized,
    rows,
)
from pullquote.checkpoints.packed import pack7, read_packed, write_packed
from pullquote.checkpoints.tensor_file import open_tensors, write_tensors
from pullquote.errors import ModelError

SCALES = np.array([0.5, 2, 1, 4, 1, 1, 1, 1], dtype=np.float32)
METADATA = {"format": "pullquote", "version": "1"}


@given(arrays(np.int8, st.tuples(st.integers(1, 4).map(lambda n: 8 * n), st.integers(1, 9)),
              elements=st.integers(-64, 63)))  # fmt: skip
def test_seven_bits_come_back(codes: np.ndarray) -> None:
    packed = pack7(codes)
    assert packed.nbytes * 8 == codes.size * 7
    scales = np.ones(len(codes), np.float32)
    np.testing.assert_array_equal(Sevens(packed, scales).unpacked().codes, codes)


def test_seven_bits_are_laid_out_as_documented() -> None:
    """Eight rows a .. h of one column: four bits of each, then two, then one."""
    values = np.array([0b1010001, 0b0100010, 0b1110011, 0, 1, 2, 3, 0b1111111], dtype=np.uint8)
    packed = pack7((values.astype(np.int16) - 64).astype(np.int8)[:, None])
    assert packed[:, 0].tolist() == [
        *(0x1 | 1 << 4, 0x2 | 2 << 4, 0x3 | 3 << 4, 0xF << 4),  # (e a) (f b) (g c) (h d)
        *(0b01 | 0b11 << 2, 0b10 | 0b11 << 6),  # (g e c a) (h f d b)
        0b10000101,  # (h g f e d c b a)
    ]


def test_forms_are_the_smallest_that_hold_all_codes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    four, seven, eight = (
        Quantized(rng.integers(-most, most + 1, (8, 6)).astype(np.int8), SCALES)
        for most in (7, 63, 127)
    )
    odd = Quantized(rng.integers(-63, 64, (7, 6)).astype(np.int8), SCALES[:7])
    bias = rng.normal(size=3).astype(np.float32)
    weights = {"t4": four, "t7": seven, "m4": four, "m7": seven, "m8": eight, "odd": odd, "b": bias}
    write_packed(tmp_path / "p", weights, tables={"t4", "t7"})
    names = {*("t4.int4", "t7.int8", "m4.int7", "m7.int7", "m8.int8", "odd.int8", "b")}
    names |= {f"{name}.scales" for name in weights if name != "b"}
    assert set(open_tensors(tmp_path / "p")) == names
    back = dict(read_packed(tmp_path / "p"))
    assert set(back) == set(weights)
    assert len(back) == len(weights)
    assert isinstance(back["t4"], Nibbles)
    for name, weight in weights.items():
        np.testing.assert_array_equal(dequantized(back[name]), dequantized(weight))
        if isinstance(back[name], Sevens):
            assert not back[name].codes.flags.owndata  # a view of the file
            back[name] = back[name].unpacked()
        if isinstance(back[name], Quantized):
            np.testing.assert_array_equal(back[name].codes, weight.codes)
            np.testing.assert_array_equal(back[name].scales, weight.scales)


def test_rows_of_a_table() -> None:
    codes = np.array([[0x81, 0xF0], [0x88, 0x2A]], dtype=np.uint8)
    table = Nibbles(codes, np.array([0.5, 2], dtype=np.float32))
    expected = [[0, 0, 4, -12], [-3.5, 0, -4, 3.5], [0, 0, 4, -12]]
    assert rows(table, np.array([1, 0, 1])).tolist() == expected
    assert dequantized(table).tolist() == [expected[1], expected[0]]


def test_a_packed_table_is_a_view_of_the_file(tmp_path: Path) -> None:
    table = Quantized(np.ones((8, 4), dtype=np.int8), SCALES)
    write_packed(tmp_path / "p", {"t": table}, tables={"t"})
    found = read_packed(tmp_path / "p")["t"]
    assert isinstance(found, Nibbles)
    assert not found.codes.flags.owndata


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, r"its metadata are \{\}, expected the format pullquote"),
        ({"format": "pt"}, "expected the format pullquote"),
        ({"format": "pullquote", "version": "one"}, "expected the format pullquote"),
        ({"format": "pullquote", "version": "1" * 5000}, "expected the format pullquote"),
        ({"format": "pullquote", "version": "2"}, "version 2, written by a newer pullquote"),
    ],
)
def test_other_formats(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    write_tensors(tmp_path / "p", {"b": SCALES}, metadata)
    with pytest.raises(ModelError, match=message):
        read_packed(tmp_path / "p")


@pytest.mark.parametrize(
    "tensors",
    [
        {"w.int7": np.zeros((7, 2), np.uint8)},  # no scales
        {"w.int7": np.zeros((7, 2), np.uint8), "w.scales": SCALES[:7]},
        {"w.int7": np.zeros((6, 2), np.uint8), "w.scales": SCALES[:6]},
        {"w.int7": np.zeros((13, 2), np.uint8), "w.scales": SCALES},
        {"w.int7": np.zeros((7, 2), np.int8), "w.scales": SCALES},
        {"w.int7": np.zeros(7, np.uint8), "w.scales": SCALES},
        {"w.int8": np.zeros((8, 2), np.uint8), "w.scales": SCALES},
        {"w.int8": np.zeros((), np.int8), "w.scales": SCALES},
        {"w.int4": np.zeros((8, 2), np.uint8), "w.scales": SCALES[:, None]},
        {"w.int4": np.zeros((8, 2), np.uint8), "w.scales": SCALES.astype(np.int8)},
    ],
)
def test_codes_and_scales_that_do_not_fit(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    write_tensors(tmp_path / "p", tensors, METADATA)
    with pytest.raises(ModelError, match=r"w\.int\d is .* with the scales .* damaged"):
        read_packed(tmp_path / "p")["w"]
