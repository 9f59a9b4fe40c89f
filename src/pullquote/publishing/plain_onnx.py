"""Writes a BERT-like model as an ONNX file of standard operators, for any ONNX runtime.

Builds the graph from the weights themselves, packed or of a checkpoint; torch is not needed.

    plain_onnx("small", "small-onnx")                      # weights in int8
    plain_onnx("small", "small-fp32", precision="fp32")

In int8, each token is quantised with a scale of its own, as the engine does, and multiplied by
`MatMulInteger`. `quantize` writes an operator of ONNX Runtime's in its place, which others lack.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.encoder_weights import Nibbles, Quantized, Sevens, dequantized
from pullquote.checkpoints.onnx_metadata import FORMAT, QUANTIZATION
from pullquote.checkpoints.read_weights import read_weights
from pullquote.checkpoints.write import copy_model, new_directory
from pullquote.errors import InputError, MissingExtraError, ModelError
from pullquote.publishing.rounding import LAYER_BITS, quantize_array
from pullquote.reading.backends import native_library
from pullquote.reading.backends.native import NativeBackend
from pullquote.reading.backends.numpy import NumpyBackend
from pullquote.reading.backends.rounding import difference, sample_windows
from pullquote.reading.encode import Encoder

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from pullquote.reading.backends.onnx import OnnxBackend
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "onnx", "export") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.checkpoints.encoder_weights import EncoderWeights, Layer, Linear, Norm, Table

OPSET = 17
"""The oldest set of operators with LayerNormalization."""

TOLERANCES = {"fp32": 1e-3, "int8": 1.0}
"""The largest accepted difference of a logit from pullquote's own reading of the weights."""

_UNSEEN = -1e4  # added to the scores of padding: its softmax is 0, in float16, too


@dataclass(frozen=True, slots=True)
class PlainReport:
    """What `plain_onnx` wrote, and how far a logit is at most from pullquote's own reading."""

    path: Path
    bytes: int
    difference: float


def plain_onnx(model: str | Path, out: str | Path, *, precision: str = "int8") -> PlainReport:
    """Write a new directory `out` with model.onnx, the tokenizer and the settings of a model.

    `precision` is "int8" or "fp32". Raises `ModelError`, and writes nothing, for models that are
    not BERT-like, and where ONNX Runtime's logits of a few texts are too far from those that
    pullquote's own engine gives for the same weights; `ConfigError` for an `out` that is not empty.

    >>> from pullquote.publishing.plain_onnx import plain_onnx  # doctest: +SKIP
    >>> report = plain_onnx("small", "small-onnx")  # doctest: +SKIP
    >>> print(report.bytes, report.difference)  # doctest: +SKIP
    """
    if precision not in TOLERANCES:
        raise InputError(f"precision is {precision!r}, expected {' or '.join(TOLERANCES)}")
    directory, out = open_model(model), Path(out)
    if precision == "fp32" and directory.safetensors:  # which is not rounded
        directory = replace(directory, packed=None)
    weights = read_weights(directory)
    made = _Graph(precision == "int8").model(weights)
    with new_directory(out):
        copy_model(directory.path, out, weights=False)
        file = out / layout.ONNX
        onnx.save(made, str(file))
        own = (
            NativeBackend(weights, precision=precision)
            if native_library.available()
            else NumpyBackend(weights)
        )
        change = difference(OnnxBackend(file), own, sample_windows(Encoder.of(directory))).largest
        if not change <= TOLERANCES[precision]:
            raise ModelError(
                f"{directory.path}: the ONNX form differs by {change:.2g} in a logit, more than "
                f"{TOLERANCES[precision]:g}; nothing was written"
            )
        size = sum(file.stat().st_size for file in out.iterdir())
    return PlainReport(out, size, change)


