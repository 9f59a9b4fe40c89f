"""Safetensors files without the package: the same arrays, and an error for every damaged number."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from pullquote.checkpoints.tensor_file import open_tensors, write_tensors
from pullquote.errors import ModelError

ARRAYS = {
    "codes": np.arange(-3, 3, dtype=np.int8).reshape(2, 3),
    "bits": np.array([[255], [0]], dtype=np.uint8),
    "bias": np.array([0.5, -2.25, 3e38], dtype=np.float32),
    "one": np.array(7.5, dtype=np.float32),
}
BIAS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def raw(path: Path, header: object, data: bytes = bytes(8)) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_what_is_written_is_what_the_package_reads(tmp_path: Path) -> None:
    arrays = {**ARRAYS, "ids": np.arange(3), "across": np.eye(2, 3, dtype=np.float32).T}
    write_tensors(tmp_path / "ours.safetensors", arrays, {"format": "pt"})
    theirs = load_file(tmp_path / "ours.safetensors")
    ours = open_tensors(tmp_path / "ours.safetensors")
    assert set(theirs) == set(ours) == set(arrays)
    assert ours.metadata == {"format": "pt"}
    for name, array in arrays.items():
        for found in (theirs[name], ours[name]):
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, array)


def test_what_the_package_writes_is_read(tmp_path: Path) -> None:
    half = np.array([[1.5, -0.25], [65504, 6e-8]], dtype=np.float16)
    ids = np.arange(3)
    save_file({**ARRAYS, "half": half, "ids": ids}, tmp_path / "theirs.safetensors")
    found = open_tensors(tmp_path / "theirs.safetensors")
    assert found["half"].dtype == np.float32
    np.testing.assert_array_equal(found["half"], half)
    np.testing.assert_array_equal(found["ids"], ids)
    np.testing.assert_array_equal(found["codes"], ARRAYS["codes"])


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 0.15625, float("inf")], dtype=np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {"x": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    found = open_tensors(raw(tmp_path / "x", header, upper))["x"]
    assert (found.dtype, found.shape) == (np.float32, (2, 2))
    np.testing.assert_array_equal(found.ravel(), values)


def test_arrays_are_read_only_views(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x", ARRAYS, {})
    bias = open_tensors(tmp_path / "x")["bias"]
    assert not bias.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        bias[0] = 1


def test_an_array_at_an_odd_place_is_copied(tmp_path: Path) -> None:
    header = {"x": {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]}}
    path = raw(tmp_path / "x", header, b"\0" + np.float32(2.5).tobytes())
    found = open_tensors(path)["x"]
    assert found.flags.aligned
    assert found.tolist() == [2.5]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "header that is not JSON"),
        (b"{", "header that is not JSON"),
        (b"\xff\xff", "header that is not JSON"),
        (b"[" * 100_000, "header that is not JSON"),
        ([1], "has a list as its header"),
        ({"__metadata__": {"format": 1}}, "not an object of strings"),
        ({"x": {**BIAS, "data_offsets": [0, 9]}}, r"bytes 0 to 9 of x outside"),
        ({"x": {**BIAS, "data_offsets": [8, 0]}}, r"bytes 8 to 0 of x outside"),
        ({"x": {**BIAS, "data_offsets": [-8, 0]}}, r"describes x as"),
        ({"x": {**BIAS, "data_offsets": [0]}}, r"describes x as"),
        ({"x": {**BIAS, "data_offsets": [0, 8.0]}}, r"describes x as"),
        ({"x": {**BIAS, "data_offsets": [False, 8]}}, r"describes x as"),
        ({"x": {**BIAS, "shape": 2}}, r"describes x as"),
        ({"x": {**BIAS, "shape": [-2, -1]}}, r"describes x as"),
        ({"x": {**BIAS, "dtype": 4}}, r"describes x as"),
        ({"x": []}, r"describes x as"),
        ({"x": {**BIAS, "shape": [3]}}, r"x has 8 bytes, expected 12"),
        ({"x": {**BIAS, "shape": [2**62, 2**62]}}, r"x has 8 bytes, expected"),
        ({"x": {**BIAS, "shape": []}}, r"x has 8 bytes, expected 4"),
        ({"x": {**BIAS, "dtype": "F8_E4M3"}}, r"x has the dtype F8_E4M3; known are F32"),
        # numpy has no arrays of these shapes
        ({"x": {**BIAS, "shape": [1] * 70, "data_offsets": [0, 4]}}, r"describes x as"),
        ({"x": {**BIAS, "shape": [10**30, 0], "data_offsets": [8, 8]}}, r"x has no values"),
        ({"x": {**BIAS, "dtype": "F" * 5000}}, r"x has the dtype F{80};"),
        ({"x" * 5000: []}, r"describes x{80} as \[\]"),
        (b'{"x": [' + b"{}," * 8_000_000 + b"0]}", r"of which 24,000,010 should be its header"),
    ],
)
def test_damaged_headers(tmp_path: Path, header: object, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        open_tensors(raw(tmp_path / "x.safetensors", header))["x"]
    assert str(caught.value).startswith(f"{tmp_path / 'x.safetensors'}: ")


@pytest.mark.parametrize("content", [b"", bytes(7), (2**63).to_bytes(8, "little") + b"{}"])
def test_files_that_are_too_short(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"bytes.*expected a whole safetensors file"):
        open_tensors(tmp_path / "x.safetensors")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no\.safetensors: cannot be read"):
        open_tensors(tmp_path / "no.safetensors")


@given(data=st.data())
def test_a_damaged_file_is_an_error_or_arrays(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "x.safetensors"
    write_tensors(path, ARRAYS, {"format": "pt"})
    content = bytearray(path.read_bytes())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    ):
        content[place] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        tensors = open_tensors(path)
    except ModelError:
        return
    for name in tensors:
        try:
            tensors[name].tobytes()
        except ModelError:
            continue


# ---- several files


def shards(folder: Path, weight_map: object) -> Path:
    write_tensors(folder / "model-1.safetensors", {"bias": ARRAYS["bias"]}, {})
    write_tensors(folder / "model-2.safetensors", {"one": ARRAYS["one"]}, {})
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_shards_are_one_mapping(tmp_path: Path) -> None:
    index = shards(tmp_path, {"bias": "model-1.safetensors", "one": "model-2.safetensors"})
    found = open_tensors(index)
    assert set(found) == {"bias", "one"}
    assert len(found) == 2
    np.testing.assert_array_equal(found["bias"], ARRAYS["bias"])


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({}, "has no weight_map"),
        ([], "has no weight_map"),
        ({"bias": 1}, "has no weight_map"),
        ({"bias": "../model-1.safetensors"}, "no .safetensors file beside it"),
        ({"bias": "/etc/passwd"}, "no .safetensors file beside it"),
        ({"bias": "model.safetensors.index.json"}, "no .safetensors file beside it"),  # itself
        ({"bias": ".."}, "no .safetensors file beside it"),
        ({"bias": "\0.safetensors"}, "no .safetensors file beside it"),
        ({"bias": "\ud800.safetensors"}, "no .safetensors file beside it"),
        ({"bias": "x" * 5000}, r"names 'x{76}\.\.\., no .safetensors file beside it"),
        ({"bias": ["model-1.safetensors"]}, "has no weight_map"),
        ({"bias": "model-3.safetensors"}, "model-3.safetensors: cannot be read"),
    ],
)
def test_damaged_indexes(tmp_path: Path, weight_map: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_tensors(shards(tmp_path, weight_map))


@pytest.mark.skipif(os.name == "nt", reason="has no pipes with names in folders")
def test_a_pipe_that_an_index_names_is_an_error(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    shard = "model-00001-of-00001.safetensors"
    index.write_text(json.dumps({"weight_map": {"a": shard}}))
    os.mkfifo(tmp_path / shard)
    with pytest.raises(ModelError, match=rf"{shard}: cannot be read \(a pipe, not a file\)"):
        open_tensors(index)
    index.unlink()
    os.mkfifo(index)
    with pytest.raises(ModelError, match=r"index\.json: cannot be read \(a pipe, not a file\)"):
        open_tensors(index)
