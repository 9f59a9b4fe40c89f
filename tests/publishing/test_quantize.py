"""What becomes int8, what does not, and that a token's numbers depend on that token alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pullquote.errors import ConfigError, ModelError
from pullquote.publishing.quantize import INT8, Scheme, quantize

RANDOM = np.random.default_rng(0)
W = RANDOM.normal(size=(32, 48)).astype(np.float32)
V = RANDOM.normal(size=(48, 16)).astype(np.float32)
TABLE = RANDOM.normal(size=(1200, 32)).astype(np.float32)
X = RANDOM.normal(size=(2, 20, 32)).astype(np.float32)
IDS = RANDOM.integers(0, 1200, (2, 20))


class Graph:
    """A model of these nodes from x or ids to y, and its int8 form beside it."""

    def __init__(
        self, folder: Path, *nodes: onnx.NodeProto, rank: int = 3, **weights: NDArray
    ) -> None:
        def value(name: str, kind: int, rank: int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, kind, [None] * rank)

        used = {name for node in nodes for name in node.input}
        inputs = [value("x", TensorProto.FLOAT, rank), value("ids", TensorProto.INT64, 2)]
        graph = helper.make_graph(
            nodes,
            "small",
            [value for value in inputs if value.name in used],
            [value("y", TensorProto.FLOAT, rank)],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
        opset = helper.make_opsetid("", 18)
        self.fp32, self.int8 = folder / "fp32.onnx", folder / "int8.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), self.fp32)

    def run(self, **inputs: NDArray) -> tuple[NDArray, NDArray]:
        """What the fp32 form gives, and the int8 form."""
        exact, rounded = (
            ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(["y"], inputs)
            for path in (self.fp32, self.int8)
        )
        return exact[0], rounded[0]

    def quantized(self, scheme: Scheme = INT8) -> Graph:
        quantize(self.fp32, self.int8, scheme)
        self.graph = onnx.load(self.int8).graph
        self.count = Counter(node.op_type for node in self.graph.node)
        self.weights = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        return self

    def matrices(self, dtype: type) -> list[tuple[int, ...]]:
        """The shapes of the stored matrices of a type, without scales."""
        shapes = [w.shape for w in self.weights.values() if w.dtype == dtype and w.ndim == 2]
        return sorted(shape for shape in shapes if shape[1] > 1)


def matmul(a: str, b: str, y: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", [a, b], [y])


def assert_near(rounded: NDArray, exact: NDArray) -> None:
    assert np.sqrt(np.mean((rounded - exact) ** 2)) < 0.03 * exact.std()
    assert not np.array_equal(rounded, exact), "nothing was rounded"


@pytest.fixture
def layers(tmp_path: Path) -> Graph:
    """An embedding and two linear layers."""
    return Graph(
        tmp_path,
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        matmul("e", "w", "h"),
        helper.make_node("Relu", ["h"], ["r"]),
        matmul("r", "v", "y"),
        table=TABLE,
        w=W,
        v=V,
    ).quantized()


def test_int8_computes_nearly_the_same_with_a_quarter_of_the_bytes(layers: Graph) -> None:
    exact, rounded = layers.run(ids=IDS)
    assert exact.shape == rounded.shape == (2, 20, 16)
    assert_near(rounded, exact)
    assert layers.int8.stat().st_size < 0.3 * layers.fp32.stat().st_size
    assert layers.matrices(np.int8) == sorted([TABLE.shape, W.shape, V.shape])
    assert layers.matrices(np.float32) == []


def test_the_same_model_gives_the_same_file(layers: Graph) -> None:
    before = layers.int8.read_bytes()
    assert layers.quantized().int8.read_bytes() == before


@pytest.mark.parametrize("scheme", [INT8, Scheme(5, 6)])
def test_onnx_runtime_has_nothing_to_warn_of(
    layers: Graph, scheme: Scheme, capfd: pytest.CaptureFixture[str]
) -> None:
    layers.quantized(scheme).run(ids=IDS)  # at the default level, warnings go to stderr
    assert capfd.readouterr() == ("", "")


def test_seven_bits_of_layers_are_the_same_numbers_in_an_eighth_less(layers: Graph) -> None:
    before, size = layers.run(ids=IDS)[1], layers.int8.stat().st_size
    np.testing.assert_array_equal(layers.quantized(Scheme(8, 7)).run(ids=IDS)[1], before)
    assert layers.matrices(np.int8) == [TABLE.shape]
    stored = sum(w.nbytes for name, w in layers.weights.items() if name.endswith("packed"))
    assert stored == (W.size + V.size) * 7 // 8
    assert layers.int8.stat().st_size > size - (W.size + V.size)


@pytest.mark.parametrize("bits", range(2, 8))
def test_packed_weights_are_what_rounding_makes_of_them(tmp_path: Path, bits: int) -> None:
    """Looked up one by one, each comes back as a step of its row's scale, and the nearest one."""
    look_up = helper.make_node("Gather", ["table", "ids"], ["y"])
    graph = Graph(tmp_path, look_up, table=TABLE).quantized(Scheme(words=bits))
    packed = [w for name, w in graph.weights.items() if name.endswith("packed")]
    assert sum(plane.nbytes for plane in packed) == TABLE.size * bits // 8
    _, rows = graph.run(ids=np.arange(1200)[None])
    scales, levels = graph.weights["int8.table.scales"], 2 ** (bits - 1) - 1  # (1200, 1)
    steps = rows[0] / scales
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    assert np.abs(steps).max() <= levels + 1e-4
    inside = np.abs(TABLE) <= levels * scales
    assert np.abs(rows[0] - TABLE)[inside].max() <= 0.501 * scales.max()
    # a scale that cuts off what lies far out is taken only where the row gains by it
    naive = np.abs(TABLE).max(axis=1, keepdims=True) / max(levels, 1)
    plain = np.rint(TABLE / naive) * naive
    ours, theirs = (np.square(x - TABLE).sum(axis=1) for x in (rows[0], plain))
    assert (ours <= theirs * 1.0001).all()
    assert bits > 5 or ours.sum() < 0.98 * theirs.sum()


