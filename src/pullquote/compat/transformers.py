"""Registers the question-answering task with transformers 5, which removed it.

    import pullquote.compat.transformers
    transformers.pipeline("question-answering", model="owner/name")    # works again

transformers 4 still has the task; there, nothing is changed.
"""

from __future__ import annotations

from typing import Any

from pullquote.compat.pipeline import TASK, QuestionAnsweringPipeline
from pullquote.errors import MissingExtraError


def register() -> bool:
    """Register the task with transformers; returns whether that was needed.

    Importing this module does it. Raises `MissingExtraError` without transformers.

    >>> import transformers  # doctest: +SKIP
    >>> from pullquote.compat.transformers import register  # doctest: +SKIP
    >>> qa = transformers.pipeline("question-answering", model="owner/name")  # doctest: +SKIP
    """
    try:
        from transformers import AutoModelForQuestionAnswering, pipelines
    except ImportError as error:
        raise MissingExtraError("transformers", "torch") from error
    registry: Any = pipelines.PIPELINE_REGISTRY
    if TASK in registry.get_supported_tasks():
        return False
    # later releases of transformers 5 refuse the names in a list of removed tasks
    getattr(pipelines, "REMOVED_TASKS", {}).pop(TASK, None)
    registry.register_pipeline(
        TASK,
        pipeline_class=QuestionAnsweringPipeline,
        pt_model=AutoModelForQuestionAnswering,
        default={"model": ("distilbert/distilbert-base-cased-distilled-squad", "564e9b5")},
        type="text",
    )
    return True


register()
