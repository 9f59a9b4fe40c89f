"""What the engine refuses, and reading that is interrupted, closed, forked or timed out."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_helpers import quantised, random_weights

from pullquote.checkpoints.encoder_weights import EncoderWeights, Nibbles, Norm, Quantized, Sevens
from pullquote.errors import InputError, ModelError
from pullquote.reading.backends import native_library as c
from pullquote.reading.backends.native import NativeBackend, _Arrays
from pullquote.types import Batch

pytestmark = pytest.mark.skipif(not c.LIBRARY.is_file(), reason="no engine here: make engine")
KERNELS = c.kernels() if c.LIBRARY.is_file() else ()

replace = dataclasses.replace


def read(backend: NativeBackend, ids: list[int], *, types: list[int] | None = None) -> Any:
    given = np.array(types if types else [0] * len(ids))
    return backend.read(np.array(ids), given, np.array([len(ids)]))


def layer(weights: EncoderWeights, **changes: Any) -> EncoderWeights:
    return replace(weights, layers=(weights.layers[0], replace(weights.layers[1], **changes)))


def narrow(weights: EncoderWeights) -> EncoderWeights:
    key = weights.layers[1].key
    return layer(weights, key=replace(key, weight=key.weight[:, :-1]))


def short_bias(weights: EncoderWeights) -> EncoderWeights:
    return layer(weights, output=replace(weights.layers[1].output, bias=np.zeros(31, np.float32)))


def short_norm(weights: EncoderWeights) -> EncoderWeights:
    norm = Norm(weights.embedding_norm.gain[:-1], weights.embedding_norm.bias)
    return replace(weights, embedding_norm=norm)


def wide_codes(weights: EncoderWeights) -> EncoderWeights:
    up = weights.layers[1].intermediate
    codes = quantised(np.asarray(up.weight))
    codes.codes[3, 5] = -64
    return layer(weights, intermediate=replace(up, weight=codes))


def few_scales(weights: EncoderWeights) -> EncoderWeights:
    words = quantised(np.asarray(weights.words), 127)
    return replace(weights, words=Quantized(words.codes, words.scales[:-1]))


def sevens_as_words(weights: EncoderWeights) -> EncoderWeights:
    sevens = Sevens(np.zeros((7, 32), np.uint8), np.ones(8, np.float32))
    return replace(weights, words=sevens)  # type: ignore[arg-type]


def sevens_cut_short(weights: EncoderWeights) -> EncoderWeights:
    sevens = Sevens(np.zeros((30, 32), np.uint8), np.ones(32, np.float32))
    return layer(weights, key=replace(weights.layers[1].key, weight=sevens))


def sevens_too_low(weights: EncoderWeights) -> EncoderWeights:
    sevens = Sevens(np.zeros((28, 32), np.uint8), np.ones(32, np.float32))
    return layer(weights, key=replace(weights.layers[1].key, weight=sevens))


def nibbles_cut_short(weights: EncoderWeights) -> EncoderWeights:
    nibbles = Nibbles(np.zeros((32, 15), np.uint8), np.ones(32, np.float32))
    return layer(weights, key=replace(weights.layers[1].key, weight=nibbles))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (narrow, r"layers\[1\].key.weight: shape \(32, 31\), expected \(32, 32\)"),
        (short_bias, r"layers\[1\].output.bias: 31 elements, expected 32"),
        (short_norm, "embedding_norm.gain: 31 elements, expected 32"),
        (wide_codes, r"layers\[1\].intermediate: a code of 64 in row 3; expected -63 .. 63"),
        (few_scales, "words: 49 scales, expected 50"),
        (sevens_as_words, r"words: a matrix of kind 4; expected float, int8 or nibbles"),
        (sevens_cut_short, r"layers\[1\].key.weight: 960 elements, expected 896"),
        (sevens_too_low, r"a code of 64 in row 0; expected -63 .. 63"),
        (nibbles_cut_short, r"layers\[1\].key.weight: shape \(32, 30\), expected \(32, 32\)"),
        (lambda w: replace(w, heads=5), "5 heads do not divide a width of 32"),
        (lambda w: replace(w, heads=0), "0 heads do not divide"),
        (lambda w: replace(w, layers=()), "a model of 0 layers"),
        (lambda w: replace(w, epsilon=float("nan")), "an epsilon of"),
        (lambda w: replace(w, activation="swish"), "activation 'swish': expected gelu, gelu_new"),
        (lambda w: replace(w, positions=w.positions[:0]), "positions: shape"),
        (lambda w: replace(w, positions=w.positions[0]), r"shape \(32,\); expected a matrix"),
        (lambda w: replace(w, words=w.words.astype(np.float64)), "type float64; expected float32"),
        (lambda w: replace(w, words=w.words[:, :16]), r"positions: shape \(40, 32\), expected"),
        (
            lambda w: replace(w, head=w.layers[0].key),
            r"head.weight: shape \(32, 32\), expected \(2",
        ),
    ],
)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_weights_that_do_not_fit_are_refused(
    change: Callable[[Any], EncoderWeights], message: str, precision: str
) -> None:
    if change in (wide_codes, sevens_too_low) and precision == "fp32":
        NativeBackend(change(random_weights()), precision=precision)  # floats hold any code
        return
    with pytest.raises(ModelError, match=message):
        NativeBackend(change(random_weights()), precision=precision)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(InputError, match="precision 'int4': expected int8 or fp32"):
        NativeBackend(random_weights(), precision="int4")
    with pytest.raises(ModelError, match=r"kernels sse9: this machine can run .*portable"):
        NativeBackend(random_weights(), kernels="sse9")


@pytest.mark.parametrize(
    ("ids", "types", "message"),
    [
        ([1, 50], [0, 0], "token id 50; expected 0 to 49"),
        ([-1, 1], [0, 0], "token id -1; expected"),
        ([1, 2**32 + 1], [0, 0], "token id 2147483647; expected"),
        ([1, 2], [0, 2], "token type 2; expected 0 to 1"),
        ([1] * 41, [0] * 41, "window 0 has 41 tokens; expected 1 to 40"),
    ],
)
def test_ids_that_the_model_does_not_have_are_refused(
    ids: list[int], types: list[int], message: str
) -> None:
    backend = NativeBackend(random_weights())
    with pytest.raises(InputError, match=message):
        read(backend, ids, types=types)
    assert np.isfinite(read(backend, [1, 2])).all()  # it still reads


def test_lengths_that_do_not_fit_the_ids_are_refused() -> None:
    backend = NativeBackend(random_weights())
    ids = np.ones(4, np.int64)
    with pytest.raises(InputError, match="windows of 5 tokens"):
        backend.read(ids, ids, np.array([2, 3]))
    with pytest.raises(InputError, match="window 1 has 0 tokens"):
        backend.read(ids, ids, np.array([4, 0]))
    with pytest.raises(InputError, match="window 1 has -1 tokens"):
        backend.read(ids, ids, np.array([5, -1]))


def test_padding_in_front_is_refused() -> None:
    ids = np.array([[1, 2, 3]])
    with pytest.raises(InputError, match="padding before a token"):
        NativeBackend(random_weights())(Batch(ids, np.array([[0, 1, 1]]), ids * 0))


def test_a_batch_of_no_windows_has_no_logits() -> None:
    none = np.zeros((0, 5), np.int64)
    assert NativeBackend(random_weights())(Batch(none, none, none)).start.shape == (0, 5)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_weights_that_are_no_numbers_do_no_harm(value: float, name: str) -> None:
    weights = random_weights()
    weights.positions[0, 3] = value
    np.asarray(weights.layers[0].query.weight)[2, 2] = value
    for precision in c.PRECISIONS:
        backend = NativeBackend(weights, precision=precision, kernels=name)
        start, _ = read(backend, [1, 2, 3])
        assert start.shape == (3,)


# ---- the C interface itself ----


class Interface:
    """Calls with structures that a test has damaged."""

    def __init__(self) -> None:
        self.arrays = _Arrays()
        self.weights = self.arrays.weights(random_weights())
        self.message = ctypes.create_string_buffer(200)
        self.engine = c.load_library()

    def create(self, *, precision: int = 0) -> tuple[int, ctypes.c_void_p]:
        model = ctypes.c_void_p()
        status = self.engine.pq_model_create(
            ctypes.byref(self.weights), precision, None, ctypes.byref(model), self.message, 200
        )
        return status, model


@pytest.mark.parametrize("value", [-1, 0, 1, 3, 7, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("field", ["kind", "rows", "columns", "count", "data", "scales"])
@pytest.mark.parametrize("part", ["words", "positions", "types", "head", "key"])
def test_damaged_structures_are_refused_or_harmless(part: str, field: str, value: int) -> None:
    """Addresses are trusted unless they are NULL; every size and kind is checked."""
    interface = Interface()
    weights = interface.weights
    matrix = {"head": weights.head.weight, "key": weights.layers[1].key.weight}.get(part)
    matrix = getattr(weights, part) if matrix is None else matrix
    same = value == getattr(matrix, field) or (field == "scales" and matrix.kind == c.FLOAT)
    if field in ("data", "scales"):
        value = 0
    setattr(matrix, field, value % 2**64 if field == "count" else value)
    status, model = interface.create()
    fine = same or (part in ("types", "head") and field == "kind" and value == c.NONE)
    assert status == (c.OK if fine else c.INVALID), interface.message.value
    assert bool(model) == fine
    interface.engine.pq_model_free(model)


@pytest.mark.parametrize("count", [-(2**31), -1, 0])
def test_a_damaged_number_of_layers_is_refused(count: int) -> None:
    interface = Interface()
    interface.weights.layer_count = count
    assert interface.create()[0] == c.INVALID


def test_null_pointers_are_refused() -> None:
    interface = Interface()
    library, message = interface.engine, interface.message
    assert library.pq_model_create(None, 0, None, None, message, 200) == c.INVALID
    assert b"NULL" in message.value
    assert library.pq_read(None, None, None, None, None, None, 0) == c.INVALID
    assert library.pq_linear_forward(None, 0, None, None, 1, None, message, 200) == c.INVALID
    library.pq_model_free(None)
    library.pq_stop(None)


def test_a_message_is_cut_to_its_room() -> None:
    interface = Interface()
    interface.weights.heads = 0
    model, room = ctypes.c_void_p(), ctypes.create_string_buffer(b"x" * 20)
    interface.engine.pq_model_create(
        ctypes.byref(interface.weights), 0, None, ctypes.byref(model), room, 8
    )
    assert room.raw[:9] == b"0 heads\0x"


@pytest.mark.parametrize(
    "changes",
    [
        {"windows": 0},
        {"windows": -5},
        {"threads": 0},
        {"tokens": 4},
        {"tokens": -1},
        {"ids": None},
        {"lengths": None},
    ],
)
def test_damaged_requests_are_refused(changes: dict[str, Any]) -> None:
    interface = Interface()
    status, model = interface.create()
    assert status == c.OK
    ids, lengths = np.ones(5, np.int32), np.array([2, 3], np.int32)
    request = c.CRequest(
        ids=ids.ctypes.data, lengths=lengths.ctypes.data, tokens=5, windows=2, threads=1
    )
    out, done = np.empty(5, np.float32), ctypes.c_int32(-7)
    arguments = (out.ctypes.data, out.ctypes.data, ctypes.byref(done), interface.message, 200)
    call = interface.engine.pq_read
    assert call(model, ctypes.byref(request), *arguments) == c.OK  # no types are zeros
    assert done.value == 2
    for name, value in changes.items():
        setattr(request, name, value)
    assert call(model, ctypes.byref(request), *arguments) == c.INVALID
    interface.engine.pq_model_free(model)


def test_random_requests_never_crash() -> None:
    backend = NativeBackend(random_weights(), threads=2)
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        lengths = rng.integers(-1 if rng.random() < 0.2 else 1, 45, rng.integers(1, 6))
        ids = rng.integers(-1 if rng.random() < 0.2 else 0, 51, max(lengths.sum(), 0))
        try:
            start, end = backend.read(ids, ids % 2, lengths, threads=int(rng.integers(1, 4)))
            assert np.isfinite(start).all()
            assert np.isfinite(end).all()
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


# ---- time, threads and processes ----


def long_reading(backend: NativeBackend, windows: int = 4000) -> tuple[Any, Any, Any]:
    ids = np.ones(windows * 40, np.int64)
    return ids, ids * 0, np.full(windows, 40)


@pytest.fixture
def slow() -> NativeBackend:
    """About 5 ms a window, with the portable kernels."""
    weights = random_weights(hidden=128, intermediate=512, layers=4)
    return NativeBackend(weights, kernels="portable", threads=2)


@pytest.mark.alone
def test_a_deadline_ends_a_read(slow: NativeBackend) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="deadline"):
        slow.read(*long_reading(slow), deadline=0.3)
    assert 0.2 < time.monotonic() - began < 5
    assert np.isfinite(read(slow, [1, 2])).all()


def test_a_deadline_ends_a_window_that_threads_share() -> None:
    deep = random_weights(hidden=128, intermediate=512, layers=40, positions=300)
    backend = NativeBackend(deep, kernels="portable")
    ids = np.ones(300, np.int64)
    window = ids, ids * 0, np.array([300])
    began = time.thread_time()  # the machine may be busy
    backend.read(*window, threads=2)
    whole = time.thread_time() - began
    with pytest.raises(TimeoutError, match="deadline"):
        backend.read(*window, threads=2, deadline=whole / 10)
    assert time.thread_time() - began < 1.6 * whole


def test_a_deadline_that_is_far_away_changes_nothing() -> None:
    backend = NativeBackend(random_weights())
    ids, types, lengths = long_reading(backend, 3)
    with_deadline = backend.read(ids, types, lengths, deadline=1e12)
    assert np.array_equal(with_deadline, backend.read(ids, types, lengths))


def test_closing_ends_reads_in_other_threads(slow: NativeBackend) -> None:
    errors: list[Exception] = []

    def reads() -> None:
        try:
            slow.read(*long_reading(slow), threads=2)
        except ModelError as error:
            errors.append(error)

    readers = [threading.Thread(target=reads) for _ in range(3)]
    for reader in readers:
        reader.start()
    time.sleep(0.3)
    slow.close()
    for reader in readers:
        reader.join(timeout=20)
    assert len(errors) == 3
    assert all("closed" in str(error) for error in errors)
    with pytest.raises(ModelError, match="closed"):
        read(slow, [1])
    slow.close()


def test_ctrl_c_is_heard_while_reading() -> None:
    """The engine returns now and then, so that Python sees its signals."""
    code = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
from test_engine_safety import long_reading, random_weights, NativeBackend
backend = NativeBackend(random_weights(hidden=128, intermediate=512), kernels="portable")
print("reading", flush=True)
backend.read(*long_reading(backend, 100_000))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork with threads
def test_a_child_reads_with_threads_of_its_own() -> None:
    backend = NativeBackend(random_weights(), threads=2)
    ids, types, lengths = long_reading(backend, 20)
    wanted = backend.read(ids, types, lengths, threads=2)  # the pool's threads are running
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        found = backend.read(ids, types, lengths, threads=2)
        tasks = Path("/proc/self/task")  # of Linux; the parent's threads are not here
        helped = not tasks.is_dir() or len(list(tasks.iterdir())) == 2
        os._exit(0 if helped and np.array_equal(found, wanted) else 1)
    for _ in range(200):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child does not end")
    assert status == 0
    assert np.array_equal(backend.read(ids, types, lengths, threads=2), wanted)


def test_many_threads_read_the_same_at_once() -> None:
    backend = NativeBackend(random_weights(), threads=2)
    ids, types, lengths = long_reading(backend, 30)
    wanted = backend.read(ids, types, lengths)
    same: list[bool] = []

    def reads() -> None:
        for _ in range(10):
            same.append(np.array_equal(backend.read(ids, types, lengths, threads=2), wanted))

    readers = [threading.Thread(target=reads) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert same == [True] * 40


def test_words_are_kept_alive() -> None:
    """They are borrowed: a copy would cost memory, a dangling pointer wrong answers."""
    weights = random_weights(words="nibbles", vocabulary=100_000)
    backend = NativeBackend(weights)
    wanted = read(backend, [7, 99_999])
    del weights
    filler = [np.full((100_000, 16), 255, np.uint8) for _ in range(4)]
    assert np.array_equal(read(backend, [7, 99_999]), wanted)
    del filler


# ---- the library ----


def test_a_missing_library_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"no\.so: no such file; this installation has no compiled"
    ):
        c.load_library(tmp_path / "no.so")


def test_a_file_that_is_no_library_is_reported(tmp_path: Path) -> None:
    (tmp_path / "bad.so").write_bytes(b"\x7fELF nonsense")
    with pytest.raises(ModelError, match=r"bad\.so: not an engine that can be loaded here"):
        c.load_library(tmp_path / "bad.so")


def test_a_library_of_another_interface_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "ABI_VERSION", c.ABI_VERSION + 1)
    c.load_library.cache_clear()
    try:
        with pytest.raises(
            ModelError, match=r"an engine with interface 3, but .* calls interface 4"
        ):
            c.load_library()
    finally:
        c.load_library.cache_clear()


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
def test_both_sides_agree_on_the_structures(tmp_path: Path) -> None:
    """The header is plain C; a field that is added on one side alone is found."""
    header = Path(__file__).parents[2] / "engine" / "include" / "pullquote.h"
    structures = [name for name in vars(c) if re.fullmatch(r"C[A-Z]\w+", name)]
    names = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[1:]).lower() for name in structures]
    assert {"matrix", "find_request", "vocabulary"} <= set(names)
    prints = " ".join(f'printf("%zu ", sizeof(pq_{name}));' for name in names)
    source = tmp_path / "sizes.c"
    source.write_text(
        f'#include "{header}"\n#include <stdio.h>\nint main(void) {{ {prints} return 0; }}\n'
    )
    program = tmp_path / "sizes"
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", source, "-o", program], check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    sizes = [ctypes.sizeof(getattr(c, name)) for name in structures]
    assert [int(size) for size in printed.split()] == sizes