def test_fewer_bits_lose_more_and_take_less(layers: Graph) -> None:
    sizes, errors = [], []
    for bits in (8, 6, 4, 3):
        exact, rounded = layers.quantized(Scheme(bits, bits)).run(ids=IDS)
        sizes.append(sum(w.nbytes for w in layers.weights.values()))
        errors.append(float(np.square(rounded - exact).mean()))
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)
    assert errors[-1] > 100 * errors[0]


def test_onnx_runtime_unpacks_when_it_loads_and_never_again(layers: Graph, tmp_path: Path) -> None:
    """What runs for a batch is what runs for plain int8."""
    ran = []
    for scheme in (INT8, Scheme(5, 6)):
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
        path = str(layers.quantized(scheme).int8)
        ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        loaded = onnx.load(tmp_path / "loaded.onnx").graph
        ran.append(Counter(node.op_type for node in loaded.node))
    assert ran[0] == ran[1]


def test_a_matrix_that_fills_no_whole_bytes_stays_unpacked(tmp_path: Path) -> None:
    odd = W[:, :5].copy()[:31]
    graph = Graph(tmp_path, matmul("x", "w", "y"), w=odd).quantized(Scheme(4, 4))
    assert graph.matrices(np.int8) == [odd.shape]


@pytest.mark.parametrize("bits", [(1, 8), (8, 9), (0, 0)])
def test_bits_that_make_no_sense(bits: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="expected 2 to 8 bits"):
        Scheme(*bits)


def test_weights_keep_to_seven_bits(layers: Graph) -> None:
    # AVX2 adds two products of uint8 and int8 in 16 bits, and cuts off what does not fit:
    #   2 x 255 x 63 = 32,130 fits,   2 x 255 x 127 = 64,770 does not
    largest = {k: np.abs(v.astype(int)).max() for k, v in layers.weights.items() if v.ndim == 2}
    assert largest["int8.w.int8"] == largest["int8.v.int8"] == 63
    assert largest["int8.table.int8"] == 127  # an embedding is looked up, not multiplied


