"""The training loss of a micro-batch: gold labels, teacher logits, teacher hidden states.

loss = micro_batch_loss(learner, data, recipe, rows)      # summed over the windows `rows`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import MissingExtraError
from pullquote.training.windows import PADDING
from pullquote.types import INPUTS

try:
    import torch

    from pullquote.training.attention import last_attention
    from pullquote.training.losses import soft_loss, span_loss
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.training.data import TrainingData
    from pullquote.training.learner import Learner
    from pullquote.training.recipe import Recipe


def micro_batch_loss(
    learner: Learner, data: TrainingData, recipe: Recipe, rows: NDArray[np.int64]
) -> torch.Tensor:
    """The weighted losses of the windows `rows`, summed over them; a scalar."""
    device, hidden_teacher = learner.parameters[0].device, learner.hidden_teacher
    multiple = 8 if device.type == "cuda" else 1  # its fast attention wants aligned rows
    batch = data.windows.batch(rows, multiple)
    tensors = {name: _moved(getattr(batch, name), device) for name in INPUTS}
    padded = not batch.attention_mask.all()
    feed: dict[str, Any] = {
        name: tensors[name] for name in learner.inputs if padded or name != "attention_mask"
    }
    if device.type == "cuda" and padded and learner.model.config._attn_implementation == "sdpa":
        feed["attention_mask"] = _square_mask(tensors["attention_mask"])
    if hidden_teacher and recipe.hidden_weight:
        feed["output_hidden_states"] = True
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")
    with bf16, last_attention() as attention:
        output = learner.model(**feed)
        loss = torch.zeros((), device=device)
        if hidden_teacher:
            loss = hidden_teacher.loss(tensors, output, attention)
    logits = output.start_logits.float(), output.end_logits.float()  # (B, T) each
    if padded:
        padding = tensors["attention_mask"] == 0
        logits = tuple(side.masked_fill(padding, PADDING) for side in logits)
    if recipe.label_weight:
        labels = _moved(data.windows.labels[rows].astype(np.int64), device)  # (B, 2)
        loss = loss + recipe.label_weight * span_loss(*logits, labels)
    if data.soft_labels:
        soft = data.windows.padded(data.soft_labels, rows, multiple)
        teacher = _moved(soft.start, device), _moved(soft.end, device)
        loss = loss + recipe.soft_weight * soft_loss(logits, teacher, recipe.temperature)
    return loss


def _square_mask(mask: torch.Tensor) -> torch.Tensor:
    """The attention mask (B, T) for each pair of tokens, (B, 1, T, T).

    transformers asks a mask (B, T) whether it is all ones, for which the CPU waits for the GPU.
    """
    return mask.bool()[:, None, None, :].expand(-1, 1, mask.shape[1], -1)


def _moved(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """An array on a device; a GPU fetches it while it still computes the step before."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
