"""Moves a checkpoint to or from a machine without a network, in parts of bounded size.

    python recipes/parcel.py pack runs/teacher teacher   # teacher.part1of2, ...
    python recipes/parcel.py join teacher.part* runs/teacher

Matrices are rounded to 8-bit codes and entropy-coded, so that what arrives is close to what was
sent, not equal to it: an encoder of 110 million weights takes about 80 MiB instead of 415.

A parcel is a zip file, cut into parts. It holds `files/NAME` for each small file, `tensors.json`
(name, shape, dtype and form of each tensor, in the order of model.safetensors) and `tensors/NAME`
for each tensor. The forms, all little-endian:

    int8    a step for each row (fp16), then the codes (int8), zlib-compressed: row = step * codes
    fp16    the values in half precision
    plain   the values as they were

Each part begins with a header of 512 bytes: JSON, padded with spaces. Parts may be renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import click
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pullquote.errors import InputError, ModelError, PullquoteError
from pullquote.files import cannot_write, replacing

Name: TypeAlias = "str | os.PathLike[str]"

MIB = 1024 * 1024
HEADER = 512  # bytes
FORMAT = 1
WEIGHTS = "model.safetensors"
WORD_ROWS = 20_000  # a matrix with more rows than this is the word embeddings
TABLE_ROWS = 1_000  # position and type tables with fewer rows stay fp32
_TABLE = re.compile(r"(position|token_type)_embeddings|relative_attention_bias")


# ---- pack


def pack(
    directory: Name,
    out: Name,
    words_step: float = 1 / 6,
    layers_step: float = 1 / 20,
    part_mib: float = 50,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write the checkpoint in `directory` as the files OUT.part1ofN to OUT.partNofN.

    `words_step` and `layers_step` are the rounding steps of the word embeddings and of the other
    matrices, as a fraction of a row's standard deviation; 0 keeps that kind in fp16. Subfolders are
    not packed. Older parts of the same name are replaced. `say` gets the lines of a summary. Raises
    `InputError` (a `ValueError`) for values beyond the range of fp16.
    """
    directory, out = Path(directory), Path(out)
    steps = {"words": words_step, "layers": layers_step}
    for kind, step in steps.items():
        if not 0 <= step < math.inf:
            raise InputError(f"{kind}_step is {step}; expected 0 (for fp16) or more, such as 1/20")
    room = int(part_mib * MIB) - HEADER if math.isfinite(part_mib) else 0
    if room <= 0:
        raise InputError(f"part_mib is {part_mib}; expected more than {HEADER / MIB:.4f}")
    if not directory.is_dir():
        raise ModelError(f"{directory}: no such directory; expected a checkpoint with {WEIGHTS}")
    files = sorted(path for path in directory.iterdir() if path.is_file())
    if [file.name for file in files if file.suffix == ".safetensors"] != [WEIGHTS]:
        found = ", ".join(file.name for file in files) or "no files"
        raise ModelError(f"{directory}: expected one file of weights, {WEIGHTS} (found {found})")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent) as stream:
            with zipfile.ZipFile(stream, "w") as parcel:
                for file in files:
                    if file.name != WEIGHTS:
                        _add(parcel, f"files/{file.name}", file.read_bytes())
                summary = _add_tensors(parcel, directory / WEIGHTS, steps)
            paths = _cut(stream, out, room)
    except OSError as error:
        raise cannot_write(out, error) from error
    for old in set(_parts(out)) - set(paths):
        old.unlink()
    for path in paths:
        say(f"{path}  {path.stat().st_size / MIB:.2f} MiB")
    say(f"{'':<8}{'values':>12}  {'bits each':>9}  {'signal to noise':>15}")
    for kind, (values, size, signal, noise) in summary.items():
        ratio = f"{10 * math.log10(signal / noise):.1f} dB" if noise else "exact"
        say(f"{kind:<8}{int(values):>12,}  {8 * size / max(values, 1):>9.2f}  {ratio:>15}")
    return paths


