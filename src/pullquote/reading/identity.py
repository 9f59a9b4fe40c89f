"""What tells two readers apart: a hash of all that their logits depend on.

    fingerprint(Reader("small")) == fingerprint(Reader("small"))

Hashes the bytes of a model's files; knows which files are read, not what stands in them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pullquote.checkpoints import layout
from pullquote.reading.backends.choose import choose

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader


def fingerprint(reader: Reader) -> str:
    """A hash of a reader: its backend and precision, its config, tokenizer and weights.

    Settings of `reader.json` are not part of it.
    """
    directory, backend = reader.directory, reader.backend
    precision = getattr(backend, "precision", "")
    file = choose(directory).file
    if type(backend).__name__ == "TorchBackend" or file == directory.safetensors:
        forms = directory.path.glob(layout.SAFETENSORS_PATTERNS[0])
    else:
        forms = file.parent.glob(f"{file.name}*")  # large ONNX models have a second file
    digest = hashlib.sha256(f"{type(backend).__name__} {precision}".strip().encode())
    for file in (directory.path / layout.CONFIG, directory.tokenizer, *sorted(forms)):
        with open(file, "rb") as weights:
            while piece := weights.read(2**20):
                digest.update(piece)
    return digest.hexdigest()
