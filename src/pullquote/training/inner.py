"""What goes on inside a teacher: hidden states and attention relations, made batch by batch.

They are far too large to keep: 16 GB of hidden states for an epoch of SQuAD 2.0.

    inner = InnerTeacher("runs/small", student, recipe)
    loss = inner.loss(tensors, student_output, student_attention)
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

from pullquote.errors import ConfigError, MissingExtraError, ModelError
from pullquote.reading.directory import open_model
from pullquote.types import INPUTS

try:
    import torch

    from pullquote.reading.backends.torch import load_checkpoint
    from pullquote.training.attention import Seen, last_attention, use_plain_attention
    from pullquote.training.losses import hidden_loss, relation_loss
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from pullquote.training.recipe import Recipe


class InnerTeacher:
    """A checkpoint whose inner states a student of any depth and width learns to have.

    Layer `i` of a student with `n` layers learns from layer `i * m / n` of a teacher with `m`,
    through a matrix that is trained with the student and thrown away (TinyBERT, Jiao et al. 2020,
    section 3.1). Relations are those of the last layers (MiniLM).
    """

    def __init__(self, name: str, student: Any, recipe: Recipe) -> None:
        self.recipe = recipe
        device = next(student.parameters()).device
        try:
            source = open_model(name, onnx=False)
        except ModelError as error:
            raise ModelError(
                f"hidden_weight and relation_weight look inside the first teacher: {error}"
            ) from None
        self.model = load_checkpoint(source.path).to(device)
        self.model.requires_grad_(False)
        accepted = inspect.signature(self.model.forward).parameters
        self.inputs = [name for name in INPUTS if name in accepted]
        mine, theirs = student.config, self.model.config
        needed = recipe.relation_weight > 0
        for model in (student, self.model):
            use_plain_attention(model, needed=needed)
        if needed and math.gcd(mine.hidden_size, theirs.hidden_size) % recipe.relation_heads:
            raise ConfigError(
                f"relation_heads is {recipe.relation_heads}, expected a divisor of the widths of "
                f"student and teacher, {mine.hidden_size} and {theirs.hidden_size}"
            )
        depth = mine.num_hidden_layers
        self.layers = [
            (layer, round(layer * theirs.num_hidden_layers / depth)) for layer in range(depth + 1)
        ]
        torch.manual_seed(recipe.seed)
        self.projections = torch.nn.ModuleList(
            torch.nn.Linear(mine.hidden_size, theirs.hidden_size)
            for _ in (self.layers if recipe.hidden_weight else ())
        ).to(device)

    def loss(self, tensors: dict[str, torch.Tensor], output: Any, seen: Seen) -> torch.Tensor:
        """The weighted losses for a batch that the student has read, summed over windows.

        `tensors` are the fields of a `Batch`.
        """
        recipe = self.recipe
        mask = tensors["attention_mask"]  # (B, T)
        feed = {name: tensors[name] for name in self.inputs}
        if mask.all():
            feed.pop("attention_mask")
        with torch.no_grad(), last_attention() as theirs:
            taught = self.model(**feed, output_hidden_states=bool(recipe.hidden_weight))
        total = torch.zeros((), device=mask.device)
        if recipe.hidden_weight:
            parts = [
                hidden_loss(project(output.hidden_states[mine]), taught.hidden_states[other], mask)
                for project, (mine, other) in zip(self.projections, self.layers, strict=True)
            ]
            total = total + recipe.hidden_weight * sum(parts) / len(parts)
        if recipe.relation_weight:
            total = total + recipe.relation_weight * relation_loss(
                (seen.query, seen.key, seen.value),
                (theirs.query, theirs.key, theirs.value),
                mask,
                recipe.relation_heads,
            )
        return total
