"""The ONNX backend: accepted inputs, errors, and batches against single windows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from pullquote import Example, Reader
from pullquote.errors import ModelError
from pullquote.reading.backends.onnx import OnnxBackend
from pullquote.types import Batch

NORSE = "The Norse, led by Rollo, came by sea."


def batch(ids: list[list[int]]) -> Batch:
    input_ids = np.array(ids, dtype=np.int64)
    return Batch(input_ids, np.ones_like(input_ids), np.zeros_like(input_ids))


Changed = Callable[[Callable[[onnx.GraphProto], None]], Path]


@pytest.fixture
def changed(tmp_path: Path, onnx_bytes: bytes) -> Iterator[Changed]:
    """Write the tiny ONNX file after a change of its graph."""

    def changed(change: Callable[[onnx.GraphProto], None]) -> Path:
        model = onnx.load_from_string(onnx_bytes)
        change(model.graph)
        onnx.save(model, tmp_path / "model.onnx")
        return tmp_path / "model.onnx"

    return changed


def test_logits_are_a_start_and_an_end_for_each_token(model_dir: Path) -> None:
    logits = OnnxBackend(model_dir / "model.onnx")(batch([[1, 2, 3], [3, 2, 1]]))
    assert logits.start.shape == logits.end.shape == (2, 3)
    assert logits.start.dtype == logits.end.dtype == np.float32
    assert np.array_equal(logits.start[0], logits.start[1][::-1])
    assert not np.array_equal(logits.start, logits.end)


def test_a_batch_gives_what_its_rows_give_alone(model_dir: Path) -> None:
    reader = Reader(model_dir, threads=1)
    examples = [Example(str(index), "who", NORSE[index:]) for index in range(30)]
    for example, together in zip(examples, reader.answer_all(examples, top_k=3), strict=True):
        alone = reader.answer(example.question, example.context, top_k=3)
        assert [answer.text for answer in alone.answers] == [a.text for a in together.answers]
        assert alone.null_score_diff == pytest.approx(together.null_score_diff, abs=1e-5)


def test_int32_inputs_and_missing_inputs_are_served(changed: Changed) -> None:
    def change(graph: onnx.GraphProto) -> None:
        graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
        del graph.input[1:]

    logits = OnnxBackend(changed(change))(batch([[1, 2, 3]]))
    assert logits.start.shape == (1, 3)


def rename_output(graph: onnx.GraphProto) -> None:
    graph.output[0].name = graph.node[3].output[0] = "scores"


def rename_input(graph: onnx.GraphProto) -> None:
    graph.input[0].name = graph.node[0].input[1] = "pixel_values"


def add_input(graph: onnx.GraphProto) -> None:
    graph.input.append(helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["B"]))


@pytest.mark.parametrize("change", [rename_output, rename_input, add_input])
def test_a_model_of_another_kind_is_refused(
    changed: Changed, change: Callable[[onnx.GraphProto], None]
) -> None:
    with pytest.raises(ModelError, match="not a question-answering model: it takes"):
        OnnxBackend(changed(change))


def test_logits_of_another_shape_are_a_model_error(changed: Changed) -> None:
    def unsqueezed(graph: onnx.GraphProto) -> None:
        graph.node[3].CopyFrom(helper.make_node("Identity", ["start"], ["start_logits"]))
        graph.output[0].CopyFrom(
            helper.make_tensor_value_info("start_logits", TensorProto.FLOAT, ["B", "T", 1])
        )

    with pytest.raises(ModelError, match=r"shapes \(1, 3, 1\) and \(1, 3\)"):
        OnnxBackend(changed(unsqueezed))(batch([[1, 2, 3]]))


def test_a_file_cut_short_is_a_model_error_wherever_it_is_cut(
    tmp_path: Path, onnx_bytes: bytes
) -> None:
    cut = tmp_path / "model.onnx"
    for length in [*range(0, len(onnx_bytes), 97), len(onnx_bytes) - 1]:
        cut.write_bytes(onnx_bytes[:length])
        with pytest.raises(ModelError, match=f"{length:,} bytes.*may be cut short"):
            OnnxBackend(cut)


def of_newer_format(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def of_newer_operators(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def of_an_operator_not_implemented(model: onnx.ModelProto) -> None:
    # max(head, head) in int16, which ONNX Runtime has not on a CPU
    graph = model.graph
    nodes = (
        helper.make_node("Cast", ["head"], ["short"], to=TensorProto.INT16),
        helper.make_node("Max", ["short", "short"], ["same"]),
        helper.make_node("Cast", ["same"], ["back"], to=TensorProto.FLOAT),
    )
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
    graph.node[4].input[1] = "back"


@pytest.mark.parametrize(
    "change", [of_newer_format, of_newer_operators, of_an_operator_not_implemented]
)
def test_a_model_newer_than_onnx_runtime_is_told_from_a_damaged_one(
    change: Callable[[onnx.ModelProto], None],
    tmp_path: Path,
    onnx_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = onnx.load_from_string(onnx_bytes)
    change(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    found = re.escape(ort.__version__)
    with pytest.raises(ModelError, match=f"Runtime {found} .* a newer one.*pip install -U onnxr"):
        OnnxBackend(path)
    monkeypatch.setattr(ort, "__version__", "1.20.1")
    with pytest.raises(
        ModelError, match=r"Runtime 1\.20\.1 cannot .* needs 1\.21 or newer.*install"
    ):
        OnnxBackend(path)


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        OnnxBackend(tmp_path / "model.onnx")


def test_a_token_beyond_the_embeddings_is_a_model_error(
    model_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    backend = OnnxBackend(model_dir / "model.onnx")
    with pytest.raises(ModelError, match=r"batch of shape \(1, 2\).*belong together"):
        backend(batch([[1, 9999]]))
    assert capfd.readouterr().err == ""


def test_broken_weights_are_a_model_error(changed: Changed, model_dir: Path) -> None:
    def not_a_number(graph: onnx.GraphProto) -> None:
        weights = graph.initializer[0]
        weights.raw_data = np.full(tuple(weights.dims), np.nan, dtype=np.float32).tobytes()

    (model_dir / "model.onnx").write_bytes(changed(not_a_number).read_bytes())
    with pytest.raises(ModelError, match="not finite"):
        Reader(model_dir).answer("who", NORSE)


def test_onnx_runtime_keeps_and_sends_no_usage_data(model_dir: Path, tmp_path: Path) -> None:
    code = (
        f"from pullquote import Reader; print(Reader({str(model_dir)!r}).answer('who', {NORSE!r}))"
    )
    own = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "PULLQUOTE_CACHE")
    variables = {name: value for name, value in os.environ.items() if name not in own}
    home = tmp_path / "home"
    home.mkdir()
    places = dict.fromkeys(("HOME", "TMPDIR"), str(home))
    subprocess.run([sys.executable, "-c", code], env={**variables, **places}, check=True)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path.name for path in files if "pullquote" not in path.parts] == []
