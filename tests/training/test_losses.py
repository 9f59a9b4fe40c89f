"""Losses: zero where student and teacher agree, blind to padding, the textbook's numbers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pullquote.training.losses import hidden_loss, relation_loss, soft_loss, span_loss
from pullquote.training.windows import PADDING

B, T, HEADS, D = 3, 7, 2, 8


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_span_loss_is_the_mean_of_both_cross_entropies_summed_over_windows() -> None:
    start, end = random(B, T), random(B, T, seed=1)
    labels = torch.tensor([[1, 2], [0, 0], [3, 6]])
    expected = sum(
        (F.cross_entropy(start[i], labels[i, 0]) + F.cross_entropy(end[i], labels[i, 1])) / 2
        for i in range(B)
    )
    torch.testing.assert_close(span_loss(start, end, labels), expected)


def test_soft_loss_is_zero_for_the_teacher_itself_and_has_hintons_scale() -> None:
    mine, theirs = random(B, T), random(B, T, seed=1)
    assert soft_loss((theirs, theirs), (theirs, theirs), 2.0).item() == pytest.approx(0, abs=1e-6)
    p, q = F.softmax(theirs / 3, -1), F.softmax(mine / 3, -1)
    expected = 9 * (p * (p / q).log()).sum()
    torch.testing.assert_close(soft_loss((mine, mine), (theirs, theirs), 3.0), expected)


def test_soft_loss_does_not_see_padding() -> None:
    mine, theirs = random(B, T), random(B, T, seed=1)
    padded = [F.pad(side, (0, 4), value=PADDING) for side in (mine, theirs)]
    plain = soft_loss((mine, mine), (theirs, theirs), 2.0)
    torch.testing.assert_close(soft_loss((padded[0],) * 2, (padded[1],) * 2, 2.0), plain)


def test_hidden_loss_is_zero_for_the_normed_teacher_and_blind_to_padding() -> None:
    teacher, mask = 5 * random(B, T, D), torch.ones(B, T)
    assert hidden_loss(F.layer_norm(teacher, (D,)), teacher, mask).item() == 0
    student = random(B, T, D, seed=1)
    mask[:, 4:] = 0
    whole = hidden_loss(student, teacher, mask)
    torch.testing.assert_close(whole, hidden_loss(student[:, :4], teacher[:, :4], torch.ones(B, 4)))
    assert whole > 0


def test_relations_compare_models_of_other_widths_and_heads() -> None:
    mask = torch.ones(B, T)
    teacher = tuple(random(B, 6, T, D, seed=seed) for seed in range(3))  # width 48
    student = tuple(random(B, 2, T, D, seed=seed) for seed in range(3))  # width 16
    assert relation_loss(student, teacher, mask, 4) > 0
    assert relation_loss(teacher, teacher, mask, 4).item() == pytest.approx(0, abs=1e-6)


def test_relations_are_softmax_of_scaled_products() -> None:
    x, y = random(1, 1, T, D), random(1, 1, T, D, seed=1)
    p = F.softmax(x[0, 0] @ x[0, 0].T / D**0.5, -1)
    q = F.softmax(y[0, 0] @ y[0, 0].T / D**0.5, -1)
    expected = (p * (p / q).log()).sum(-1).mean()
    torch.testing.assert_close(relation_loss((y,), (x,), torch.ones(1, T), 1), expected)


def test_relations_do_not_see_padding() -> None:
    student, teacher = (random(B, HEADS, T, D, seed=seed) for seed in range(2))
    mask = torch.ones(B, T)
    mask[:, 5:] = 0
    cut = (slice(None), slice(None), slice(0, 5))
    torch.testing.assert_close(
        relation_loss((student,), (teacher,), mask, HEADS),
        relation_loss((student[cut],), (teacher[cut],), torch.ones(B, 5), HEADS),
    )
