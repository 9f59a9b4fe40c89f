"""Rewrites an fp32 ONNX graph with int8 weights; standard ONNX operators and one of ONNX Runtime's.

Knows graphs, nothing of models or text. Weights of matrix products get one scale a column,
embeddings one scale a row. Activations are quantised at run time with one scale a *token*: ONNX
Runtime's own dynamic quantisation takes one for the whole batch, so that a window's logits depend
on its neighbours (by up to 1.0 on random input) and lose twice as much.

    quantize_int8("model.onnx", "model-int8.onnx")
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError("onnx", "export") from error

# CPUs without VNNI add pairs of uint8 x int8 products in 16 bits: 2 x 255 x 64 = 32,640 still fits,
# 2 x 255 x 127 does not. Weights of 7 bits thus give the same answers on every machine.
_WEIGHT_LEVELS = 63
_ACTIVATION_ZERO = 128  # uint8 activations stand for -127 .. 127
_TABLE_ROWS = 1000  # smaller embeddings (positions, token types) save nothing worth a rounding


def quantize_int8(source: str | Path, target: str | Path) -> None:
    """Write an int8 form of the model at `source` to `target`.

    Raises `ModelError` when the graph has nothing to quantise.
    """
    model = onnx.load(str(source))
    graph = _Rewriter(model)
    for node in list(model.graph.node):
        graph.rewrite(node)
    if not graph.replaced:
        raise ModelError(f"{source}: no matrix product or embedding with constant weights in it")
    graph.finish()
    onnx.checker.check_model(model, full_check=False)
    onnx.save(model, str(target))


class _Rewriter:
    """Builds the new list of nodes, one old node after the other."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.quantized: dict[str, tuple[str, str]] = {}  # activation -> (its uint8, its scales)
        self.replaced: set[str] = set()

    def rewrite(self, node: onnx.NodeProto) -> None:
        weight = self.weights.get(node.input[1]) if node.op_type == "MatMul" else None
        table = self.weights.get(node.input[0]) if node.op_type == "Gather" else None
        # The last layer, (H, 2), is too small to matter in bytes and too close to the answer.
        if weight is not None and len(weight.dims) == 2 and min(weight.dims) > 2:
            self._matmul(node, weight)
        elif table is not None and len(table.dims) == 2 and table.dims[0] >= _TABLE_ROWS:
            self._gather(node, table)
        else:
            self.nodes.append(node)

    def finish(self) -> None:
        graph = self.model.graph
        used = {name for node in self.nodes for name in node.input}
        used |= {output.name for output in graph.output}
        kept = [t for t in graph.initializer if t.name in used or t.name not in self.replaced]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend([*kept, *self.constants.values()])
        if not any(opset.domain == "com.microsoft" for opset in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    def _matmul(self, node: onnx.NodeProto, weight: onnx.TensorProto) -> None:
        """X W  =  (x_q W_q) * column scales * row scales."""
        values = numpy_helper.to_array(weight)  # (K, N)
        K, N = values.shape
        q, scales = _quantize(values, axis=0, levels=_WEIGHT_LEVELS)
        x, y = node.input[0], node.output[0]
        x_q, x_scales = self._activation(x, K)
        self._add(
            "MatMulIntegerToFloat",  # takes column scales; row scales follow by themselves
            [
                x_q,
                self._constant(f"{weight.name}.int8", q),
                self._constant("one", np.float32(1)),
                self._constant(f"{weight.name}.scales", scales),
                self._constant("activation_zero", np.uint8(_ACTIVATION_ZERO)),
            ],
            f"{y}.unscaled",
            domain="com.microsoft",
        )
        self._add("Mul", [f"{y}.unscaled", x_scales], f"{y}.flat")  # (M, N)
        columns = self._constant(f"columns.{N}", np.array([N], dtype=np.int64))
        self._add("Concat", [f"{x}.leading", columns], f"{y}.shape", axis=0)
        self._add("Reshape", [f"{y}.flat", f"{y}.shape"], y)
        self.replaced.add(weight.name)

    def _activation(self, x: str, width: int) -> tuple[str, str]:
        """Quantise (..., width) as (M, width) uint8 with (M, 1) scales, once for all its users."""
        if x in self.quantized:
            return self.quantized[x]
        last = self._constant("last", np.array([-1], dtype=np.int64))
        rows = self._constant(f"rows.{width}", np.array([-1, width], dtype=np.int64))
        self._add("Reshape", [x, rows], f"{x}.flat")
        self._add("Abs", [f"{x}.flat"], f"{x}.abs")
        self._add("ReduceMax", [f"{x}.abs", last], f"{x}.max", keepdims=0)  # (M,)
        self._add("Mul", [f"{x}.max", self._constant("per_level", np.float32(1 / 127))], f"{x}.raw")
        tiny = self._constant("tiny", np.float32(1e-12))  # a row of zeros must not divide by zero
        self._add("Max", [f"{x}.raw", tiny], f"{x}.scale")
        self._add("Shape", [f"{x}.scale"], f"{x}.count")
        zero = helper.make_tensor("value", TensorProto.UINT8, [1], [_ACTIVATION_ZERO])
        self._add("ConstantOfShape", [f"{x}.count"], f"{x}.zero", value=zero)
        self._add("QuantizeLinear", [f"{x}.flat", f"{x}.scale", f"{x}.zero"], f"{x}.uint8", axis=0)
        self._add("Unsqueeze", [f"{x}.scale", last], f"{x}.scales")  # (M, 1)
        first = self._constant("first", np.array([0], dtype=np.int64))
        self._add("Shape", [x], f"{x}.dims")
        self._add("Slice", [f"{x}.dims", first, last], f"{x}.leading")
        self.quantized[x] = f"{x}.uint8", f"{x}.scales"
        return self.quantized[x]

    def _gather(self, node: onnx.NodeProto, table: onnx.TensorProto) -> None:
        """Look up int8 rows and their scales."""
        q, scales = _quantize(numpy_helper.to_array(table), axis=1, levels=127)
        ids, y = node.input[1], node.output[0]
        self._add("Gather", [self._constant(f"{table.name}.int8", q), ids], f"{y}.int8")
        self._add("Cast", [f"{y}.int8"], f"{y}.float", to=TensorProto.FLOAT)
        row_scales = self._constant(f"{table.name}.scales", scales[:, None])
        self._add("Gather", [row_scales, ids], f"{y}.scales")
        self._add("Mul", [f"{y}.float", f"{y}.scales"], y)
        self.replaced.add(table.name)

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def _constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        name = f"int8.{name}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name


def _quantize(
    values: NDArray[np.float32], *, axis: int, levels: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale for each slice across `axis`: values ≈ q * scale."""
    largest = np.abs(values).max(axis=axis, keepdims=True)
    scales = np.maximum(largest, 1e-12) / levels
    q = np.clip(np.rint(values / scales), -levels, levels).astype(np.int8)
    return q, scales.squeeze(axis).astype(np.float32)
