"""The engine's shared library and its C interface, as ctypes sees it: engine/include/pullquote.h.

Finds and loads the library, and refuses one of another version of the interface. Knows neither
weights nor batches.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import warnings
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_uint64,
    c_void_p,
)
from pathlib import Path

from pullquote.errors import ModelError, PullquoteWarning

ABI_VERSION = 3

OK, INVALID, MEMORY, DEADLINE, STOPPED, INTERNAL, BROKEN, UNTESTED = range(8)
NONE, FLOAT, INT8, NIBBLES, SEVENS = range(5)
ACTIVATIONS = {"gelu": 0, "gelu_new": 1, "relu": 2}
PRECISIONS = {"int8": 0, "fp32": 1}

MISSING = (
    "this installation has no compiled engine, so that numpy reads, several times slower. Where "
    "there is a C++17 compiler: pip install --force-reinstall --no-deps --no-cache-dir pullquote. "
    "PULLQUOTE_ENGINE=off does without it and is silent."
)

_NAMES = {"win32": "pullquote.dll", "darwin": "libpullquote.dylib"}
# PULLQUOTE_ENGINE names another build, for development; "off" leaves all reading to numpy.
_CHOSEN = os.environ.get("PULLQUOTE_ENGINE")
LIBRARY = Path(
    _CHOSEN or Path(__file__).parent / "_engine" / _NAMES.get(sys.platform, "libpullquote.so")
)


class CMatrix(Structure):
    """`pq_matrix`."""

    _fields_ = (
        ("kind", c_int32),
        ("rows", c_int32),
        ("columns", c_int32),
        ("reserved", c_int32),
        ("data", c_void_p),
        ("count", c_uint64),
        ("scales", c_void_p),
        ("scale_count", c_uint64),
    )


class CVector(Structure):
    """`pq_vector`."""

    _fields_ = (("data", c_void_p), ("count", c_uint64))


class CLinear(Structure):
    """`pq_linear`."""

    _fields_ = (("weight", CMatrix), ("bias", CVector))


class CNorm(Structure):
    """`pq_norm`."""

    _fields_ = (("gain", CVector), ("bias", CVector))


class CLayer(Structure):
    """`pq_layer`."""

    _fields_ = (
        ("query", CLinear),
        ("key", CLinear),
        ("value", CLinear),
        ("attention_output", CLinear),
        ("attention_norm", CNorm),
        ("intermediate", CLinear),
        ("output", CLinear),
        ("output_norm", CNorm),
    )


class CWeights(Structure):
    """`pq_weights`."""

    _fields_ = (
        ("words", CMatrix),
        ("positions", CMatrix),
        ("types", CMatrix),
        ("embedding_norm", CNorm),
        ("projection", CLinear),
        ("layers", POINTER(CLayer)),
        ("layer_count", c_int32),
        ("heads", c_int32),
        ("activation", c_int32),
        ("epsilon", c_float),
        ("head", CLinear),
    )


class CRequest(Structure):
    """`pq_request`."""

    _fields_ = (
        ("ids", c_void_p),
        ("types", c_void_p),
        ("lengths", c_void_p),
        ("tokens", c_int64),
        ("windows", c_int32),
        ("threads", c_int32),
        ("deadline", c_double),
        ("pause", c_double),
    )


class CPlace(Structure):
    """`pq_place`."""

    _fields_ = (("first", c_int32), ("count", c_int32), ("null_index", c_int32))


class CFindRequest(Structure):
    """`pq_find_request`."""

    _fields_ = (
        ("windows", CRequest),
        ("places", c_void_p),
        ("offsets", c_void_p),
        ("offset_count", c_int64),
        ("longest", c_int32),
        ("most", c_int32),
    )


class CSpan(Structure):
    """`pq_span`."""

    _fields_ = (
        ("begin", c_int32),
        ("end", c_int32),
        ("start_logit", c_float),
        ("end_logit", c_float),
    )


class CFound(Structure):
    """`pq_found`."""

    _fields_ = (
        ("log_mass", c_double),
        ("null_start", c_float),
        ("null_end", c_float),
        ("spans", c_int32),
        ("reserved", c_int32),
    )


class CNearestRequest(Structure):
    """`pq_nearest_request`."""

    _fields_ = (
        ("rows", c_void_p),
        ("query", c_void_p),
        ("allowed", c_void_p),
        ("row_elements", c_uint64),
        ("count", c_int64),
        ("width", c_int32),
        ("threads", c_int32),
        ("most", c_int64),
    )


class CNear(Structure):
    """`pq_near`."""

    _fields_ = (("row", c_int64), ("product", c_int32), ("reserved", c_int32))


class CVocabulary(Structure):
    """`pq_vocabulary`."""

    _fields_ = (
        ("characters", c_void_p),
        ("character_count", c_uint64),
        ("lengths", c_void_p),
        ("ids", c_void_p),
        ("tokens", c_int32),
        ("unknown", c_int32),
        ("prefix", c_void_p),
        ("prefix_length", c_int32),
        ("longest_word", c_int32),
        ("clean_text", c_int32),
        ("chinese", c_int32),
        ("strip_accents", c_int32),
        ("lowercase", c_int32),
    )


_MESSAGE = (c_char_p, c_uint64)
_SIGNATURES = {
    "pq_kernels": (POINTER(c_char_p), ()),
    "pq_model_create": (
        c_int32,
        (POINTER(CWeights), c_int32, c_char_p, POINTER(c_void_p), *_MESSAGE),
    ),
    "pq_model_free": (None, (c_void_p,)),
    "pq_stop": (None, (c_void_p,)),
    "pq_model_kernels": (c_char_p, (c_void_p,)),
    "pq_read": (
        c_int32,
        (c_void_p, POINTER(CRequest), c_void_p, c_void_p, POINTER(c_int32), *_MESSAGE),
    ),
    "pq_find": (
        c_int32,
        (
            *(c_void_p, POINTER(CFindRequest), c_void_p, c_void_p, POINTER(c_int32)),
            *_MESSAGE,
        ),
    ),
    "pq_embed": (
        c_int32,
        (c_void_p, POINTER(CRequest), c_void_p, POINTER(c_int32), *_MESSAGE),
    ),
    "pq_nearest": (
        c_int32,
        (POINTER(CNearestRequest), c_char_p, c_void_p, POINTER(c_int64), *_MESSAGE),
    ),
    "pq_tokenizer_create": (c_int32, (POINTER(CVocabulary), POINTER(c_void_p), *_MESSAGE)),
    "pq_tokenizer_free": (None, (c_void_p,)),
    "pq_tokenize": (
        c_int32,
        (
            *(c_void_p, c_void_p, c_uint64, c_void_p, c_void_p, c_void_p, c_uint64),
            *(POINTER(c_uint64), *_MESSAGE),
        ),
    ),
    "pq_linear_forward": (
        c_int32,
        (POINTER(CLinear), c_int32, c_char_p, c_void_p, c_int32, c_void_p, *_MESSAGE),
    ),
}


def available() -> bool:
    """Whether this installation has an engine, and PULLQUOTE_ENGINE is not "off".

    A library that PULLQUOTE_ENGINE names counts as there: `load_library` says what is wrong with
    it.
    """
    return _CHOSEN != "off" if _CHOSEN else LIBRARY.is_file()


def missing() -> bool:
    """Whether this installation has no engine, though nobody asked for none."""
    return not available() and _CHOSEN is None


@functools.cache
def warn_if_missing() -> None:
    """Say once in a process that there is no engine. At installation, pip says so with -v only."""
    if missing():
        warnings.warn(MISSING, PullquoteWarning, stacklevel=2)


@functools.cache
def load_library(path: Path = LIBRARY) -> ctypes.CDLL:
    """The library at `path`, loaded once. Calls into it release the GIL.

    Raises `ModelError` where there is none, or one that this version of pullquote cannot call.
    """
    if not path.is_file():
        raise ModelError(
            f"{path}: no such file; this installation has no compiled engine. "
            "Install it where there is a C++ compiler, or build it with: make engine"
        )
    try:
        library = ctypes.CDLL(str(path))
        library.pq_abi_version.restype = c_int32
        version = library.pq_abi_version()
    except (OSError, AttributeError) as error:
        raise ModelError(
            f"{path}: not an engine that can be loaded here ({error}); build it again"
        ) from error
    if version != ABI_VERSION:
        raise ModelError(
            f"{path}: an engine with interface {version}, but this version of pullquote calls "
            f"interface {ABI_VERSION}; build it again"
        )
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def kernels() -> tuple[str, ...]:
    """The names of the kernels that this machine can run, best first; the last is "portable"."""
    names = load_library().pq_kernels()
    found: list[str] = []
    while names[len(found)]:
        found.append(names[len(found)].decode())
    return tuple(found)
