"""Structured initialisation: attention heads that start as exact-match and previous-token heads.

Knows the weights of BERT and the frequencies of words. Long pretraining produces heads that attend
to the previous token or to the same word (Clark et al. 2019, "What Does BERT Look At?", section 3).
Without pretraining, a 2-layer model did not learn them in six epochs of SQuAD 2.0 (EXPERIMENTS.md).
Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers", follow the same idea.

    structured_initialisation(model, embeddings, counts, seed=0)

The dimensions of a hidden state, which the first layer norm scales to variance 1:

    principal components of the words | cos, sin of the position at 8 wavelengths | type | free
    H - 20                            | 16                                        | 1    | 3
"""

from __future__ import annotations

import math
from typing import Any

from pullquote.errors import MissingExtraError

try:
    import torch
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

_WAVES = torch.tensor([5.0, 9.0, 16.0, 30.0, 60.0, 120.0, 300.0, 900.0])  # tokens
_FREE = 3
_RESERVED = 2 * len(_WAVES) + 1 + _FREE  # dimensions that are not for words
# Shares of the squared length of a hidden state.
_POSITION_SHARE, _TYPE_SHARE, _WORD_SHARE = 0.19, 0.03, 0.7
# Weights of the wavelengths in an attention score; larger ones make the attention sharper.
# _PREVIOUS gives the previous token 0.57 of the attention; _LOCAL gives the token itself 0.32, its
# two neighbours 0.40 and the next four 0.14.
_PREVIOUS = 1.5 * torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
_LOCAL = 2.0 * torch.tensor([0.1, 0.3, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5])


@torch.no_grad()
def structured_initialisation(
    model: Any, embeddings: torch.Tensor, counts: torch.Tensor, seed: int
) -> None:
    """Set the weights of a `BertForQuestionAnswering` of any shape.

    `embeddings` are those of another model, (V, any width); as many of their principal components
    as fit are kept. `counts`, (V,), are the frequencies of the tokens in the training text. The
    first layer gets an exact-match head and a previous-token head, each further layer a head that
    attends to the neighbouring tokens. Other heads are random.
    """
    random = torch.Generator().manual_seed(seed)
    width = model.config.hidden_size
    words = width - _RESERVED
    _set_embeddings(model.bert.embeddings, embeddings.float(), words)
    for index, layer in enumerate(model.bert.encoder.layer):
        _random_layer(layer, width, random)
        attention = layer.attention.self
        if index == 0:
            _exact_match_head(
                attention, _token_states(model.bert.embeddings), counts.float(), words
            )
            _relative_position_head(attention, 1, _PREVIOUS, words, offset=-1)
        else:
            _relative_position_head(attention, 0, _LOCAL, words, offset=0)


def _set_embeddings(embeddings: Any, source: torch.Tensor, words: int) -> None:
    """Set word, position and type embeddings, each in dimensions of their own."""
    table = embeddings.word_embeddings.weight
    width = table.shape[1]
    source = source - source.mean(0)
    _, axes = torch.linalg.eigh(source.T @ source)  # ascending
    axes = axes.flip(1)[:, :words]
    parts = source @ axes  # (V, words or fewer)
    table.zero_()
    # rare words have longer vectors: take the square root of each length, relative to the mean
    lengths = parts.norm(dim=1, keepdim=True).clamp_min(1e-3)
    parts = parts / lengths * (lengths / lengths.mean()).sqrt()
    table[:, : parts.shape[1]] = parts * math.sqrt(_WORD_SHARE * width)
    positions = embeddings.position_embeddings.weight  # (positions, H)
    angles = torch.arange(len(positions))[:, None] * (2 * math.pi / _WAVES)
    positions.zero_()
    positions[:, words : words + 2 * len(_WAVES)] = _position_scale(width) * torch.cat(
        [angles.cos(), angles.sin()], 1
    )
    types = embeddings.token_type_embeddings.weight  # (types, H)
    types.zero_()
    types[:, _type_dimension(words)] = math.sqrt(_TYPE_SHARE * width)
    types[1:] *= -1
    _reset_norm(embeddings.LayerNorm)


