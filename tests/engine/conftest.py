"""One linear layer of the engine, for tests of its kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pullquote.checkpoints.encoder_weights import Linear, Quantized
from pullquote.reading.backends import native_library as c
from pullquote.reading.backends.native import _Arrays


@pytest.fixture
def linear() -> Callable[[Any, Any, str], Any]:
    """The product of codes (out, in) by x (rows, in), by kernels of that name, in int8."""

    def linear(codes: Any, x: Any, kernels: str) -> Any:
        rows, out = len(x), len(codes)
        weight = Quantized(codes.astype(np.int8), np.ones(out, np.float32))
        arrays = _Arrays()
        given = arrays.linear(Linear(weight, np.zeros(out, np.float32)))
        x = np.ascontiguousarray(x, np.float32)
        y = np.empty((rows, out), np.float32)
        message = ctypes.create_string_buffer(200)
        status = c.load_library().pq_linear_forward(
            ctypes.byref(given),
            c.PRECISIONS["int8"],
            kernels.encode(),
            x.ctypes.data,
            rows,
            y.ctypes.data,
            message,
            len(message),
        )
        assert status == c.OK, message.value
        return y

    return linear
