"""Damages bytes and JSON at random: what a broken disk, a bad copy or an attacker leaves behind."""

from __future__ import annotations

import copy
import gzip
import json
import random
from typing import Any

# Values that break readers of JSON: the wrong type, the end of an integer, no number, too deep.
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        3,
        7,
        2**31 - 1,
        2**31,
        2**32,
        2**53,
        2**63 - 1,
        2**63,
        2**64,
    ),
    *(-(2**31), -(2**63), 10**30, 10**300, 0.0, -0.0, 0.5, 1e-50, 1e30, 1e308),
    *(float("inf"), float("-inf"), float("nan")),
    *("", "a", "\0", "\ud800", "[SEP]", "é" * 300, "9" * 5000, "٣"),
    *([], {}, [[]], [{}], {"": {}}, [0] * 100, [1] * 70, [2**62, 2**62, 0], [10**30, 0], [0, 1]),
]


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes with one to four of them changed, cut, doubled or moved; rarely something else."""
    if rng.random() < 0.03:
        return rng.choice([b"", b"\0", data[:8], gzip.compress(data), b"\xff\xfe" + data, data * 2])
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        length = min(rng.choice([1, 1, 2, 4, 8, 50, 1000]), len(out) - at)
        match rng.randrange(6):
            case 0:
                out[at : at + length] = rng.randbytes(length)
            case 1:
                out[at : at + length] = bytes([rng.choice([0, 1, 127, 128, 255])]) * length
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                del out[at:]
            case 5 if length:
                out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def damaged_value(rng: random.Random, value: Any) -> Any:
    """A copy of a JSON value with one to three of its parts replaced, taken away or exchanged."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(value))
        if not places:
            return rng.choice(ODD)
        holder, key = rng.choice(places)
        match rng.randrange(8):
            case 0:
                del holder[key]
            case 1:
                other, name = rng.choice(places)
                holder[key] = copy.deepcopy(other[name])
            case 2 if type(holder[key]) is int:
                holder[key] += rng.choice([-1, 1, 2, 64, -64])
            case 3 if isinstance(holder, dict):
                holder[rng.choice(["", "x", *map(str, ODD[:12])])] = holder.pop(key)
            case 4 if isinstance(holder, list):
                holder.extend(copy.deepcopy(holder[key : key + 1] * rng.choice([1, 5])))
            case 5:
                deep: Any = holder[key]
                for _ in range(rng.choice([1, 50])):
                    deep = [deep]
                holder[key] = deep
            case _:
                holder[key] = copy.deepcopy(rng.choice(ODD))
    return value


def damaged_json(rng: random.Random, value: Any) -> bytes:
    """The bytes of a JSON file: a value that was damaged, or a text that was."""
    if rng.random() < 0.7:
        return json.dumps(damaged_value(rng, value)).encode()
    return damaged(rng, json.dumps(value).encode())


def _places(value: Any) -> Any:
    """The parts of a value, each as its holder and its key or index."""
    if isinstance(value, (dict, list)):
        for key in range(len(value)) if isinstance(value, list) else list(value):
            yield value, key
            yield from _places(value[key])
