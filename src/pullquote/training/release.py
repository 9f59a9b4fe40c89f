"""Its two functions moved to `pullquote.reading`."""

from pullquote.deprecated import moved_names

__getattr__ = moved_names(
    __name__,
    {
        "evaluate_checkpoint": "pullquote.reading.evaluate.evaluate_checkpoint",
        "store_threshold": "pullquote.reading.evaluate.store_threshold",
    },
)
