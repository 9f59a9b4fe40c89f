"""Converts a quantised model back to an fp32 checkpoint, for further training.

Knows the graphs that `quantize` writes, and packed weights. The weights keep their rounding errors.

    unpack("small", "runs/small")
    train(Recipe(model="runs/small", ...), "runs/mine")
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.encoder_weights import Quantized, dequantized
from pullquote.checkpoints.packed import Weight, read_packed
from pullquote.checkpoints.write import copy_model, new_directory, write_weights
from pullquote.errors import ConfigError, MissingExtraError, ModelError, first_line

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from pullquote.publishing.quantize import (
        integers_name,
        quantized_weights,
        scales_name,
        weight_name,
    )
    from pullquote.reading.backends.onnx import compute
    from pullquote.reading.backends.torch import load_checkpoint
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "onnx", "export") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PREFIX = "model."  # that `export` puts before the checkpoint's names


def unpack(model: str | Path, out: str | Path) -> Path:
    """Write an fp32 checkpoint of a model that has only a packed or an ONNX file.

    Settings, threshold and calibration are copied. Raises `ConfigError` for an `out` that is not
    empty, `ModelError` for a graph that `pullquote export` and `quantize` have not written.

    >>> from pullquote.publishing.unpack import unpack  # doctest: +SKIP
    >>> path = unpack("small", "runs/small")  # doctest: +SKIP
    """
    with contextlib.suppress(ModelError):
        exact = open_model(model, onnx=False).safetensors
        raise ConfigError(f"{model}: has a checkpoint already, {exact}; train on that")
    directory = open_model(model)
    if directory.packed:
        file, stored = directory.packed, read_packed(directory.packed)
    else:
        assert directory.onnx is not None  # the only form that is left
        file, stored = directory.onnx, read_onnx(directory.onnx)
    weights = {name: dequantized(value) for name, value in stored.items()}
    out = Path(out)
    with new_directory(out):
        copy_model(directory.path, out)
        write_weights(out, weights)
        try:
            load_checkpoint(out)
        except ModelError as error:
            raise ModelError(
                f"{file}: not all of its weights are known by name; expected a model "
                f"that pullquote export has written ({error})"
            ) from error
    return out


def read_onnx(file: Path) -> Mapping[str, Weight]:
    """The checkpoint's parameters in an ONNX file by name, shaped as in torch: (out, in).

    Raises `ModelError` for a file that is damaged.
    """
    try:
        model = onnx.load(str(file))
    except Exception as error:
        raise ModelError(
            f"{file}: cannot be read ({first_line(error)}); the file may be cut short"
        ) from error
    values = _weights(model)
    found: dict[str, Weight] = {
        name.removeprefix(_PREFIX): value
        for name, value in values.items()
        if name.startswith(_PREFIX)
    }
    producers = {node.output[0]: node for node in model.graph.node}
    for node in model.graph.node:  # find linear layers by their biases, which keep their names
        bias = next((name for name in node.input if name.endswith(".bias")), "")
        if node.op_type != "Add" or not bias.startswith(_PREFIX):
            continue
        producer = producers.get(next(name for name in node.input if name != bias))
        if producer is not None and producer.op_type == "Mul":  # by the scales of the tokens
            producer = producers.get(producer.input[0])
        if producer is None or not producer.op_type.startswith("MatMul"):
            continue
        name = weight_name(producer.input[1])
        if name in values:  # else it is the output of another node, and has its own name above
            value = values[name]
            found[bias.removeprefix(_PREFIX).removesuffix("bias") + "weight"] = (
                value if isinstance(value, Quantized) else value.T
            )
    return found


def _weights(model: onnx.ModelProto) -> dict[str, NDArray[np.float32] | Quantized]:
    """All weights by their names in the graph; quantised matrices are transposed to (out, in)."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values: dict[str, NDArray[np.float32] | Quantized] = {
        name: value for name, value in constants.items() if value.dtype == np.float32
    }
    names = {name: integers_name(model, name) for name in quantized_weights(model)}
    if lost := [name for name in names if scales_name(name) not in constants]:
        raise ModelError(
            f"the ONNX metadata names the weight {lost[0]!r}, which the graph does not have; "
            "quantise the model again"
        )
    packed = [integers for integers in names.values() if integers not in constants]
    unpacked = dict(zip(packed, _run_unpacking(model, packed), strict=True))
    for name, integers in names.items():
        codes = unpacked.get(integers, constants.get(integers))
        assert codes is not None  # packed, if it is no constant
        scales = constants[scales_name(name)]
        # one scale for each row of a table (V, 1), for each column of a matrix (N,)
        values[name] = (
            Quantized(codes, scales[:, 0]) if scales.ndim == 2 else Quantized(codes.T, scales)
        )
    return values


def _run_unpacking(model: onnx.ModelProto, names: list[str]) -> list[NDArray[np.int8]]:
    """Run the nodes that unpack weights; the tensors `names`."""
    if not names:
        return []
    varying = {value.name for value in model.graph.input}
    nodes = []
    for node in model.graph.node:
        if varying.intersection(node.input):
            varying.update(node.output)
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in used]
    outputs = [helper.make_tensor_value_info(name, TensorProto.INT8, None) for name in names]
    graph = helper.make_graph(nodes, "unpacking", [], outputs, constants)
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return compute(part.SerializeToString(), names)