class _Graph:
    """Builds the graph; methods take and return names of tensors."""

    def __init__(self, int8: bool) -> None:
        self.int8 = int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.quantized: dict[str, tuple[str, str]] = {}  # activation -> (its uint8, its scales)

    def model(self, weights: EncoderWeights) -> onnx.ModelProto:
        inputs = ["input_ids", "attention_mask"]
        x = self.table("words", weights.words, "input_ids")  # (B, T, E)
        size = self.add("Shape", "input_ids", start=1)  # T
        positions = self.constant("positions", weights.positions)
        begin, axis = self.constant("zero", np.array([0])), self.constant("axis", np.array([0]))
        x = self.add("Add", x, self.add("Slice", positions, begin, size, axis))
        if weights.types is not None:
            inputs.append("token_type_ids")
            types = self.constant("types", weights.types)
            x = self.add("Add", x, self.add("Gather", types, "token_type_ids"))
        x = self.norm("embedding_norm", weights.embedding_norm, x, weights.epsilon)
        if weights.projection:
            x = self.linear("projection", weights.projection, x)
        mask = self.add("Cast", "attention_mask", to=TensorProto.FLOAT)
        hidden = self.add("Sub", self.number("one", 1), mask)
        hidden = self.add("Mul", hidden, self.number("unseen", _UNSEEN))
        hidden = self.add("Unsqueeze", hidden, self.constant("middle", np.array([1, 2])))
        for number, layer in enumerate(weights.layers):
            x = self.layer(f"layer{number}", layer, x, hidden, weights)  # (B, T, H)
        assert weights.head is not None  # of a reader
        logits = self.linear("head", weights.head, x, exact=True)  # (B, T, 2)
        last = self.constant("last", np.array([2]))
        self.nodes.append(helper.make_node("Split", [logits], ["start", "end"], axis=2))
        for name in ("start", "end"):
            self.nodes.append(helper.make_node("Squeeze", [name, last], [f"{name}_logits"]))
        graph = helper.make_graph(
            self.nodes,
            "pullquote",
            [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "T"]) for n in inputs],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, ["B", "T"])
                for n in ("start_logits", "end_logits")
            ],
            list(self.constants.values()),
        )
        # IR version 8 belongs to this set of operators: older runtimes refuse newer ones
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )
        if self.int8:
            stored = {"format": FORMAT, "words": 8, "layers": 8, "weights": []}
            helper.set_model_props(made, {QUANTIZATION: json.dumps(stored)})
        onnx.checker.check_model(made, full_check=True)
        return made

    def layer(self, name: str, layer: Layer, x: str, hidden: str, weights: EncoderWeights) -> str:
        heads, width = weights.heads, len(layer.query.bias) // weights.heads
        shape = self.constant("split", np.array([0, 0, heads, width]))

        def split(part: str, linear: Linear, order: list[int]) -> str:
            y = self.add("Reshape", self.linear(f"{name}.{part}", linear, x), shape)
            return self.add("Transpose", y, perm=order)

        query = split("query", layer.query, [0, 2, 1, 3])  # (B, heads, T, d)
        key = split("key", layer.key, [0, 2, 3, 1])  # (B, heads, d, T)
        value = split("value", layer.value, [0, 2, 1, 3])
        scores = self.add("MatMul", query, key)
        scores = self.add("Mul", scores, self.number("scale", 1 / math.sqrt(width)))
        scores = self.add("Softmax", self.add("Add", scores, hidden), axis=-1)
        seen = self.add("Transpose", self.add("MatMul", scores, value), perm=[0, 2, 1, 3])
        seen = self.add("Reshape", seen, self.constant("join", np.array([0, 0, heads * width])))
        y = self.linear(f"{name}.attention_output", layer.attention_output, seen)
        x = self.norm(
            f"{name}.attention_norm", layer.attention_norm, self.add("Add", x, y), weights.epsilon
        )
        inner = self.linear(f"{name}.intermediate", layer.intermediate, x)
        y = self.linear(f"{name}.output", layer.output, self.activation(weights.activation, inner))
        return self.norm(
            f"{name}.output_norm", layer.output_norm, self.add("Add", x, y), weights.epsilon
        )

    def linear(self, name: str, linear: Linear, x: str, *, exact: bool = False) -> str:
        """A linear layer; `exact` keeps its weight in fp32."""
        bias = self.constant(f"{name}.bias", linear.bias)
        if not self.int8 or exact:
            weight = self.constant(f"{name}.weight", dequantized(linear.weight).T)
            return self.add("Add", self.add("MatMul", x, weight), bias)
        quantized = linear.weight
        if isinstance(quantized, (Nibbles, Sevens)):
            quantized = quantized.unpacked()
        elif not isinstance(quantized, Quantized):
            quantized = Quantized(*quantize_array(quantized, axis=1, bits=LAYER_BITS))
        x_q, x_scales = self.activation_codes(x)
        weight = self.constant(f"{name}.int8", quantized.codes.T)
        scales = self.constant(f"{name}.scales", quantized.scales / np.float32(127))
        y = self.add("MatMulInteger", x_q, weight, self.constant("middle_code", np.uint8(128)))
        y = self.add("Mul", self.add("Cast", y, to=TensorProto.FLOAT), scales)
        return self.add("Add", self.add("Mul", y, x_scales), bias)

    def activation_codes(self, x: str) -> tuple[str, str]:
        """(..., K) as uint8, 1 .. 255 for -1 .. 1, with scales (..., 1); once for each tensor."""
        if x not in self.quantized:
            most = self.add("ReduceMax", self.add("Abs", x), axes=[-1], keepdims=1)
            scales = self.add("Max", most, self.number("tiny", 1e-12))
            step, middle = self.number("step", 1 / 127), self.constant("middle_code", np.uint8(128))
            codes = self.add("QuantizeLinear", self.add("Div", x, scales), step, middle)
            self.quantized[x] = codes, scales
        return self.quantized[x]

    def table(self, name: str, table: Table, ids: str) -> str:
        """The rows `ids` of a table."""
        if not self.int8:
            return self.add("Gather", self.constant(name, dequantized(table)), ids)
        if isinstance(table, Nibbles):
            table = table.unpacked()
        elif not isinstance(table, Quantized):
            table = Quantized(*quantize_array(table, axis=1, bits=8))
        rows = self.add("Gather", self.constant(f"{name}.int8", table.codes), ids)
        scales = self.constant(f"{name}.scales", table.scales[:, None])
        rows = self.add("Cast", rows, to=TensorProto.FLOAT)
        return self.add("Mul", rows, self.add("Gather", scales, ids))

    def norm(self, name: str, norm: Norm, x: str, epsilon: float) -> str:
        gain, bias = self.constant(f"{name}.gain", norm.gain), self.constant(name, norm.bias)
        return self.add("LayerNormalization", x, gain, bias, axis=-1, epsilon=epsilon)

    def activation(self, kind: str, x: str) -> str:
        if kind == "relu":
            return self.add("Relu", x)
        if kind == "gelu":
            inner = self.add("Erf", self.add("Mul", x, self.number("root", math.sqrt(0.5))))
        else:
            cube = self.add("Mul", x, self.add("Mul", x, x))
            cube = self.add("Mul", cube, self.number("cubic", 0.044715))
            inner = self.add(
                "Mul", self.add("Add", x, cube), self.number("root", math.sqrt(2 / math.pi))
            )
            inner = self.add("Tanh", inner)
        factor = self.add("Add", inner, self.number("one", 1))
        return self.add("Mul", self.add("Mul", x, self.number("half", 0.5)), factor)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node; the name of its output."""
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.float32(value))

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        if name not in self.constants:
            array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
            self.constants[name] = numpy_helper.from_array(array, name)
        return name
