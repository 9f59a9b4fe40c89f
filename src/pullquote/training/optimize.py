"""AdamW with its parameter groups, the learning rate schedule, and a setting of malloc."""

from __future__ import annotations

import contextlib
import ctypes
import math
from typing import TYPE_CHECKING

from pullquote.errors import MissingExtraError

try:
    import torch
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from pullquote.training.recipe import Recipe


def optimizer(
    model: torch.nn.Module, embeddings: torch.Tensor, recipe: Recipe
) -> torch.optim.Optimizer:
    """AdamW with weight decay for matrices, and none for biases and layer norms.

    `embeddings` is the word embedding matrix of `model`. The `share` of a parameter group is
    multiplied with the learning rate.
    """
    others = [p for p in model.parameters() if p is not embeddings]
    matrices = [p for p in others if p.ndim > 1]
    vectors = [p for p in others if p.ndim <= 1]
    decay, share = recipe.weight_decay, recipe.embedding_rate_share
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": decay, "share": 1.0},
            {"params": vectors, "weight_decay": 0.0, "share": 1.0},
            {"params": [embeddings], "weight_decay": decay, "share": share},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, recipe.beta2),
        eps=recipe.adam_epsilon,
        fused=True,
    )


def rate_share(done: float, step: float, recipe: Recipe) -> float:
    """The learning rate of a step, as a share of the peak rate.

    `done` is the share of the run that lies before the step, `step` its own share of the run.
    """
    warmup = recipe.warmup_steps * step if recipe.warmup_steps else recipe.warmup_share
    if done + step <= warmup:
        # 0 / 0: the first step of a run by the clock, of which nobody knows how long it takes
        return (done + step) / warmup if warmup else 0.0
    decayed = min(max(done - warmup, 0.0) / max(1 - warmup, step), 1.0)
    if recipe.schedule == "linear":
        return 1 - decayed
    return (1 + math.cos(math.pi * decayed)) / 2 if recipe.schedule == "cosine" else 1.0


def keep_memory() -> None:
    """Make glibc keep freed memory for the next batch instead of returning it to the system.

    Every batch has another shape. Allocating its gigabyte again, page by page, made training
    slower by up to a third (MiniLM-L6: 4,200 instead of 6,100 tokens a second).
    """
    mmap_max, trim_threshold = -4, -1  # malloc.h
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
