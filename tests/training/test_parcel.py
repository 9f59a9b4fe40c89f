"""recipes/parcel.py: a checkpoint arrives whole and as close as its steps say, or not at all."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from pullquote.errors import InputError, ModelError

RECIPE = Path(__file__).parent.parent.parent / "recipes" / "parcel.py"
WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"
DENSE = "encoder.layer.0.output.dense.weight"
PART_MIB = 1 / 16


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parcel", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parcel"] = module  # where its dataclasses look up their annotations
    spec.loader.exec_module(module)
    return module


parcel = _load()


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(0, 0.05, shape).astype(np.float32)

    dense = normal(32, 64)
    dense[3] = 0
    dense[4, 7] = 2.5  # an outlier, which the standard deviation alone would put beyond code 127
    dense[5] *= 1e-4  # its step is in the coarse range of fp16
    dense[6] *= 1e-7  # its step is below the smallest number of fp16
    dense[7] = 0
    dense[7, 7] = 127 * 8.45 * 2**-24  # fp16 rounds its step down, to 8 * 2**-24
    return {
        WORDS: normal(20_001, 8),
        POSITIONS: normal(24, 8),
        "embeddings.position_ids": np.arange(24)[None],
        DENSE: dense,
        "encoder.layer.0.output.dense.bias": normal(32),
    }


@pytest.fixture
def checkpoint(tmp_path: Path, weights: dict[str, np.ndarray]) -> Path:
    path = tmp_path / "checkpoint"
    path.mkdir()
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "tokenizer.json", "reader.json", "recipe.toml", "NOTICE"):
        (path / name).write_text(f"the content of {name}\n")
    (path / "logs").mkdir()  # stays behind
    return path


def _close(after: np.ndarray, before: np.ndarray, fraction: float) -> None:
    """Whether each value is within half a step, and each step the one that was asked for."""
    steps = np.maximum(before.std(axis=1) * fraction, np.abs(before).max(axis=1) / 127)
    # fp16 rounds the step: by 2^-11, and by 6e-8 where it is coarse
    half = (steps * (1 + 2**-11) + 6e-8) / 2
    assert (np.abs(after - before) <= half[:, None] * (1 + 1e-4)).all()
    assert len(np.unique(after[0])) <= 2 * np.ceil(np.abs(before[0] / steps[0]).max()) + 1


def test_rounded_weights_are_within_half_a_step(
    checkpoint: Path, weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    parts = parcel.pack(checkpoint, tmp_path / "out" / "model", 1 / 6, 1 / 20, PART_MIB)
    assert [part.name for part in parts] == [
        f"model.part{n}of{len(parts)}" for n in range(1, len(parts) + 1)
    ]
    assert len(parts) > 1
    assert max(part.stat().st_size for part in parts) == PART_MIB * 2**20
    # 4.6 bits for a word's value is about the entropy of a normal distribution at this step
    assert sum(part.stat().st_size for part in parts) < 20_001 * (8 * 4.9 / 8 + 2) + 20_000

    parcel.unpack(parts[::-1], tmp_path / "back")  # in any order
    after = load_file(tmp_path / "back" / "model.safetensors")
    assert {name: value.shape for name, value in after.items()} == {
        name: value.shape for name, value in weights.items()
    }
    _close(after[WORDS], weights[WORDS], 1 / 6)
    _close(after[DENSE], weights[DENSE], 1 / 20)
    assert not after[DENSE][3].any()
    for name in set(weights) - {WORDS, DENSE}:
        assert after[name].dtype == weights[name].dtype
        np.testing.assert_array_equal(after[name], weights[name])
    with safe_open(tmp_path / "back" / "model.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_step_0_keeps_fp16(
    checkpoint: Path, weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    parcel.pack(checkpoint, tmp_path / "model", words_step=0, layers_step=0)
    parcel.join(tmp_path / "model", tmp_path / "back")
    after = load_file(tmp_path / "back" / "model.safetensors")
    for name in (WORDS, DENSE):
        assert after[name].dtype == np.float32
        np.testing.assert_array_equal(after[name], weights[name].astype(np.float16))


def test_small_files_arrive_as_they_were(checkpoint: Path, tmp_path: Path) -> None:
    back = tmp_path / "back"
    back.mkdir()  # an empty directory is as good as none
    parcel.unpack(parcel.pack(checkpoint, tmp_path / "model"), back)
    sent = {path.name for path in checkpoint.iterdir()} - {"logs"}
    assert {path.name for path in back.iterdir()} == sent
    for name in sent - {"model.safetensors"}:
        assert (back / name).read_bytes() == (checkpoint / name).read_bytes()
    assert not list(tmp_path.glob(".parcel-*"))


def test_packing_again_makes_the_same_parts_and_removes_older_ones(
    checkpoint: Path, tmp_path: Path
) -> None:
    first = parcel.pack(checkpoint, tmp_path / "model", part_mib=PART_MIB)
    before = [part.read_bytes() for part in first]
    other = parcel.pack(checkpoint, tmp_path / "model")
    assert sorted(tmp_path.glob("model.part*")) == other
    again = parcel.pack(checkpoint, tmp_path / "model", part_mib=PART_MIB)
    assert [part.read_bytes() for part in again] == before


def _flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_parts_that_are_not_each_there_once_and_whole(checkpoint: Path, tmp_path: Path) -> None:
    parts = parcel.pack(checkpoint, tmp_path / "model", part_mib=PART_MIB)
    other = parcel.pack(checkpoint, tmp_path / "other", 1 / 7, part_mib=PART_MIB)
    copy = shutil.copy(parts[0], tmp_path / "copy")

    def refused(given: list[Any], message: str) -> None:
        with pytest.raises(ModelError, match=message):
            parcel.unpack(given, tmp_path / "back")
        assert not (tmp_path / "back").exists()
        assert not list(tmp_path.glob(".parcel-*"))

    refused([parts[0], *parts[2:]], f"missing of {len(parts)} parts: 2$")
    refused([*parts, copy], "part 1 is there twice")
    refused([other[0], *parts[1:]], "different parcels")
    refused([checkpoint / "config.json", *parts], "not a part of a parcel")
    refused([tmp_path / "nowhere", *parts], "cannot be read")

    whole = parts[1].read_bytes()
    _flip(parts[1], 2000)
    refused(parts, "part2of.*: damaged: its checksum differs")
    parts[1].write_bytes(whole[:-1])
    refused(parts, "part2of.*: damaged: .* bytes after the header, expected")
    parts[1].write_bytes(whole.replace(b'"parcel": 1,', b'"parcel": 2,'))
    refused(parts, "parcel format 2")
    parts[1].write_bytes(whole)

    # two headers that changed places: each part is intact, but the order is not
    headers = [part.read_bytes()[: parcel.HEADER] for part in parts[:2]]
    for part, header, number in zip(parts[:2], headers, (2, 1), strict=True):
        fields = json.loads(header) | {"part": number}
        part.write_bytes(
            json.dumps(fields).encode().ljust(parcel.HEADER) + part.read_bytes()[parcel.HEADER :]
        )
    refused(parts, "all .* parts together differs")


def test_a_directory_in_use_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    parts = parcel.pack(checkpoint, tmp_path / "model")
    before = (checkpoint / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="checkpoint exists"):
        parcel.unpack(parts, checkpoint)
    assert (checkpoint / "model.safetensors").read_bytes() == before
    with pytest.raises(InputError, match="no parts"):
        parcel.join(tmp_path / "nothing", tmp_path / "back")


@pytest.mark.parametrize(
    ("value", "steps", "message"),
    [
        (70_000, (0, 0), "70000, beyond the range of fp16"),
        (1e8, (1 / 6, 1 / 20), "its step is beyond the range of fp16"),
        (np.nan, (1 / 6, 1 / 20), "NaN or infinity"),
        (0, (-1, 0), "words_step is -1"),
        (0, (0, np.nan), "layers_step is nan"),
    ],
)
def test_what_cannot_be_packed(
    checkpoint: Path,
    weights: dict[str, np.ndarray],
    tmp_path: Path,
    value: float,
    steps: tuple[float, float],
    message: str,
) -> None:
    weights[DENSE][0, 0] = value
    save_file(weights, checkpoint / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        parcel.pack(checkpoint, tmp_path / "model", *steps)
    assert not list(tmp_path.glob("model*"))


def test_directories_that_are_no_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such directory"):
        parcel.pack(tmp_path / "nowhere", tmp_path / "model")
    with pytest.raises(InputError, match="part_mib"):
        parcel.pack(checkpoint, tmp_path / "model", part_mib=0)
    save_file({DENSE: np.zeros((2, 2), np.float16)}, checkpoint / "model.safetensors")
    with pytest.raises(ModelError, match="is F16; expected F32"):
        parcel.pack(checkpoint, tmp_path / "model")
    (checkpoint / "model.safetensors").write_text("no safetensors")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        parcel.pack(checkpoint, tmp_path / "model")
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="expected one file of weights"):
        parcel.pack(checkpoint, tmp_path / "model")


def test_command_line(checkpoint: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(parcel.main, [str(argument) for argument in arguments])
        assert result.exit_code == (1 if "Error: " in result.output else 0), result.output
        return result.output

    out = tmp_path / "model"
    said = run("pack", checkpoint, out, "--words-step", "1/8", "--part-mib", PART_MIB)
    parts = sorted(tmp_path.glob("model.part*"))
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[: len(parts)]] == [
        str(part) for part in sorted(parts, key=lambda part: int(part.name[10:].split("of")[0]))
    ]
    words, layers, plain = (line.split() for line in lines[-3:])
    assert words[:2] == ["words", "160,008"]
    # the noise of rounding with step s is s^2 / 12: 10 log10(12 * 8^2) = 28.9 dB
    assert float(words[3]) == pytest.approx(28.9, abs=0.6)
    assert layers[:2] == ["layers", "2,048"]
    # 24 * 8 + 32 values of 32 bits, and 24 positions of 64
    assert plain == ["plain", "248", f"{(224 * 32 + 24 * 64) / 248:.2f}", "exact"]

    assert run("join", *parts, tmp_path / "back") == f"wrote {tmp_path / 'back'}\n"
    assert "Error: " in run("join", *parts[1:], tmp_path / "again")