def _add_tensors(
    parcel: zipfile.ZipFile, weights: Path, steps: dict[str, float]
) -> dict[str, NDArray[np.float64]]:
    """Add all tensors and `tensors.json`.

    Returns for each kind the number of its values, their bytes in the parcel, and the sums of the
    squared values and of the squared errors.
    """
    listing, summary = [], {}
    try:
        with safe_open(weights, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                dtype = tensors.get_slice(name).get_dtype()
                if dtype != "F32" and not dtype.startswith(("I", "U", "BOOL")):
                    raise ModelError(f"{weights}: {name} is {dtype}; expected F32 or integers")
                values = tensors.get_tensor(name)
                kind = _kind(name, values)
                form = "plain" if kind == "plain" else "int8" if steps[kind] else "fp16"
                tensor = _Tensor(name, list(values.shape), values.dtype.name, form)
                content = _encode(tensor, values, steps.get(kind, 0.0))
                _add(parcel, f"tensors/{name}", content)
                listing.append(tensor._asdict())
                exact = values.astype(np.float64)
                noise = np.square(exact - _decode(tensor, content)).sum()
                row = np.array([values.size, len(content), np.square(exact).sum(), noise])
                summary[kind] = summary.get(kind, np.zeros(4)) + row
    except SafetensorError as error:
        raise ModelError(f"{weights}: cannot be read as safetensors ({error})") from error
    _add(parcel, "tensors.json", json.dumps(listing, indent=1).encode())
    return {kind: summary[kind] for kind in ("words", "layers", "plain") if kind in summary}


def _kind(name: str, values: NDArray[Any]) -> str:
    """Whether a tensor is of the "words", of the "layers" or "plain", which stays exact."""
    if values.ndim != 2 or values.dtype != np.float32:
        return "plain"
    if len(values) > WORD_ROWS:
        return "words"
    return "plain" if _TABLE.search(name) and len(values) < TABLE_ROWS else "layers"


def _add(parcel: zipfile.ZipFile, name: str, content: bytes) -> None:
    # ZipInfo's fixed date, so that the same checkpoint makes the same bytes
    parcel.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED)


def _cut(stream: IO[bytes], out: Path, room: int) -> list[Path]:
    """Write the bytes of `stream` as parts of at most `room` bytes each, and their headers."""
    of = max(1, math.ceil(stream.seek(0, os.SEEK_END) / room))
    stream.seek(0)
    whole = hashlib.sha256()
    while piece := stream.read(MIB):
        whole.update(piece)
    stream.seek(0)
    paths = []
    for number in range(1, of + 1):
        body = stream.read(room)
        header = {"parcel": FORMAT, "part": number, "of": of, "bytes": len(body)}
        header |= {"sha256": hashlib.sha256(body).hexdigest(), "whole": whole.hexdigest()}
        path = out.with_name(f"{out.name}.part{number}of{of}")
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(json.dumps(header).encode().ljust(HEADER - 1) + b"\n" + body)
        paths.append(path)
    return paths


# ---- the forms of a tensor


class _Tensor(NamedTuple):
    """What `tensors.json` says of a tensor."""

    name: str
    shape: list[int]
    dtype: str
    form: str


