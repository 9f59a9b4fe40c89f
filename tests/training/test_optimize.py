"""The rate of a run and what its optimiser shrinks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pullquote.training.optimize import optimizer, rate_share
from pullquote.training.recipe import Recipe


def _shares(steps: int, recipe: Recipe) -> list[float]:
    return [rate_share(done / steps, 1 / steps, recipe) for done in range(steps)]


def test_the_rate_rises_and_falls_in_a_line() -> None:
    recipe = Recipe(warmup_share=0.2)
    shares = _shares(10, recipe)
    assert shares[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert shares[2:] == pytest.approx([(8 - k) / 8 for k in range(8)])


def test_other_schedules() -> None:
    cosine = replace(Recipe(), schedule="cosine", warmup_share=0.0)
    assert _shares(4, cosine) == pytest.approx([1.0, 0.853553, 0.5, 0.146447], abs=1e-6)
    flat = replace(Recipe(), schedule="constant", warmup_share=0.0)
    assert set(_shares(4, flat)) == {1.0}


def test_warmup_in_steps_goes_before_the_share() -> None:
    recipe = Recipe(warmup_share=0.5, warmup_steps=4)
    shares = _shares(100, recipe)
    assert [shares[step] for step in (0, 1, 3)] == pytest.approx([0.25, 0.5, 1.0])


def test_steps_of_changing_length_end_at_zero() -> None:
    """A schedule by the clock knows its next step only by those before."""
    recipe = Recipe(warmup_share=0.1)
    assert rate_share(0.0, 0.0, recipe) == 0.0
    assert rate_share(0.04, 0.01, recipe) == pytest.approx(0.5)
    assert rate_share(0.55, 0.02, recipe) == pytest.approx(0.5)
    assert rate_share(0.99, 0.3, recipe) == pytest.approx(0.01 / 0.9)
    assert rate_share(1.2, 0.3, recipe) == 0.0


def test_warmup_in_steps_by_the_clock() -> None:
    """Steps are as long as those before were on average."""
    recipe = Recipe(warmup_share=0.0, warmup_steps=4)
    assert rate_share(0.0, 0.0, recipe) == 0.0
    shares = [rate_share(done * 0.01, 0.01, recipe) for done in (1, 2, 3, 4)]
    assert shares == pytest.approx([0.5, 0.75, 1.0, 1.0])
    assert rate_share(0.1, 0.05, recipe) == pytest.approx(0.75)  # the third step, steps being slow


def test_only_matrices_are_shrunk_and_words_have_a_rate_of_their_own() -> None:
    model = torch.nn.Sequential(
        torch.nn.Embedding(9, 2), torch.nn.Linear(2, 3), torch.nn.LayerNorm(3)
    )
    recipe = Recipe(weight_decay=0.1, embedding_rate_share=0.2)
    matrices, vectors, words = optimizer(model, model[0].weight, recipe).param_groups
    assert [p.shape for p in matrices["params"]] == [(3, 2)]
    assert len(vectors["params"]) == 3
    assert words["params"][0] is model[0].weight
    groups = (matrices, vectors, words)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0, 0.1]
    assert [group["share"] for group in groups] == [1.0, 1.0, 0.2]
