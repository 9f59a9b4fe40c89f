"""pullquote: extractive question answering. Answers are exact quotes from a text, or "no answer".

    from pullquote import Reader
    reader = Reader()
    prediction = reader.answer("Who led the Norse?", "The Norse, led by Rollo, came by sea.")
    prediction.text  # "Rollo"

Importing this package is cheap: `Reader` and other classes are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pullquote.errors import PullquoteError, PullquoteWarning
from pullquote.settings import ReaderConfig
from pullquote.types import (
    Answer,
    Document,
    Example,
    Highlight,
    Hit,
    Passage,
    Place,
    Prediction,
    Span,
)

if TYPE_CHECKING:
    from pullquote.checking.check import Checker, check
    from pullquote.checking.verdicts import Check
    from pullquote.compat.pipeline import QuestionAnsweringPipeline, pipeline
    from pullquote.reading.reader import Reader
    from pullquote.searching.index import Index
    from pullquote.searching.prune import Pruned, prune
    from pullquote.searching.search import Searcher

__version__ = "0.2.0"

__all__ = [
    "Reader",
    "ReaderConfig",
    "Example",
    "Span",
    "Answer",
    "Prediction",
    "Highlight",
    "prune",
    "Pruned",
    "Index",
    "Searcher",
    "Hit",
    "Place",
    "Passage",
    "Document",
    "check",
    "Check",
    "Checker",
    "pipeline",
    "QuestionAnsweringPipeline",
    "PullquoteError",
    "PullquoteWarning",
    "__version__",
]

_LAZY = {
    "Reader": "pullquote.reading.reader",
    "Index": "pullquote.searching.index",
    "Searcher": "pullquote.searching.search",
    "prune": "pullquote.searching.prune",
    "Pruned": "pullquote.searching.prune",
    "check": "pullquote.checking.check",
    "Check": "pullquote.checking.verdicts",
    "Checker": "pullquote.checking.check",
    "pipeline": "pullquote.compat.pipeline",
    "QuestionAnsweringPipeline": "pullquote.compat.pipeline",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
