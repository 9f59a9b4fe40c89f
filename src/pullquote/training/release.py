"""`evaluate_checkpoint` moved to `pullquote.reading.evaluate`."""

from pullquote.deprecated import moved_names

__getattr__ = moved_names(
    __name__, {"evaluate_checkpoint": "pullquote.reading.evaluate.evaluate_checkpoint"}
)
