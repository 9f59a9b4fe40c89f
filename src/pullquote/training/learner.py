"""The model in training: its parameters, their optimiser and their running average.

learner = make_learner(start, recipe, data.windows.ids, device)
norm = clip_gradients(learner, recipe.max_grad_norm)
update_weights(learner, recipe, step, rate, norm)
with averaged_weights(learner):
    learner.model.state_dict()
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import MissingExtraError

try:
    import torch

    from pullquote.reading.backends.torch import forward_inputs
    from pullquote.training.attention import use_plain_attention
    from pullquote.training.hidden_states import HiddenStateTeacher
    from pullquote.training.optimize import optimizer
    from pullquote.training.structure import structured_initialisation
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.training.recipe import Recipe
    from pullquote.training.start import Start


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """A model in training mode, and the tensors that change with it."""

    model: Any
    inputs: list[str]
    """The fields of a batch that its forward takes."""
    hidden_teacher: HiddenStateTeacher | None
    modules: torch.nn.ModuleList
    """The model, and the projections of its hidden states that are discarded after training."""
    parameters: list[torch.Tensor]
    optimizer: torch.optim.Optimizer
    averages: list[torch.Tensor]
    """The running average of each parameter; empty where the recipe wants none."""


def make_learner(
    start: Start, recipe: Recipe, token_ids: NDArray[np.int32], device: torch.device
) -> Learner:
    """Put a model and an optimiser on a device; `token_ids` are those of all training windows."""
    if start.embeddings is not None:
        counts = np.bincount(token_ids, minlength=len(start.embeddings))
        structured_initialisation(
            start.model, start.embeddings, torch.from_numpy(counts), recipe.seed
        )
    model = start.model.to(device).train()
    if device.type == "cpu":
        use_plain_attention(model)
    inputs = forward_inputs(model)
    hidden_teacher = None
    if recipe.hidden_weight or recipe.relation_weight:
        hidden_teacher = HiddenStateTeacher(recipe.teacher[0], model, recipe)
    projections = hidden_teacher.projections if hidden_teacher else torch.nn.ModuleList()
    modules = torch.nn.ModuleList([model, projections])
    parameters: list[torch.Tensor] = list(modules.parameters())
    averages = [p.detach().clone() for p in parameters] if recipe.average else []
    return Learner(
        model=model,
        inputs=inputs,
        hidden_teacher=hidden_teacher,
        modules=modules,
        parameters=parameters,
        optimizer=optimizer(modules, model.get_input_embeddings().weight, recipe),
        averages=averages,
    )


def clip_gradients(learner: Learner, max_norm: float) -> torch.Tensor:
    """Scale all gradients down to a norm of `max_norm` (0: leave them); return their norm."""
    return torch.nn.utils.clip_grad_norm_(learner.parameters, max_norm or math.inf)


def update_weights(
    learner: Learner, recipe: Recipe, step: int, rate: float, norm: torch.Tensor
) -> None:
    """Apply the gradients of a step, counted from 1, at a learning rate, and clear them.

    Where their norm is not finite, nothing is applied; the device decides, and nobody waits for it.
    """
    for group in learner.optimizer.param_groups:
        group["lr"] = rate * group["share"]
    unusable = (~norm.isfinite()).float()
    learner.optimizer.found_inf = unusable  # type: ignore[attr-defined]  # of torch's fused AdamW
    learner.optimizer.step()
    learner.optimizer.zero_grad(set_to_none=True)
    if learner.averages:
        # In the first steps weights change too fast for a long average.
        decay = min(recipe.average, (1 + step) / (10 + step))
        torch._foreach_lerp_(learner.averages, [p.detach() for p in learner.parameters], 1 - decay)


@contextlib.contextmanager
def averaged_weights(learner: Learner) -> Iterator[None]:
    """Swap in the averaged weights, where there are any, while the block runs."""
    if not learner.averages:
        yield
        return
    kept = [p.detach().clone() for p in learner.parameters]
    with torch.no_grad():
        torch._foreach_copy_(learner.parameters, learner.averages)
        try:
            yield
        finally:
            torch._foreach_copy_(learner.parameters, kept)