def test_every_column_has_a_scale_of_its_own(tmp_path: Path) -> None:
    large = W * np.geomspace(1e-3, 1e3, W.shape[1], dtype=np.float32)
    exact, rounded = Graph(tmp_path, matmul("x", "w", "y"), w=large).quantized().run(x=X)
    for column in range(W.shape[1]):
        assert_near(rounded[..., column], exact[..., column])


def test_a_token_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    graph = Graph(tmp_path, matmul("x", "w", "y"), w=W).quantized()
    _, alone = graph.run(x=X)
    loud = np.concatenate([X, 1000 * X], axis=1)
    _, together = graph.run(x=loud)
    np.testing.assert_array_equal(together[:, :20], alone)


def test_rows_of_zeros_stay_zeros(tmp_path: Path) -> None:
    x = X.copy()
    x[0, 1] = 0.0
    x[1, 2] = 1e-38
    _, y = Graph(tmp_path, matmul("x", "w", "y"), w=W).quantized().run(x=x)
    assert np.isfinite(y).all()
    assert (y[0, 1] == 0).all()
    assert np.abs(y[1, 2]).max() < 1e-9


def test_columns_of_zeros_stay_zeros(tmp_path: Path) -> None:
    w = W.copy()
    w[:, 3] = 0.0
    _, y = Graph(tmp_path, matmul("x", "w", "y"), w=w).quantized().run(x=X)
    assert np.isfinite(y).all()
    assert (y[..., 3] == 0).all()


@pytest.mark.parametrize("shape", [(7, 32), (2, 5, 32), (1, 2, 3, 32), (0, 5, 32)])
def test_inputs_of_any_rank(tmp_path: Path, shape: tuple[int, ...]) -> None:
    graph = Graph(tmp_path, matmul("x", "w", "y"), rank=len(shape), w=W).quantized()
    exact, rounded = graph.run(x=np.resize(X, shape))
    assert rounded.shape == exact.shape == (*shape[:-1], 48)


def test_what_three_layers_read_is_quantised_once(tmp_path: Path) -> None:
    """Query, key and value."""
    graph = Graph(
        tmp_path,
        *(matmul("x", name, f"{name}x") for name in "qkv"),
        helper.make_node("Sum", ["qx", "kx", "vx"], ["y"]),
        q=W[:, :16].copy(),
        k=W[:, 16:32].copy(),
        v=W[:, 32:].copy(),
    ).quantized()
    assert graph.count["QuantizeLinear"] == 1
    assert graph.count["MatMulIntegerToFloat"] == 3
    assert_near(*reversed(graph.run(x=X)))


@pytest.mark.parametrize(("scheme", "stored"), [(INT8, (32, 32)), (Scheme(8, 4), (1, 512))])
def test_weights_that_layers_share_are_stored_once(
    tmp_path: Path, scheme: Scheme, stored: tuple[int, int]
) -> None:
    """ALBERT."""
    square = W[:, :32].copy()
    graph = Graph(
        tmp_path,
        matmul("x", "w", "h"),
        helper.make_node("Tanh", ["h"], ["t"]),
        matmul("t", "w", "y"),
        w=square,
    ).quantized(scheme)
    assert graph.count["MatMulIntegerToFloat"] == 2
    assert graph.matrices(np.int8) + graph.matrices(np.uint8) == [stored]
    assert graph.matrices(np.float32) == []
    exact, rounded = graph.run(x=X)
    assert 0 < np.square(rounded - exact).mean() < 0.05 * exact.var()


