"""Checks an installed pullquote: its compiled engine is there, and answers a question.

python .ci/check_installed.py
"""

from pullquote import Reader
from pullquote.reading.backends.native import NativeBackend

reader = Reader()
assert isinstance(reader.backend, NativeBackend), "without the compiled engine"
prediction = reader.answer("Who led the Norse?", "The Norse, led by Rollo, came by sea.")
assert prediction.text == "Rollo", prediction
print(f"answered by the engine, with its kernels {reader.backend.kernels}")  # noqa: T201