def _random_layer(layer: Any, width: int, random: torch.Generator) -> None:
    """Random weights; outputs are scaled down, so that they change the hidden states little."""
    attention = layer.attention
    scales = [
        (attention.self.query, 0.57),
        (attention.self.key, 0.57),
        (attention.self.value, 1.0),
        (attention.output.dense, 0.57),
        (layer.intermediate.dense, 0.8),
        (layer.output.dense, 0.68),
    ]
    for linear, scale in scales:
        linear.weight.normal_(std=scale / math.sqrt(linear.in_features), generator=random)
        linear.bias.zero_()
    # the first head passes the token type on: the match is in the question, or in the context
    value = attention.self.value.weight
    value[0] = 0
    value[0, _type_dimension(width - _RESERVED)] = 8 / math.sqrt(width)
    for norm in (attention.output.LayerNorm, layer.output.LayerNorm):
        _reset_norm(norm)


def _exact_match_head(
    attention: Any, states: torch.Tensor, counts: torch.Tensor, words: int
) -> None:
    """Make head 0 attend to the same word: queries and keys are whitened word embeddings.

    Whitened over running text, a rare word has an attention score of about 12 with itself, a
    frequent one (near the mean of the text) 1 or 2, and two different words about 0.
    """
    size = min(attention.attention_head_size, words)
    share = counts / counts.sum()
    mean = share @ states[:, :words]
    centred = states[:, :words] - mean  # (V, words)
    variance, axes = torch.linalg.eigh(centred.T @ (share[:, None] * centred))  # ascending
    whiten = (axes / variance.clamp_min(1e-4).sqrt()).T[-size:]  # (size, words)
    for linear in (attention.query, attention.key):
        linear.weight[: attention.attention_head_size] = 0
        linear.weight[:size, :words] = whiten
        linear.bias[:size] = -whiten @ mean


def _relative_position_head(
    attention: Any, head: int, sharpness: torch.Tensor, words: int, *, offset: int
) -> None:
    """Make a head attend to the token `offset` away, and less to tokens further from it.

    The score of token i with token j is the sum of sharpness x cos(2 pi (j - i - offset) / wave).
    """
    if head >= attention.num_attention_heads:
        return
    size, waves = attention.attention_head_size, len(_WAVES)
    width = attention.query.in_features
    first = head * size
    # the score is query . key / sqrt(size); divide by the scale of the position embeddings
    strength = (sharpness * math.sqrt(size)).sqrt() / _position_scale(width)
    shift = offset * 2 * math.pi / _WAVES
    for linear, angle in ((attention.query, shift), (attention.key, torch.zeros(waves))):
        linear.weight[first : first + 2 * waves] = 0
        for wave in range(waves):
            cos, sin = first + wave, first + waves + wave
            position = words + wave
            linear.weight[cos, position] = strength[wave] * angle[wave].cos()
            linear.weight[cos, position + waves] = -strength[wave] * angle[wave].sin()
            linear.weight[sin, position] = strength[wave] * angle[wave].sin()
            linear.weight[sin, position + waves] = strength[wave] * angle[wave].cos()
    for linear in (attention.query, attention.key):
        linear.weight[first + 2 * waves : first + size] *= 0.4


def _token_states(embeddings: Any) -> torch.Tensor:
    """The input of the first layer for each token of the vocabulary, at position 0, (V, H)."""
    position = embeddings.position_embeddings.weight[0]
    kind = embeddings.token_type_embeddings.weight[-1]
    states: torch.Tensor = embeddings.LayerNorm(embeddings.word_embeddings.weight + position + kind)
    return states


def _position_scale(width: int) -> float:
    return math.sqrt(_POSITION_SHARE * width / len(_WAVES))


def _type_dimension(words: int) -> int:
    return words + 2 * len(_WAVES)


def _reset_norm(norm: Any) -> None:
    norm.weight.fill_(1)
    norm.bias.zero_()