def test_a_weight_that_is_stored_transposed(tmp_path: Path) -> None:
    """What torch leaves where layers share a weight of some size."""
    graph = Graph(
        tmp_path,
        helper.make_node("Transpose", ["wt"], ["w"], perm=[1, 0]),
        matmul("x", "w", "h"),
        matmul("h", "wt", "y"),
        wt=W.T.copy(),
    ).quantized()
    assert graph.count == Counter(
        MatMulIntegerToFloat=2, QuantizeLinear=2, Abs=2, ReduceMax=2, Max=2, Reciprocal=2, Mul=4
    )
    assert graph.matrices(np.int8) == [(32, 48), (48, 32)]
    assert graph.matrices(np.float32) == []
    assert_near(*reversed(graph.run(x=X)))


def test_a_layer_right_after_another(tmp_path: Path) -> None:
    graph = Graph(tmp_path, matmul("x", "w", "h"), matmul("h", "v", "y"), w=W, v=V).quantized()
    assert graph.count["MatMulIntegerToFloat"] == 2
    assert_near(*reversed(graph.run(x=X)))


def test_a_weight_that_something_else_uses_too_stays_beside_its_int8_form(tmp_path: Path) -> None:
    graph = Graph(
        tmp_path,
        matmul("x", "w", "h"),
        helper.make_node("ReduceSum", ["w"], ["sum"]),
        helper.make_node("Add", ["h", "sum"], ["y"]),
        w=W,
    ).quantized()
    assert graph.matrices(np.int8) == graph.matrices(np.float32) == [W.shape]
    assert_near(*reversed(graph.run(x=X)))


def test_a_product_of_constants_is_left_for_onnx_runtime_to_work_out(tmp_path: Path) -> None:
    """DeBERTa's relative positions go through the layers that the text goes through."""
    graph = Graph(
        tmp_path,
        helper.make_node("Tanh", ["positions"], ["p"]),
        matmul("p", "w", "pw"),
        matmul("x", "w", "xw"),
        helper.make_node("Add", ["xw", "pw"], ["y"]),
        w=W,
        positions=X[0],
    ).quantized()
    assert graph.count["MatMulIntegerToFloat"] == 1
    assert graph.matrices(np.int8) == [W.shape]
    assert graph.matrices(np.float32) == [X[0].shape]
    assert_near(*reversed(graph.run(x=X)))

    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    ort.InferenceSession(str(graph.int8), options, providers=["CPUExecutionProvider"])
    loaded = onnx.load(tmp_path / "loaded.onnx").graph
    assert "MatMul" not in {node.op_type for node in loaded.node}


def test_what_is_small_or_no_table_of_numbers_stays(tmp_path: Path) -> None:
    """Positions, the last layer, tables of integers, columns that are gathered."""
    graph = Graph(
        tmp_path,
        matmul("x", "w", "h"),
        matmul("h", "head", "logits"),  # (2, 20, 2)
        helper.make_node("Gather", ["positions", "ids"], ["p"], axis=0),  # (2, 20, 2)
        helper.make_node("Gather", ["buckets", "ids"], ["b"]),  # (2, 20, 2)
        helper.make_node("Gather", ["wide", "ids"], ["columns"], axis=1),  # (1000, 2, 20)
        helper.make_node("ReduceSum", ["columns"], ["c"]),
        helper.make_node("Cast", ["b"], ["bf"], to=TensorProto.FLOAT),
        helper.make_node("Sum", ["logits", "p", "bf", "c"], ["y"]),
        w=W,
        head=W.T[:, :2].copy(),
        positions=TABLE[:512, :2].copy(),
        buckets=np.arange(2400).reshape(1200, 2),
        wide=TABLE[:1000, :12].copy(),
    ).quantized()
    assert graph.matrices(np.int8) == [W.shape]
    assert graph.matrices(np.float32) == [(48, 2), (512, 2), (1000, 12)]
    assert_near(*reversed(graph.run(x=X, ids=IDS % 12)))


def test_a_model_with_nothing_to_quantise_is_refused(tmp_path: Path) -> None:
    graph = Graph(tmp_path, matmul("x", "x", "y"))
    with pytest.raises(ModelError, match=r"fp32.onnx: no matrix product or embedding"):
        graph.quantized()
    assert not graph.int8.exists()
