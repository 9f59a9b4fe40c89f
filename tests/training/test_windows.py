"""Labelled windows, and the order of training: every window once, hardly any padding."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pullquote.errors import DataError
from pullquote.reading.encode import Encoder
from pullquote.settings import ReaderConfig
from pullquote.training import windows as module
from pullquote.training.windows import PADDING, SoftLabels, encode, plan
from pullquote.types import Example, Span

CONTEXTS = [
    "the norse led by rollo came from the sea " + "and the river rises in the hills " * 4,
    "the norse",
    "the sea and the norse",
]
LENGTHS = st.lists(st.integers(1, 32), min_size=1, max_size=200)


@pytest.fixture
def encoder(wordpiece: Tokenizer, tiny_config: ReaderConfig) -> Encoder:
    return Encoder(Tokenizer.from_str(wordpiece.to_str()), tiny_config)


def example(context: str, *answers: str, id: str = "1") -> Example:
    spans = tuple(
        Span(text, context.index(text), context.index(text) + len(text)) for text in answers
    )
    return Example(id, "who led?", context, spans)


def test_windows_are_labelled_and_those_without_the_answer_are_null(encoder: Encoder) -> None:
    context = "the norse led by rollo came from the sea " + "and the river rises in the hills " * 4
    windows = encode([example(context, "rollo"), example("the sea", id="2")], encoder)
    assert len(windows) == 3
    first, last = windows.labels[0]
    ids = windows.batch(np.array([0])).input_ids[0]
    assert first == last
    assert encoder.tokenizer.id_to_token(int(ids[first])) == "rollo"
    assert not windows.labels[1:].any()


def test_each_window_has_the_label_of_its_own_example(encoder: Encoder) -> None:
    answers = ["norse", "sea", "rollo"]
    examples = [
        example("the norse led by rollo came from the sea", answer, id=answer) for answer in answers
    ]
    windows = encode(examples, encoder)
    for row, answer in enumerate(answers):
        first, last = windows.labels[row]
        ids = windows.batch(np.array([row])).input_ids[0]
        found = [encoder.tokenizer.id_to_token(int(id)) for id in ids[first : last + 1]]
        assert found == [answer]


def test_a_batch_is_what_the_encoder_makes(encoder: Encoder) -> None:
    examples = [example("the sea", "sea"), example("the norse led by rollo", id="2")]
    windows = encode(examples, encoder)
    expected = encoder.batch([w for e in examples for w in encoder.windows(e.question, e.context)])
    found = windows.batch(np.array([0, 1]))
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    alone = windows.part(1, 2).batch(np.array([0]))
    assert alone.input_ids.tolist() == [expected.input_ids[1].tolist()]


def test_a_batch_can_be_as_wide_as_a_multiple(encoder: Encoder) -> None:
    windows = encode(
        [example("the sea", "sea"), example("the norse led by rollo", id="2")], encoder
    )
    rows = np.array([0, 1])
    narrow, wide = windows.batch(rows), windows.batch(rows, 8)
    width = narrow.input_ids.shape[1]
    assert (width, wide.input_ids.shape[1]) == (11, 16)
    assert wide.input_ids[:, :width].tolist() == narrow.input_ids.tolist()
    assert wide.attention_mask.sum(axis=1).tolist() == windows.lengths.tolist()
    numbers = np.arange(len(windows.ids), dtype=np.float16)
    logits = windows.padded(SoftLabels(numbers, numbers), rows, 8)
    assert (logits.start == PADDING).tolist() == (wide.attention_mask == 0).tolist()


def test_windows_of_the_same_length_are_found_together(encoder: Encoder) -> None:
    texts = ["the sea", "the norse led by rollo", "a sea", "the land", "the city"]
    examples = [example(text, id=text) for text in texts]
    windows = encode([example("the sea", "sea"), *examples], encoder)
    found = {}
    for rows, tokens in windows.by_length():
        for row, places in zip(rows.tolist(), tokens, strict=True):
            found[row] = windows.ids[places].tolist()
    ids = [windows.ids[windows.bounds[n] : windows.bounds[n + 1]].tolist() for n in range(6)]
    assert found == dict(enumerate(ids))
    assert len(list(windows.by_length())) == len(set(map(len, ids))) == 2


def test_a_subset_holds_its_windows_in_its_order(encoder: Encoder) -> None:
    texts = ["the sea", "the norse led by rollo", "the land of the king"]
    windows = encode([example(text, text.split()[1], id=text) for text in texts], encoder)
    rows = np.array([2, 0, 2])
    some = windows.subset(rows)
    assert some.examples.tolist() == rows.tolist()
    assert some.labels.tolist() == windows.labels[rows].tolist()
    ours, theirs = some.batch(np.arange(3)), windows.batch(rows)
    assert ours.input_ids.tolist() == theirs.input_ids.tolist()
    assert ours.token_type_ids.tolist() == theirs.token_type_ids.tolist()
    assert len(windows.subset(np.array([], dtype=np.int64)).ids) == 0


def test_several_processes_make_the_same_windows(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [example(CONTEXTS[n % 3], "norse", id=str(n)) for n in range(50)]
    told: list[tuple[int, int, str]] = []
    whole = encode(examples, encoder, lambda *call: told.append(call))
    assert told == [(0, 50, "tokenising")]
    monkeypatch.setattr(module, "_QUESTIONS_PER_PART", 20)
    parts = encode(examples, encoder, lambda *call: told.append(call), processes=2)
    assert told[1:] == [(0, 50, "tokenising"), (20, 50, "tokenising"), (40, 50, "tokenising")]
    assert len(parts) > 50  # some have several
    for name in ("ids", "types", "bounds", "labels", "examples"):
        one, other = getattr(whole, name), getattr(parts, name)
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist())
    wrong = Example("7", "who?", "the sea", (Span("hills", 4, 7),))
    with pytest.raises(DataError, match=r"'7': the answer 'hills' is not at 4"):
        encode([*examples, wrong], encoder, processes=2)


def test_an_encoder_for_another_process_reads_the_same(
    wordpiece: Tokenizer, tiny_config: ReaderConfig
) -> None:
    config = replace(tiny_config, max_length=40)
    one = Encoder(
        Tokenizer.from_str(wordpiece.to_str()), config, type_vocab_size=1, context_first=True
    )
    other = pickle.loads(pickle.dumps(one))
    assert (other.config, other.types, other.context_first) == (config, 1, True)
    (ours,), (theirs,) = (e.windows("who led?", "the [SEP] norse") for e in (one, other))
    assert ours.input_ids.tolist() == theirs.input_ids.tolist()


def test_soft_labels_are_padded_as_their_batch(encoder: Encoder) -> None:
    windows = encode([example("the sea", "sea"), example("the norse led", id="2")], encoder)
    numbers = np.arange(len(windows.ids), dtype=np.float16)
    logits = windows.padded(SoftLabels(numbers, numbers + 1), np.array([1, 0]))
    short, long = windows.lengths
    assert logits.start[0].tolist() == list(range(short, short + long))
    assert logits.end[1].tolist() == [*range(1, short + 1), *[PADDING] * (long - short)]


def test_the_fingerprint_changes_with_what_is_read_and_not_with_the_labels(
    encoder: Encoder,
) -> None:
    plain = encode([example("the sea and the hills", "sea")], encoder)
    assert encode([example("the sea and the hills", "hills")], encoder).fingerprint() == (
        plain.fingerprint()
    )
    other = encode([example("the sea and the river", "sea")], encoder)
    assert other.fingerprint() != plain.fingerprint()


def test_data_that_teaches_nothing_is_refused(encoder: Encoder) -> None:
    with pytest.raises(DataError, match="no question of the training data has an answer"):
        encode([example("the sea")], encoder)
    wrong = Example("7", "who?", "the sea", (Span("hills", 4, 7),))
    with pytest.raises(DataError, match=r"'7': the answer 'hills' is not at 4 .* 'sea' stands"):
        encode([wrong], encoder)


@given(LENGTHS, st.integers(32, 200), st.integers(32, 200), st.integers(0, 3))
def test_every_window_comes_once_and_fits(
    lengths: list[int], tokens: int, micro_tokens: int, epoch: int
) -> None:
    sizes = np.array(lengths)
    steps = plan(sizes, tokens=tokens, micro_tokens=micro_tokens, seed=1, epoch=epoch)
    micros = [rows for step in steps for rows in step]
    assert sorted(np.concatenate(micros).tolist()) == list(range(len(lengths)))
    for rows in micros:
        assert len(rows) * sizes[rows].max() <= min(tokens, micro_tokens)
    assert len(steps) == len(plan(sizes, tokens=tokens, micro_tokens=micro_tokens, seed=1, epoch=9))


def test_a_plan_depends_on_seed_and_epoch_alone() -> None:
    sizes = np.arange(400) % 30 + 1

    def order(seed: int, epoch: int) -> list[int]:
        steps = plan(sizes, tokens=64, micro_tokens=64, seed=seed, epoch=epoch)
        return np.concatenate([rows for step in steps for rows in step]).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


def test_short_and_long_windows_come_in_a_mixed_order() -> None:
    sizes = np.arange(400) + 1
    steps = plan(sizes, tokens=400, micro_tokens=400, seed=0, epoch=0)
    lengths = [int(sizes[rows].max()) for step in steps for rows in step]
    rising = sum(a < b for a, b in itertools.pairwise(lengths))
    assert 0.4 < rising / len(lengths) < 0.6


def test_hardly_a_token_is_padding() -> None:
    sizes = np.random.default_rng(0).integers(40, 300, 5000)
    steps = plan(sizes, tokens=8192, micro_tokens=4096, seed=0, epoch=0)
    padded = sum(len(rows) * sizes[rows].max() for step in steps for rows in step)
    assert padded / sizes.sum() < 1.01
    assert {len(step) for step in steps[:-1]} == {2}


def test_a_step_can_be_bounded_by_windows_instead() -> None:
    sizes = np.full(100, 10)
    steps = plan(sizes, tokens=8 * 32, micro_tokens=8 * 32, seed=0, epoch=0, windows=8)
    assert [sum(map(len, step)) for step in steps].count(8) == 12
    assert len(steps) == 13
    halves = plan(sizes, tokens=8 * 32, micro_tokens=4 * 32, seed=0, epoch=0, windows=8)
    assert {tuple(map(len, step)) for step in halves[:-1]} == {(4, 4)}