def _encode(tensor: _Tensor, values: NDArray[Any], fraction: float) -> bytes:
    """The bytes of a tensor in the parcel.

    The step of a row is `fraction` of its standard deviation, or more where that would need codes
    beyond 127. A row of zeros has step 0.
    """
    if tensor.form == "plain":
        return values.astype(values.dtype.newbyteorder("<")).tobytes()
    if not np.isfinite(values).all():
        raise InputError(f"{tensor.name} holds NaN or infinity; only finite weights can be packed")
    if tensor.form == "fp16":
        with np.errstate(over="ignore"):
            half = values.astype("<f2")
        if not np.isfinite(half).all():
            raise InputError(
                f"{tensor.name} holds {np.abs(values).max():g}, beyond the range of fp16 (65504); "
                "choose a step above 0"
            )
        return half.tobytes()
    peaks = np.abs(values).max(axis=1, initial=0).astype(np.float64)  # (R,)
    spread = values.std(axis=1, dtype=np.float64) if values.size else peaks
    with np.errstate(over="ignore"):
        steps = np.maximum(spread * fraction, peaks / 127).astype("<f2")
    # Below 6e-5, fp16 gets coarse: a step that it rounds down much would need a code of 128.
    short = (steps.astype(np.float64) * 127.5 <= peaks) & (peaks > 0)
    steps[short] = np.nextafter(steps[short], np.float16(np.inf))
    if not np.isfinite(steps).all():
        raise InputError(
            f"{tensor.name} holds {peaks.max():g}: its step is beyond the range of fp16"
        )
    divisors = np.where(steps > 0, steps, 1).astype(np.float32)[:, None]  # (R, 1)
    codes = np.rint(values / divisors).astype(np.int8)  # (R, C)
    # Huffman coding only: codes have a skewed distribution, but no repeated strings to find.
    coder = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
    return steps.tobytes() + coder.compress(codes.tobytes()) + coder.flush()


def _decode(tensor: _Tensor, content: bytes) -> NDArray[Any]:
    """The values of a tensor from its bytes in the parcel: fp32, or integers as they were."""
    if tensor.form == "plain":
        plain = np.frombuffer(content, np.dtype(tensor.dtype).newbyteorder("<"))
        return plain.astype(tensor.dtype).reshape(tensor.shape)
    if tensor.form == "fp16":
        return np.frombuffer(content, "<f2").astype(np.float32).reshape(tensor.shape)
    if tensor.form != "int8":
        raise ValueError(f"form {tensor.form!r}")
    rows, columns = tensor.shape
    steps = np.frombuffer(content, "<f2", rows).astype(np.float32)
    # one byte more than expected, so that too long a stream is noticed but not unpacked
    codes = zlib.decompressobj().decompress(content[2 * rows :], rows * columns + 1)
    return steps[:, None] * np.frombuffer(codes, np.int8).reshape(rows, columns)


# ---- join


class _Part(NamedTuple):
    """The header of a part, and its file."""

    path: Path
    part: int
    of: int
    bytes: int
    sha256: str
    whole: str  # the sha256 of all parts together, without their headers


def join(out: Name, directory: Name) -> None:
    """Unpack OUT.part1ofN to OUT.partNofN, as `pack` named them, into a new directory."""
    unpack(_parts(Path(out)), directory)


def unpack(parts: Sequence[Name], directory: Name) -> None:
    """Write the checkpoint of a parcel, whose parts come in any order, into a new directory.

    The directory is complete or not there at all. Raises `ModelError` if a part is missing, given
    twice, damaged or of another parcel.
    """
    directory = Path(directory)
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise InputError(f"{directory} exists; choose a new directory, or remove it first")
    ordered = _in_order([_header(Path(part)) for part in parts])
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".parcel-", dir=directory.parent) as place:
            zipped, checkpoint = Path(place, "parcel.zip"), Path(place, "checkpoint")
            _concatenate(ordered, zipped)
            checkpoint.mkdir()
            _write_checkpoint(zipped, checkpoint)
            if directory.exists():
                directory.rmdir()  # empty: some systems do not rename over it
            os.replace(checkpoint, directory)
    except OSError as error:
        raise cannot_write(directory, error) from error


def _parts(out: Path) -> list[Path]:
    """The files that are named as parts of `out`."""
    name = re.compile(re.escape(out.name) + r"\.part\d+of\d+")
    files = out.parent.iterdir() if out.parent.is_dir() else ()
    return sorted(path for path in files if name.fullmatch(path.name))


