"""New layers that see matches and neighbours before they have learned anything."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tokenizers import Tokenizer

from pullquote.errors import ConfigError
from pullquote.training.recipe import Recipe
from pullquote.training.start import open_start
from pullquote.training.structure import structured_initialisation
from pullquote.training.train import train

LENGTH = 120


@pytest.fixture(scope="module")
def words() -> torch.Tensor:
    """Embeddings of 400 words, some alike: word 2 i + 1 is a variant of word 2 i."""
    random = torch.Generator().manual_seed(0)
    stems = torch.randn(200, 96, generator=random).repeat_interleave(2, 0)
    return stems + 0.4 * torch.randn(400, 96, generator=random)


@pytest.fixture(scope="module")
def model(words: torch.Tensor) -> transformers.BertForQuestionAnswering:
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=512,
        attn_implementation="eager",
    )
    model = transformers.BertForQuestionAnswering(config)
    structured_initialisation(model, words, torch.ones(len(words)), seed=0)
    return model.eval()


@pytest.fixture(scope="module")
def attentions(model: transformers.BertForQuestionAnswering) -> list[torch.Tensor]:
    """What each layer attends to, (2, T, T) each, in a text of words that come once each but one:
    token 7 is token 90 again.
    """
    ids = torch.randperm(200, generator=torch.Generator().manual_seed(1))[:LENGTH] * 2
    ids[90] = ids[7]
    types = (torch.arange(LENGTH) > 20).long()
    with torch.no_grad():
        output = model(ids[None], token_type_ids=types[None], output_attentions=True)
    return [attention[0] for attention in output.attentions]


def test_the_first_head_finds_the_same_word(attentions: list[torch.Tensor]) -> None:
    match = attentions[0][0]
    others = torch.ones(LENGTH, dtype=torch.bool)
    others[[7, 90]] = False
    for token, other in ((7, 90), (90, 7)):
        assert match[token, other] > 0.2
        assert match[token, other] > 20 * match[token, others].max()


def test_a_rare_word_matches_more_sharply_than_a_frequent_one(words: torch.Tensor) -> None:
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=512,
    )
    counts = torch.ones(len(words))
    counts[:10] = 1000
    scores = []
    for seen in (counts, torch.ones(len(words))):
        model = transformers.BertForQuestionAnswering(config).eval()
        structured_initialisation(model, words, seen, seed=0)
        attention = model.bert.encoder.layer[0].attention.self
        with torch.no_grad():
            states = model.bert.embeddings(torch.arange(len(words))[:, None])[:, 0]
            query, key = (f(states)[:, :64] for f in (attention.query, attention.key))
        scores.append((query * key).sum(1) / 8)  # of each word with itself
    by_count, by_word = scores
    assert by_count[:10].mean() < by_count[10:].mean() / 3
    assert by_word[:10].mean() > by_word[10:].mean() / 2


def test_the_second_head_looks_at_the_word_before(attentions: list[torch.Tensor]) -> None:
    before = attentions[0][1]
    assert torch.equal(before[1:].argmax(1), torch.arange(LENGTH - 1))
    assert before[torch.arange(1, LENGTH), torch.arange(LENGTH - 1)].mean() > 0.4


@pytest.mark.parametrize("layer", [1, 2])
def test_later_layers_look_around(attentions: list[torch.Tensor], layer: int) -> None:
    around = attentions[layer][0]
    distance = (torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)).abs()
    near = (around * (distance <= 6)).sum(1)
    assert near[10:-10].mean() > 0.4  # of 120 tokens 13 are so near
    assert around[distance == 3].mean() > 3 * around[distance == 40].mean()


def test_words_that_were_alike_still_are(
    model: transformers.BertForQuestionAnswering, words: torch.Tensor
) -> None:
    table = model.bert.embeddings.word_embeddings.weight.detach()
    alike = torch.nn.functional.cosine_similarity(table[::2], table[1::2]).mean()
    strange = torch.nn.functional.cosine_similarity(table[::2], table[1::2].roll(1, 0)).mean()
    assert alike > 0.75
    assert strange.abs() < 0.1


@pytest.mark.parametrize("width", [64, 128, 256])
def test_any_width_starts_from_any_width(words: torch.Tensor, width: int) -> None:
    """One head alone, or more heads than there are tasks, or more room than components."""
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
    )
    model = transformers.BertForQuestionAnswering(config).eval()
    structured_initialisation(model, words, torch.ones(len(words)), seed=0)
    ids = torch.arange(40)[None]
    with torch.no_grad():
        output = model(ids, output_hidden_states=True)
    for states in output.hidden_states:
        assert states.isfinite().all()
        assert states.std() == pytest.approx(1, abs=0.001)


def test_a_shape_takes_the_words_of_a_checkpoint(
    base: Path, recipe: Recipe, tmp_path: Path
) -> None:
    base = shutil.copytree(base, tmp_path / "base")
    (base / "NOTICE").write_text("made by many")
    given = load_file(base / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    shaped = replace(
        recipe,
        model="L2-H128",
        tokenizer=str(base),
        embeddings=str(base),
        max_steps=2,
        embedding_rate_share=0.0,
    )
    runs = {
        "one": shaped,
        "again": shaped,
        "faster": replace(shaped, learning_rate=2 * shaped.learning_rate),
        "free": replace(shaped, embedding_rate_share=0.5),
    }
    trained = {}
    for name, run in runs.items():
        train(run, tmp_path / name)
        trained[name] = load_file(tmp_path / name / "model.safetensors")
    assert (tmp_path / "one" / "NOTICE").read_text() == "made by many"
    one = trained["one"]
    assert all(torch.equal(trained["again"][name], value) for name, value in one.items())
    words = "bert.embeddings.word_embeddings.weight"
    moved = {name for name, value in one.items() if not torch.equal(trained["faster"][name], value)}
    assert moved
    assert words not in moved  # they stay, whatever the rate
    assert not torch.equal(trained["free"][words], one[words])
    # all 32 components have room, so that angles between words (about their mean) are as they were
    table, centred = one[words], given - given.mean(0)
    assert table.shape == (len(given), 128)
    assert torch.allclose(
        torch.nn.functional.cosine_similarity(table[5:6], table),
        torch.nn.functional.cosine_similarity(centred[5:6], centred),
        atol=1e-4,
    )


def test_words_must_be_the_tokenizers(base: Path, recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="another vocabulary than the tokenizer of small"):
        open_start(replace(recipe, model="L2-H128", embeddings=str(base)))


def test_a_checkpoint_has_words_of_its_own(base: Path, recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="expected a shape such as L2-H128"):
        open_start(replace(recipe, embeddings=str(base)))
    with pytest.raises(ConfigError, match="set one"):
        replace(recipe, model="L2-H128", embeddings=str(base), stack=str(base))


def test_what_is_cut_into_pieces_by_another_tokenizer_is_refused(
    base: Path, recipe: Recipe, wordpiece: Tokenizer, tmp_path: Path
) -> None:
    other = Tokenizer.from_str(wordpiece.to_str().replace('"the"', '"thy"'))
    other.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ConfigError, match="another vocabulary"):
        open_start(replace(recipe, model="L2-H128", tokenizer=str(tmp_path), embeddings=str(base)))
