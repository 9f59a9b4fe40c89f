"""Quantises the weights of an fp32 ONNX graph to int8.

Uses standard ONNX operators and one of ONNX Runtime's. Weights of matrix products get one scale per
column, embeddings one per row. Activations are quantised at run time with one scale per *token*:
ONNX Runtime's own dynamic quantisation has one for the whole batch, so that the logits of a window
depend on the other windows (by up to 1.0 on random input), and twice the quantisation loss.

    quantize("model.onnx", "model-int8.onnx")
    quantize("model.onnx", "model-5-6.onnx", Scheme(words=5, layers=6))

A file may store fewer than 8 bits of a weight. Such weights are packed, and a few nodes unpack them
to int8:

    5 bits of six values    4 bits of each, two in a byte | the last bit of each, eight in a byte

These nodes depend on no input, so ONNX Runtime computes them once, when it loads the model
(constant folding; 0.14 s for `small`, RESULTS.md). Inference is as fast as with plain int8.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.checkpoints.onnx_metadata import FORMAT, QUANTIZATION, parse
from pullquote.errors import ConfigError, MissingExtraError, ModelError
from pullquote.publishing.rounding import LAYER_BITS, quantize_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError("onnx", "export") from error


@dataclass(frozen=True, slots=True)
class Scheme:
    """Bits per weight in the file: of word embeddings, and of the matrices of layers.

    Biases, position embeddings and token type embeddings stay fp32.
    """

    words: int = 8
    layers: int = 8

    def __post_init__(self) -> None:
        if not (2 <= self.words <= 8 and 2 <= self.layers <= 8):
            raise ConfigError(f"{self}: expected 2 to 8 bits")

    def __str__(self) -> str:
        return f"words {self.words} bits, layers {self.layers}"


INT8 = Scheme()
"""A byte for each weight, without packing."""

# A bit less costs more F1 in layers than in word embeddings (EXPERIMENTS.md), so that embeddings
# are reduced first.
SCHEMES = (
    INT8,
    *(Scheme(words, layers) for words, layers in [(8, 7), (6, 7), (5, 7), (4, 7), (6, 6), (5, 6)]),
    *(Scheme(words, layers) for words, layers in [(4, 6), (4, 5), (4, 4), (3, 4)]),
)
"""What `bit_search` tries, largest first."""

# uint8 activations: 1 .. 255 represent -1 .. 1, to which each token has been scaled.
_ZERO, _STEP = np.uint8(128), np.float32(1 / 127)
_TABLE_ROWS = 1000  # smaller tables (positions, token types) are not worth quantising


def quantize(source: str | Path, target: str | Path, scheme: Scheme = INT8) -> None:
    """Quantise the model at `source` and write it to `target`, its weights stored by `scheme`.

    Raises `ModelError` when the graph has nothing to quantise.

    >>> from pullquote.publishing.quantize import Scheme, quantize  # doctest: +SKIP
    >>> quantize("model.onnx", "model-5-6.onnx", Scheme(words=5, layers=6))  # doctest: +SKIP
    """
    model = onnx.load(str(source))
    graph = _Rewriter(model, scheme)
    for node in list(model.graph.node):
        graph.rewrite(node)
    if not graph.constants:
        raise ModelError(f"{source}: no matrix product or embedding with constant weights in it")
    graph.finish()
    helper.set_model_props(model, {QUANTIZATION: graph.metadata()})
    onnx.checker.check_model(model, full_check=False)
    onnx.save(model, str(target))


# Names in a quantised graph. A weight "w" is stored as integers and scales; integers that nodes
# unpack have the name without the prefix.
_PREFIX = "int8."
_INTEGERS, _SCALES = ".int8", ".scales"


def scales_name(weight: str) -> str:
    """The name of the constant with the scales of a quantised weight."""
    return f"{_PREFIX}{weight}{_SCALES}"


def integers_name(model: onnx.ModelProto, weight: str) -> str:
    """The name of the tensor with the integers of a quantised weight: a constant or unpacked."""
    constant = f"{_PREFIX}{weight}{_INTEGERS}"
    stored = any(tensor.name == constant for tensor in model.graph.initializer)
    return constant if stored else f"{weight}{_INTEGERS}"


def weight_name(tensor: str) -> str:
    """The name of the weight to which a tensor of integers belongs."""
    return tensor.removeprefix(_PREFIX).removesuffix(_INTEGERS)


def quantized_weights(model: onnx.ModelProto) -> list[str]:
    """The names of all quantised weights of a graph.

    They are listed in the metadata. Files of 0.1 have none: there, constants with scales count.
    """
    for entry in model.metadata_props:
        if entry.key == QUANTIZATION:
            return list(parse(entry.value).weights)
    return [name for tensor in model.graph.initializer if (name := _scaled(tensor.name))]


def _scaled(constant: str) -> str:
    """The name of the weight whose scales a constant holds; "" for other constants."""
    if not (constant.startswith(_PREFIX) and constant.endswith(_SCALES)):
        return ""
    return constant.removeprefix(_PREFIX).removesuffix(_SCALES)


class _Rewriter:
    """Rewrites a graph node by node; collects the new nodes and constants."""

    def __init__(self, model: onnx.ModelProto, scheme: Scheme) -> None:
        self.model, self.scheme = model, scheme
        self.layer_bits = min(scheme.layers, LAYER_BITS)
        self.weights = {
            tensor.name: tensor
            for tensor in model.graph.initializer
            if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2
        }
        self.varying = {
            value.name for value in model.graph.input
        }  # tensors that depend on the input
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.unpacked: set[str] = set()
        self.quantized: dict[str, tuple[str, str]] = {}  # activation -> (its uint8, its scales)
        self.replaced: set[str] = set()

    def rewrite(self, node: onnx.NodeProto) -> None:
        if self.varying.intersection(node.input):
            self.varying.update(node.output)
        if node.op_type == "Transpose" and node.input[0] in self.weights:
            self._transpose(node)
            return
        weight = self.weights.get(node.input[1]) if node.op_type == "MatMul" else None
        table = self.weights.get(node.input[0]) if _gathers_rows(node) else None
        # The last layer, (H, 2), stays fp32: it is small, and its errors go into the logits.
        if weight is not None and min(weight.dims) > 2:
            if node.input[0] in self.varying:
                self._matmul(node, weight)
            else:
                self._constant_matmul(node, weight)
        elif table is not None and table.dims[0] >= _TABLE_ROWS:
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

    def metadata(self) -> str:
        """JSON that describes the quantisation, for the file: see `checkpoints.onnx_metadata`."""
        weights = [name for name in map(_scaled, self.constants) if name]
        return json.dumps(
            {
                "format": FORMAT,
                "words": self.scheme.words,
                "layers": self.scheme.layers,
                "weights": weights,
            }
        )

    def _transpose(self, node: onnx.NodeProto) -> None:
        """Store a weight transposed; torch leaves a Transpose node where layers share a weight."""
        x, y = node.input[0], node.output[0]
        transposed = np.ascontiguousarray(numpy_helper.to_array(self.weights[x]).T)
        self.weights[y] = numpy_helper.from_array(transposed, y)
        self.model.graph.initializer.append(self.weights[y])
        self.replaced.add(x)

    def _matmul(self, node: onnx.NodeProto, weight: onnx.TensorProto) -> None:
        """X W  =  row scales * (x_q W_q * column scales)."""
        q, scales = quantize_array(numpy_helper.to_array(weight), axis=0, bits=self.layer_bits)
        x, y = node.input[0], node.output[0]
        x_q, x_scales = self._activation(x)
        self._add(
            "MatMulIntegerToFloat",  # applies column scales; Mul applies the row scales
            [
                x_q,
                self._integers(f"{weight.name}{_INTEGERS}", q, self.scheme.layers),
                self._constant("step", _STEP),
                self._constant(f"{weight.name}{_SCALES}", scales),
                self._constant("zero", _ZERO),
            ],
            f"{y}.unscaled",
            domain="com.microsoft",
        )
        self._add("Mul", [f"{y}.unscaled", x_scales], y)
        self.replaced.add(weight.name)

    def _constant_matmul(self, node: onnx.NodeProto, weight: onnx.TensorProto) -> None:
        """X W  =  X (W_q * column scales), where X is the same for every input.

        DeBERTa's relative positions. ONNX Runtime folds such products when it loads a model, but
        not those of integers.
        """
        q, scales = quantize_array(numpy_helper.to_array(weight), axis=0, bits=self.layer_bits)
        y = node.output[0]
        weight_q = self._integers(f"{weight.name}{_INTEGERS}", q, self.scheme.layers)
        column_scales = self._constant(f"{weight.name}{_SCALES}", scales)
        self._add("Cast", [weight_q], f"{y}.cast", to=TensorProto.FLOAT)
        self._add("Mul", [f"{y}.cast", column_scales], f"{y}.weight")
        self._add("MatMul", [node.input[0], f"{y}.weight"], y)
        self.replaced.add(weight.name)

    def _activation(self, x: str) -> tuple[str, str]:
        """Quantise (..., K) to uint8 with scales (..., 1), once for all nodes that use it."""
        if x in self.quantized:
            return self.quantized[x]
        last = self._constant("last", np.array([-1], dtype=np.int64))
        tiny = self._constant("tiny", np.float32(1e-12))  # a row of zeros must not divide by zero
        self._add("Abs", [x], f"{x}.abs")
        self._add("ReduceMax", [f"{x}.abs", last], f"{x}.max", keepdims=1)
        self._add("Max", [f"{x}.max", tiny], f"{x}.scales")
        # QuantizeLinear has scales for the rows of a matrix only, which would take reshapes. Rows
        # that are scaled to -1 .. 1 first share one scale. Mul is faster than Div.
        self._add("Reciprocal", [f"{x}.scales"], f"{x}.inverse")
        self._add("Mul", [x, f"{x}.inverse"], f"{x}.scaled")
        step, zero = self._constant("step", _STEP), self._constant("zero", _ZERO)
        self._add("QuantizeLinear", [f"{x}.scaled", step, zero], f"{x}.uint8")
        self.quantized[x] = f"{x}.uint8", f"{x}.scales"
        return self.quantized[x]

    def _gather(self, node: onnx.NodeProto, table: onnx.TensorProto) -> None:
        """Look up int8 rows and their scales."""
        q, scales = quantize_array(numpy_helper.to_array(table), axis=1, bits=self.scheme.words)
        ids, y = node.input[1], node.output[0]
        rows = self._integers(f"{table.name}{_INTEGERS}", q, self.scheme.words)
        self._add("Gather", [rows, ids], f"{y}.int8")
        self._add("Cast", [f"{y}.int8"], f"{y}.float", to=TensorProto.FLOAT)
        row_scales = self._constant(f"{table.name}{_SCALES}", scales[:, None])
        self._add("Gather", [row_scales, ids], f"{y}.row_scales")
        self._add("Mul", [f"{y}.float", f"{y}.row_scales"], y)
        self.replaced.add(table.name)

    def _integers(self, name: str, q: NDArray[np.int8], bits: int) -> str:
        """Store integers, packed if `bits` is below 8; return the name of the unpacked tensor."""
        if bits == 8 or q.size % 8:  # the latter does not occur in real models
            return self._constant(name, q)
        if name in self.unpacked:
            return name
        self.unpacked.add(name)
        # three bits: -3 .. 3 become 1 .. 7; `low` is the position of the lowest bit of a plane
        values, low, joined = q.reshape(-1) + np.int8(2 ** (bits - 1)), bits, ""
        for width in (width for width in (4, 2, 1) if bits & width):
            low -= width
            plane = self._plane(f"{name}.{width}", values.view(np.uint8), width, low)
            if joined:
                self._add("BitwiseOr", [joined, plane], f"{name}.joined{width}")
            joined = f"{name}.joined{width}" if joined else plane
        self._add("Cast", [joined], f"{name}.raised", to=TensorProto.INT8)
        middle = self._constant(f"middle{bits}", np.int8(2 ** (bits - 1)))
        self._add("Sub", [f"{name}.raised", middle], f"{name}.flat")
        shape = self._constant(f"shape {q.shape}", np.array(q.shape, dtype=np.int64))
        self._add("Reshape", [f"{name}.flat", shape], name)
        return name

    def _plane(self, name: str, values: NDArray[np.uint8], width: int, low: int) -> str:
        """Pack `width` bits of each value, and add the nodes that shift them back into place.

        A byte holds bits of values that are far apart, so that unpacking works on long rows:
            values a b c d e f, four bits of each:  bytes (d a) (e b) (f c)
        """
        share = 8 // width  # values in a byte
        shifts = np.arange(share, dtype=np.uint8)[:, None] * np.uint8(width)  # (share, 1)
        mask = np.uint8(2**width - 1)
        rows = (values >> np.uint8(low) & mask).reshape(share, -1)
        packed = np.bitwise_or.reduce(rows << shifts, axis=0, keepdims=True)  # (1, N / share)
        self._add(
            "BitShift",
            [self._constant(f"{name}.packed", packed), self._constant(f"shifts{width}", shifts)],
            f"{name}.shifted",
            direction="RIGHT",
        )
        self._add(
            "BitwiseAnd", [f"{name}.shifted", self._constant(f"mask{width}", mask)], f"{name}.bits"
        )
        self._add(
            "Reshape", [f"{name}.bits", self._constant("flat", np.array([-1]))], f"{name}.plane"
        )
        if low:
            by = self._constant(f"shift{low}", np.uint8(low))
            self._add("BitShift", [f"{name}.plane", by], f"{name}.raised", direction="LEFT")
        return f"{name}.raised" if low else f"{name}.plane"

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def _constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        name = f"{_PREFIX}{name}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name


def _gathers_rows(node: onnx.NodeProto) -> bool:
    return node.op_type == "Gather" and not any(attribute.i for attribute in node.attribute)