def _header(path: Path) -> _Part:
    """Read and check the header of a part, not yet its content."""
    try:
        with open(path, "rb") as file:
            start = file.read(HEADER)
        length = path.stat().st_size - HEADER
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        header = json.loads(start)
        version = header.pop("parcel")
        part = _Part(path, **header)
        if not 1 <= part.part <= part.of:
            raise ValueError(f"part {part.part} of {part.of}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not a part of a parcel, or its header is damaged") from error
    if version != FORMAT:
        raise ModelError(f"{path}: parcel format {version}; this program reads {FORMAT}")
    if length != part.bytes:
        raise ModelError(
            f"{path}: damaged: {length:,} bytes after the header, expected {part.bytes:,}. "
            "Copy it again"
        )
    return part


def _in_order(parts: Sequence[_Part]) -> list[_Part]:
    """The parts of one parcel by number. Raises `ModelError` if they are not each there once."""
    if not parts:
        raise InputError("no parts; expected all files NAME.part1ofN to NAME.partNofN")
    first = parts[0]
    numbered: dict[int, _Part] = {}
    for part in parts:
        if (part.whole, part.of) != (first.whole, first.of):
            raise ModelError(f"{part.path} and {first.path} are parts of different parcels")
        other = numbered.setdefault(part.part, part)
        if other is not part:
            raise ModelError(f"part {part.part} is there twice: {other.path} and {part.path}")
    missing = [str(number) for number in range(1, first.of + 1) if number not in numbered]
    if missing:
        raise ModelError(f"{first.path.parent}: missing of {first.of} parts: {', '.join(missing)}")
    return [numbered[number] for number in sorted(numbered)]


def _concatenate(parts: Sequence[_Part], out: Path) -> None:
    whole = hashlib.sha256()
    with open(out, "wb") as joined:
        for part in parts:
            body = part.path.read_bytes()[HEADER:]
            if hashlib.sha256(body).hexdigest() != part.sha256:
                raise ModelError(f"{part.path}: damaged: its checksum differs. Copy it again")
            whole.update(body)
            joined.write(body)
    if whole.hexdigest() != parts[0].whole:
        raise ModelError(
            f"{parts[0].path.parent}: the checksum of all {len(parts)} parts together differs, "
            "though each part is intact. A header is damaged; copy the parts again"
        )


def _write_checkpoint(zipped: Path, directory: Path) -> None:
    try:
        with zipfile.ZipFile(zipped) as parcel:
            for name in parcel.namelist():
                folder, _, file = name.partition("/")
                if folder == "files":
                    if file != Path(file).name or not file or "\\" in file:
                        raise ValueError(f"{file!r} is not a file name")
                    (directory / file).write_bytes(parcel.read(name))
            listing = [_Tensor(**entry) for entry in json.loads(parcel.read("tensors.json"))]
            tensors = {t.name: _decode(t, parcel.read(f"tensors/{t.name}")) for t in listing}
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"the parcel's content is not as expected ({error})") from error
    (directory / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))


# ---- command line


def step(text: str) -> float:
    """A number, or a fraction such as 1/20."""
    try:
        return float(Fraction(text))
    except ZeroDivisionError as error:
        raise ValueError(text) from error


@click.group()
def main() -> None:
    """Move a checkpoint in parts of bounded size."""


@main.command("pack")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--words-step", type=step, default="1/6", show_default=True)
@click.option("--layers-step", type=step, default="1/20", show_default=True)
@click.option("--part-mib", type=float, default=50, show_default=True)
def pack_command(
    directory: Path, out: Path, words_step: float, layers_step: float, part_mib: float
) -> None:
    """Write the checkpoint in DIRECTORY as OUT.part1ofN to OUT.partNofN.

    A step is the rounding step of a matrix row, as a fraction of its standard deviation; 0 is fp16.
    """
    with _one_line_errors():
        pack(directory, out, words_step, layers_step, part_mib, say=click.echo)


@main.command("join")
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
def join_command(parts: tuple[Path, ...], directory: Path) -> None:
    """Unpack PARTS, in any order, into the new DIRECTORY."""
    with _one_line_errors():
        unpack(parts, directory)
        click.echo(f"wrote {directory}")


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except PullquoteError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
