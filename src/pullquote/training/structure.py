"""New layers that see from the first step what reading needs: the same word, the word before, the
words around.

Knows BERT's weights and how often words come. Long pretraining makes heads that look at the token
before or at matching words (Clark et al. 2019, "What Does BERT Look At?", section 3); without it a
2-layer model did not find them in six epochs of SQuAD 2.0 (EXPERIMENTS.md). Trockman and Kolter
2023, "Mimetic Initialization of Self-Attention Layers", write down what training would end with, in
the same spirit.

    structure(model, embeddings, counts, seed=0)

A hidden state, which the first layer norm scales to variance 1:

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
_APART = 2 * len(_WAVES) + 1 + _FREE  # what is not words
# The shares of a state's squared length; its words have the rest, about.
_PLACE_SHARE, _TYPE_SHARE, _WORD_SHARE = 0.19, 0.03, 0.7
# How a head weighs the wavelengths, and how sharply it looks (the softmax's scores before it):
# "before" gives one token 0.57 of the attention; "around" gives the token itself 0.32, its two
# neighbours 0.40 and the four around them 0.14.
_NEAR = 1.5 * torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
_AROUND = 2.0 * torch.tensor([0.1, 0.3, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5])


@torch.no_grad()
def structure(model: Any, embeddings: torch.Tensor, counts: torch.Tensor, seed: int) -> None:
    """Give a `BertForQuestionAnswering` words and structured layers; it may have any shape.

    `embeddings` are those of another model, (V, any width), and come as their first principal
    components, as many as there is room for; `counts`, (V,), says how often each token stands in
    the training text. The first layer has a head that looks for tokens like its own and one that
    looks at the token before; each further layer one that looks around. Other heads are random.
    """
    random = torch.Generator().manual_seed(seed)
    width = model.config.hidden_size
    words = width - _APART
    _embed(model.bert.embeddings, embeddings.float(), words)
    for index, layer in enumerate(model.bert.encoder.layer):
        _randomise(layer, width, random)
        attention = layer.attention.self
        if index == 0:
            _match(attention, _read_alone(model.bert.embeddings), counts.float(), words)
            _look(attention, 1, _NEAR, words, offset=-1)
        else:
            _look(attention, 0, _AROUND, words, offset=0)


def _embed(embeddings: Any, source: torch.Tensor, words: int) -> None:
    """Words, positions and types, each in dimensions of their own."""
    table = embeddings.word_embeddings.weight
    width = table.shape[1]
    source = source - source.mean(0)
    _, axes = torch.linalg.eigh(source.T @ source)  # rising
    axes = axes.flip(1)[:, :words]
    parts = source @ axes  # (V, words or fewer)
    table.zero_()
    # rare words have longer vectors; halfway (on a log scale) towards one length for all
    lengths = parts.norm(dim=1, keepdim=True).clamp_min(1e-3)
    parts = parts / lengths * (lengths / lengths.mean()).sqrt()
    table[:, : parts.shape[1]] = parts * math.sqrt(_WORD_SHARE * width)
    places = embeddings.position_embeddings.weight  # (positions, H)
    angles = torch.arange(len(places))[:, None] * (2 * math.pi / _WAVES)
    places.zero_()
    places[:, words : words + 2 * len(_WAVES)] = _place_length(width) * torch.cat(
        [angles.cos(), angles.sin()], 1
    )
    types = embeddings.token_type_embeddings.weight  # (types, H)
    types.zero_()
    types[:, _type_dimension(words)] = math.sqrt(_TYPE_SHARE * width)
    types[1:] *= -1
    _plain_norm(embeddings.LayerNorm)


def _randomise(layer: Any, width: int, random: torch.Generator) -> None:
    """Random weights, small where they write into the states, so that what stands there stays."""
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
    # one value of the first head is the token type: matched in the question, or in the text alone
    value = attention.self.value.weight
    value[0] = 0
    value[0, _type_dimension(width - _APART)] = 8 / math.sqrt(width)
    for norm in (attention.output.LayerNorm, layer.output.LayerNorm):
        _plain_norm(norm)


def _match(attention: Any, states: torch.Tensor, counts: torch.Tensor, words: int) -> None:
    """Head 0 compares words in their main directions, each scaled to variance 1 over running text.

    A rare word then scores about 12 with itself, a frequent one, which stands near the mean of the
    text, 1 or 2, and two different words about 0: the more telling a match, the sharper the look.
    """
    size = min(attention.attention_head_size, words)
    share = counts / counts.sum()
    mean = share @ states[:, :words]
    centred = states[:, :words] - mean  # (V, words)
    variance, axes = torch.linalg.eigh(centred.T @ (share[:, None] * centred))  # rising
    whiten = (axes / variance.clamp_min(1e-4).sqrt()).T[-size:]  # (size, words)
    for linear in (attention.query, attention.key):
        linear.weight[: attention.attention_head_size] = 0
        linear.weight[:size, :words] = whiten
        linear.bias[:size] = -whiten @ mean


def _look(attention: Any, head: int, sharpness: torch.Tensor, words: int, *, offset: int) -> None:
    """Let a head look at the token `offset` away, and less and less at those around it.

    The score of token i with token j is the sum of sharpness x cos(2 pi (j - i - offset) / wave).
    """
    if head >= attention.num_attention_heads:
        return
    size, waves = attention.attention_head_size, len(_WAVES)
    width = attention.query.in_features
    first = head * size
    # query . key / sqrt(size) is the score; the positions have a length of their own
    strength = (sharpness * math.sqrt(size)).sqrt() / _place_length(width)
    turn = offset * 2 * math.pi / _WAVES
    for linear, angle in ((attention.query, turn), (attention.key, torch.zeros(waves))):
        linear.weight[first : first + 2 * waves] = 0
        for wave in range(waves):
            cos, sin = first + wave, first + waves + wave
            place = words + wave
            linear.weight[cos, place] = strength[wave] * angle[wave].cos()
            linear.weight[cos, place + waves] = -strength[wave] * angle[wave].sin()
            linear.weight[sin, place] = strength[wave] * angle[wave].sin()
            linear.weight[sin, place + waves] = strength[wave] * angle[wave].cos()
    for linear in (attention.query, attention.key):
        linear.weight[first + 2 * waves : first + size] *= 0.4


def _read_alone(embeddings: Any) -> torch.Tensor:
    """Each token of the vocabulary as the first layer sees it, (V, H)."""
    place = embeddings.position_embeddings.weight[0]
    kind = embeddings.token_type_embeddings.weight[-1]
    states: torch.Tensor = embeddings.LayerNorm(embeddings.word_embeddings.weight + place + kind)
    return states


def _place_length(width: int) -> float:
    return math.sqrt(_PLACE_SHARE * width / len(_WAVES))


def _type_dimension(words: int) -> int:
    return words + 2 * len(_WAVES)


def _plain_norm(norm: Any) -> None:
    norm.weight.fill_(1)
    norm.bias.zero_()
