"""Losses: gold labels, and distillation of logits, hidden states and attention relations.

Knows tensors only. Each function returns a sum over the windows of a batch, so that the losses of
micro-batches of any size add up to that of a step.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from pullquote.training.windows import PADDING


def span_loss(start: torch.Tensor, end: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean of the cross entropies of start and end; logits (B, T) each, labels (B, 2)."""
    return (
        F.cross_entropy(start, labels[:, 0], reduction="sum")
        + F.cross_entropy(end, labels[:, 1], reduction="sum")
    ) / 2


def soft_loss(
    student: tuple[torch.Tensor, torch.Tensor],
    teacher: tuple[torch.Tensor, torch.Tensor],
    temperature: float,
) -> torch.Tensor:
    """Mean of the KL divergences from the teacher's to the student's softened start and end.

    Logits (B, T) each. Multiplied by the temperature squared, so that gradients keep their scale
    (Hinton, Vinyals, Dean 2015, section 2).
    """
    total = torch.zeros((), device=student[0].device)
    for mine, theirs in zip(student, teacher, strict=True):
        total = total + F.kl_div(
            F.log_softmax(mine / temperature, dim=-1),
            F.log_softmax(theirs / temperature, dim=-1),
            reduction="sum",
            log_target=True,
        )
    return total * temperature**2 / 2


def hidden_loss(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of hidden states, (B, T, width) each, over the tokens of a window.

    The teacher's states are scaled to variance 1 first, so that all layers have the same weight;
    `mask` is (B, T), 1 for tokens.
    """
    teacher = F.layer_norm(teacher.float(), teacher.shape[-1:])
    distance = (student.float() - teacher).square().mean(-1)  # (B, T)
    return ((distance * mask).sum(-1) / mask.sum(-1)).sum()


def relation_loss(
    student: tuple[torch.Tensor, ...],
    teacher: tuple[torch.Tensor, ...],
    mask: torch.Tensor,
    heads: int,
) -> torch.Tensor:
    """KL divergence of token relations: softmax(x x^T / sqrt(d)) of queries, keys and values.

    MiniLMv2 (Wang et al. 2021): heads are concatenated and split into `heads` relation heads,
    so that student and teacher may differ in width and heads. Tensors are (B, heads, T, head
    width); the result is the mean over relations, relation heads and tokens, summed over windows.
    """
    total = torch.zeros((), device=mask.device)
    padding = (mask == 0)[:, None, None, :]  # (B, 1, 1, T)
    for mine, theirs in zip(student, teacher, strict=True):
        p = _relation(theirs, padding, heads)
        q = _relation(mine, padding, heads)
        divergence = (p.exp() * (p - q)).sum(-1).mean(1)  # (B, T)
        total = total + ((divergence * mask).sum(-1) / mask.sum(-1)).sum()
    return total / len(student)


def _relation(x: torch.Tensor, padding: torch.Tensor, heads: int) -> torch.Tensor:
    """Log-softmax of the scaled products of all tokens with all tokens, (B, heads, T, T)."""
    B, _, T, _ = x.shape
    x = x.transpose(1, 2).reshape(B, T, heads, -1).transpose(1, 2)  # (B, heads, T, d)
    scores = (x @ x.transpose(-1, -2)).float() * x.shape[-1] ** -0.5
    return F.log_softmax(scores.masked_fill(padding, PADDING), dim=-1)
