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
    batch = data.windows.batch(rows)
    tensors = {name: torch.from_numpy(getattr(batch, name)).to(device) for name in INPUTS}
    padded = not batch.attention_mask.all()
    feed: dict[str, Any] = {
        name: tensors[name] for name in learner.inputs if padded or name != "attention_mask"
    }
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
        labels = torch.from_numpy(data.windows.labels[rows].astype(np.int64)).to(device)  # (B, 2)
        loss = loss + recipe.label_weight * span_loss(*logits, labels)
    if data.soft_labels:
        soft = data.windows.padded(data.soft_labels, rows)
        teacher = torch.from_numpy(soft.start).to(device), torch.from_numpy(soft.end).to(device)
        loss = loss + recipe.soft_weight * soft_loss(logits, teacher, recipe.temperature)
    return loss
