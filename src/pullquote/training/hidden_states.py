"""Teacher hidden states and attention relations, computed batch by batch.

They are not cached: the hidden states of an epoch of SQuAD 2.0 take 16 GB.

    teacher = HiddenStateTeacher("runs/small", student, recipe)
    loss = teacher.loss(tensors, student_output, student_attention)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pullquote.checkpoints.directory import open_model
from pullquote.errors import ConfigError, MissingExtraError, ModelError

try:
    import torch

    from pullquote.reading.backends.torch import forward_inputs, load_checkpoint
    from pullquote.training.attention import AttentionInputs, last_attention, use_plain_attention
    from pullquote.training.losses import hidden_loss, relation_loss
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from pullquote.training.recipe import Recipe


class HiddenStateTeacher:
    """A checkpoint whose hidden states a student of any depth and width is trained to match.

    Layer `i` of a student with `n` layers learns from layer `i * m / n` of a teacher with `m`,
    through a projection that is trained with the student and then discarded (TinyBERT, Jiao et al.
    2020, section 3.1). Relations are those of the last layers (MiniLM).
    """

    def __init__(self, name: str, student: Any, recipe: Recipe) -> None:
        self.recipe = recipe
        device = next(student.parameters()).device
        try:
            source = open_model(name, onnx=False)
        except ModelError as error:
            raise ModelError(
                "hidden_weight and relation_weight need the hidden states of the first teacher: "
                f"{error}"
            ) from None
        self.model = load_checkpoint(source.path).to(device)
        self.model.requires_grad_(False)
        self.inputs = forward_inputs(self.model)
        own, other = student.config, self.model.config
        relations = recipe.relation_weight > 0
        for model in (student, self.model):
            use_plain_attention(model, required=relations)
        if relations and math.gcd(own.hidden_size, other.hidden_size) % recipe.relation_heads:
            raise ConfigError(
                f"relation_heads is {recipe.relation_heads}, expected a divisor of the widths of "
                f"student and teacher, {own.hidden_size} and {other.hidden_size}"
            )
        depth = own.num_hidden_layers
        self.layers = [
            (layer, round(layer * other.num_hidden_layers / depth)) for layer in range(depth + 1)
        ]
        torch.manual_seed(recipe.seed)
        self.projections = torch.nn.ModuleList(
            torch.nn.Linear(own.hidden_size, other.hidden_size)
            for _ in (self.layers if recipe.hidden_weight else ())
        ).to(device)

    def loss(
        self, tensors: dict[str, torch.Tensor], output: Any, attention: AttentionInputs
    ) -> torch.Tensor:
        """The weighted losses of a batch, summed over its windows; a scalar.

        `tensors` are the fields of a `Batch`; `output` and `attention` are those of the student.
        """
        recipe = self.recipe
        mask = tensors["attention_mask"]  # (B, T)
        feed = {name: tensors[name] for name in self.inputs}
        if mask.all():
            feed.pop("attention_mask")
        with torch.no_grad(), last_attention() as teacher_attention:
            teacher_output = self.model(**feed, output_hidden_states=bool(recipe.hidden_weight))
        total = torch.zeros((), device=mask.device)
        if recipe.hidden_weight:
            parts = [
                hidden_loss(
                    project(output.hidden_states[layer]), teacher_output.hidden_states[origin], mask
                )
                for project, (layer, origin) in zip(self.projections, self.layers, strict=True)
            ]
            total = total + recipe.hidden_weight * sum(parts) / len(parts)
        if recipe.relation_weight:
            total = total + recipe.relation_weight * relation_loss(
                (attention.query, attention.key, attention.value),
                (teacher_attention.query, teacher_attention.key, teacher_attention.value),
                mask,
                recipe.relation_heads,
            )
        return total
